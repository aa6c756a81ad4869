"""Limits refused codes, so that codes cannot be found by guessing in checkouts and top-ups.

The database counts each refused code, by customer and by the client's networks, so that all processes share one
count. Requests that succeed are not counted and cost no query: from the refusal that is past a limit until the window
ends, a process remembers the caller, and refuses every code without looking it up. So each process looks up at most
one code more than the limit allows.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rest_framework.request import Request

from billing.api.access.authentication import principal_of
from billing.api.access.client_address import client_address
from billing.api.access.rate_limit import read_limit
from billing.errors import TooManyAttempts
from billing.use_cases.count_attempt import Limit, count_hit, networks_of
from promos.errors import PromoExpired, PromoInactive, PromoNotFound, PromoNotStarted

# The refusals of guessed codes. In a rush, honest customers send exhausted codes and codes that they have redeemed.
_GUESSES = (PromoNotFound, PromoInactive, PromoNotStarted, PromoExpired)
# Many customers can share an address.
_ADDRESS_ALLOWANCE = 10
MAX_REMEMBERED = 10_000

# Who is past a limit in this process, and the instant until which.
_blocked: dict[tuple[str, str], float] = {}


@contextmanager
def limit_refused_codes(request: Request) -> Iterator[None]:
    """Refuses every code of a caller past the limit, and counts a code that is refused inside.

    Raises: TooManyAttempts, in place of the refusal that is past the limit.
    """
    counted = _counted(request)
    now = time.monotonic()
    waits = [_blocked[key] - now for key in counted if key in _blocked]
    if waits and max(waits) > 0:
        raise TooManyAttempts(retry_after=int(max(waits)) + 1)
    try:
        yield
    except _GUESSES as refusal:
        if wait := _count(counted, now):
            raise TooManyAttempts(retry_after=wait) from refusal
        raise


def forget_blocked() -> None:
    """Forgets who is past a limit, as if the process had just started."""
    _blocked.clear()


def _counted(request: Request) -> dict[tuple[str, str], Limit]:
    limit = read_limit("refused code", "REFUSED_CODE_RATE_LIMIT")
    of_networks = {
        ("network", network): replace(limit, hits=limit.hits * _ADDRESS_ALLOWANCE * allowance)
        for network, allowance in networks_of(client_address(request)).items()
    }
    return {("customer", principal_of(request).user_id): limit, **of_networks}


def _count(counted: dict[tuple[str, str], Limit], now: float) -> int:
    """Counts a refused code, and returns the seconds to wait if that is past a limit, else 0."""
    longest = 0
    for (kind, name), limit in counted.items():
        allowed, wait = count_hit(replace(limit, scope=f"{limit.scope} of {kind}"), name)
        if not allowed:
            if len(_blocked) >= MAX_REMEMBERED:
                _blocked.clear()
            _blocked[kind, name] = now + wait
            longest = max(longest, wait)
    return longest
