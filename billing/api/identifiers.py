"""Ids from outside: texts that hold a UUID.

In a path they are read by the view and not by the router: an address with a malformed id exists for nobody in
particular, so that identity and role are asked for before it is not found.
"""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from billing.errors import DomainError

from .fields import TextField


def read_id(text: str) -> UUID | None:
    """The UUID in its usual form, in any case; None for everything else."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def read_path_id(text: str, *, not_found: type[DomainError]) -> UUID:
    """The id that a path names. Raises: `not_found`, where it cannot be one."""
    found = read_id(text)
    if found is None:
        raise not_found
    return found


@extend_schema_field(OpenApiTypes.UUID)
class IdField(TextField):
    """A UUID as a JSON text."""

    default_error_messages = {"not_an_id": "must be an id (a UUID)"}

    def to_internal_value(self, data: Any) -> Any:
        found = read_id(super().to_internal_value(data))
        if found is None:
            self.fail("not_an_id")
        return found
