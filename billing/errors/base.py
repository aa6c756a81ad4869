"""The base of all refusals."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext


class DomainError(Exception):
    """A request was refused, and nothing was changed.

    `code` is for programs and never changes; `message` is for people, and `text` is its translation into the language
    of the request. `retry_after`, in seconds, says that the same
    request may succeed later. `fields` says what is wrong with each input. `extra` are further members of the answer.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    message: ClassVar[str] = "the request was refused"

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: dict[str, list[str]] | None = None,
        retry_after: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.english = message or self.message
        self.fields = fields
        self.retry_after = retry_after
        self.extra = extra
        super().__init__(self.english)

    @property
    def text(self) -> str:
        return gettext(self.english)
