"""Ids from outside: strings that hold a UUID.

The view parses ids in paths, not the router. With a UUID converter in the router, a malformed id would be a 404
before the caller's identity and role are checked.
"""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from billing.errors import DomainError

from .fields import TextField


def read_id(text: str) -> UUID | None:
    """Parses a UUID in its usual form, in any letter case. Returns None for everything else."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def read_path_id(text: str, *, not_found: type[DomainError]) -> UUID:
    """Parses the id in a path. Raises: `not_found` if it is not a UUID."""
    found = read_id(text)
    if found is None:
        raise not_found
    return found


@extend_schema_field(OpenApiTypes.UUID)
class IdField(TextField):
    """A UUID as a JSON string."""

    default_error_messages = {"not_an_id": "must be an id (a UUID)"}

    def to_internal_value(self, data: Any) -> Any:
        found = read_id(super().to_internal_value(data))
        if found is None:
            self.fail("not_an_id")
        return found
