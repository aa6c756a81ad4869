"""The Idempotency-Key header: the same request under the same key gets the same answer."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from billing.errors import DomainError

MAX_KEY_LENGTH = 255


class InvalidIdempotencyKey(DomainError):
    code = "invalid_idempotency_key"
    message = f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"


def read_idempotency_key(request: Request) -> str:
    """Returns the key of the request; empty without one. Raises: InvalidIdempotencyKey."""
    key: str = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidIdempotencyKey
    return key


def idempotency_parameter(never: str) -> OpenApiParameter:
    """Describes the header; `never` names what the same request does not do a second time."""
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        description=f"For 24 hours the same request under the same key gets the same answer, never {never}.",
    )
