import os
import time
from uuid import UUID

from django.db.models import Func, UUIDField


class Uuid7(Func):
    """A UUID of version 7 (RFC 9562), made by the database: new rows land at the end of their index."""

    function = "billing_uuid7"
    arity = 0
    output_field = UUIDField()


def uuid7() -> UUID:
    """The same, made here: for a statement that has to know its rows' keys beforehand."""
    random = int.from_bytes(os.urandom(10), "big")
    version, variant = 0x7 << 76, 0b10 << 62
    return UUID(
        int=(time.time_ns() // 1_000_000) << 80 | version | (random >> 68) << 64 | variant | random & (1 << 62) - 1
    )
