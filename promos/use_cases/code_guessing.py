"""Limits refused codes, so that codes cannot be found by guessing in checkouts and redemptions.

The database counts each refused code, by customer and by the client's networks, so that all processes share one
count. Requests that succeed are not counted and cost no query: from the refusal that is past a limit until the window
ends, a process remembers the caller, and refuses every code without looking it up. So each process looks up at most
one code more than the limit allows.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from billing.actor import Actor
from billing.errors import TooManyAttempts
from billing.use_cases.count_attempt import Limit, count_hit, limits_of_networks, read_limit
from promos.errors import PromoExpired, PromoInactive, PromoNotFound, PromoNotStarted, PromoProblem
from promos.models import RefusedAttempt
from promos.use_cases.attempts.record_attempt import record_attempt
from promos.use_cases.cards.guessing import ADDRESS_ALLOWANCE, REFUSED_CODES

# The refusals of guessed codes. In a rush, honest customers send exhausted codes and codes that they have redeemed.
_GUESSES = (PromoNotFound, PromoInactive, PromoNotStarted, PromoExpired)
MAX_REMEMBERED = 10_000

# The callers that are past a limit in this process, each with the instant at which that ends.
_blocked: dict[tuple[str, str], float] = {}


@contextmanager
def limit_refused_codes(*, code: str, act: RefusedAttempt.Act, by: Actor) -> Iterator[None]:
    """Refuses every code of a caller past the limit, and counts and records a code that is refused inside.

    Raises: TooManyAttempts, in place of the refusal that is past the limit.
    """
    counted = _counted(by.user_id, by.address)
    now = time.monotonic()
    waits = [_blocked[key] - now for key in counted if key in _blocked]
    if waits and max(waits) > 0:
        raise TooManyAttempts(retry_after=int(max(waits)) + 1)
    try:
        yield
    except PromoProblem as refusal:
        record_attempt(refusal, code=code, act=act, by=by)
        if isinstance(refusal, _GUESSES) and (wait := _count(counted, now)):
            raise TooManyAttempts(retry_after=wait) from refusal
        raise


def forget_blocked() -> None:
    """Forgets the callers that are past a limit, as if the process had just started."""
    _blocked.clear()


def _counted(user_id: str, address: str | None) -> dict[tuple[str, str], Limit]:
    of_customer = read_limit(*REFUSED_CODES)
    of_network = Limit(
        scope="refused code of network", hits=of_customer.hits * ADDRESS_ALLOWANCE, seconds=of_customer.seconds
    )
    networks = limits_of_networks(of_network, address)
    return {
        ("customer", user_id): of_customer,
        **{("network", network): limit for network, limit in networks.items()},
    }


def _count(counted: dict[tuple[str, str], Limit], now: float) -> int:
    """Counts a refused code, and returns the seconds to wait if that is past a limit, else 0."""
    longest = 0
    for (kind, name), limit in counted.items():
        allowed, wait = count_hit(limit, name)
        if not allowed:
            if len(_blocked) >= MAX_REMEMBERED:
                _blocked.clear()
            _blocked[kind, name] = now + wait
            longest = max(longest, wait)
    return longest
