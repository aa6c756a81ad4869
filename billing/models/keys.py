import os
import struct
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Func, UUIDField

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Uuid7(Func):
    """A UUID of version 7 (RFC 9562) from the database. It grows with time, so new rows go to the end of an index."""

    function = "billing_uuid7"
    arity = 0
    output_field = UUIDField()


def key_at(instant: datetime) -> UUID:
    """Returns the least key of version 7 that may be made at this instant."""
    return UUID(int=max((instant - _EPOCH) // timedelta(milliseconds=1), 0) << 80)


# Random numbers of 80 bits, read many at a time: `os.urandom` releases the interpreter's lock, and waiting to get it
# back would cost each key more than the random number does.
_RANDOM_BYTES = 10
_STOCK = 256
_randoms: deque[int] = deque()
os.register_at_fork(after_in_child=_randoms.clear)


def uuid7() -> UUID:
    """Returns a UUID of version 7 made in Python, for a statement that needs its rows' keys beforehand."""
    try:
        random = _randoms.pop()
    except IndexError:
        made = os.urandom(_STOCK * _RANDOM_BYTES)
        random, *others = (int.from_bytes(part) for (part,) in struct.iter_unpack(f"{_RANDOM_BYTES}s", made))
        _randoms.extend(others)
    version, variant = 0x7 << 76, 0b10 << 62
    return UUID(
        int=(time.time_ns() // 1_000_000) << 80 | version | (random >> 68) << 64 | variant | random & (1 << 62) - 1
    )
