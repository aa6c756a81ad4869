"""Counts attempts in PostgreSQL, so that all processes share one count.

A window begins with the first attempt and ends one period later. Attempts that arrive together at one limit share a
statement and a commit. Those that open a new window remove a few ended ones.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from ipaddress import ip_network
from math import ceil

from django.conf import settings
from django.db import Error, connection
from django.utils.crypto import salted_hmac

from billing.database.group_commit import GroupCommit
from billing.errors import TooManyAttempts

# The scope and setting of the limit of public previews, so that codes cannot be found by guessing.
PREVIEWS = ("preview", "PREVIEW_RATE_LIMIT")
_PERIOD_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_MAX_WINDOWS_REMOVED = 20
# Internet providers usually give one customer a /64, in which single addresses cost nothing. Some give a /56 or a
# /48, which has many: such a network may do a few times as much as a /64.
_IPV6_ALLOWANCES = {64: 1, 56: 4, 48: 16}

logger = logging.getLogger(__name__)

# In the order of the keys, so that two processes never wait for each other. Counting stops past the limit: more says
# nothing, and could overflow.
_COUNT = """
INSERT INTO billing_ratelimitwindow AS known (key, hits, ends_at)
SELECT key, count(*), statement_timestamp() + make_interval(secs => %(seconds)s)
  FROM unnest(%(keys)s::text[]) AS key GROUP BY key ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    hits = CASE
        WHEN known.ends_at <= statement_timestamp() THEN excluded.hits
        ELSE LEAST(known.hits, %(limit)s) + excluded.hits
    END,
    ends_at = CASE
        WHEN known.ends_at <= statement_timestamp() THEN excluded.ends_at
        ELSE known.ends_at
    END
RETURNING key, hits, EXTRACT(EPOCH FROM ends_at - statement_timestamp())
"""

_REMOVE_ENDED = """
DELETE FROM billing_ratelimitwindow WHERE key IN (
    SELECT key FROM billing_ratelimitwindow WHERE ends_at <= statement_timestamp()
    ORDER BY ends_at LIMIT %(some)s FOR UPDATE SKIP LOCKED
)
"""

# The constraint of the table admits no window without a hit.
_UNCOUNT = """
WITH gone AS (DELETE FROM billing_ratelimitwindow WHERE key = %(key)s AND hits = 1)
UPDATE billing_ratelimitwindow SET hits = hits - 1 WHERE key = %(key)s AND hits > 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `hits` attempts of one kind in `seconds`, for each thing that is counted."""

    scope: str
    hits: int
    seconds: int


def read_limit(scope: str, setting: str) -> Limit:
    """Returns the limit of a setting: `60/min` is 60 attempts in 60 seconds. The settings have validated its text."""
    hits, _, period = str(getattr(settings, setting)).partition("/")
    return Limit(scope=scope, hits=int(hits), seconds=_PERIOD_SECONDS[period])


def limits_of_networks(limit: Limit, address: str | None) -> dict[str, Limit]:
    """Returns every network of an address that is counted, each with its limit: a larger network may do more."""
    if address is None or ":" not in address:
        return {address or "": limit}
    return {
        str(ip_network(f"{address}/{prefix}", strict=False)): replace(limit, hits=limit.hits * allowance)
        for prefix, allowance in _IPV6_ALLOWANCES.items()
    }


def count_hit_of_networks(limit: Limit, address: str | None) -> tuple[bool, int]:
    """Counts one attempt for each network of the address. Returns whether all allow it, and the seconds to wait."""
    counts = [count_hit(each, network) for network, each in limits_of_networks(limit, address).items()]
    return all(allowed for allowed, _ in counts), max(wait for _, wait in counts)


def count_hit(limit: Limit, counted: str) -> tuple[bool, int]:
    """Counts one attempt. Returns whether the limit allows it, and the seconds until the window ends.

    Transaction: owns, with attempts that other requests count; inside another's it joins that.
    """
    key = _key(limit, counted)
    hit = None if connection.in_atomic_block else _group_of(limit).submit(key)
    return hit or _count_hits(limit, [key])[0]


@cache
def _group_of(limit: Limit) -> GroupCommit[str, tuple[bool, int]]:
    return GroupCommit(partial(_count_hits, limit))


def _count_hits(limit: Limit, keys: Sequence[str]) -> list[tuple[bool, int]]:
    """Counts an attempt for each key, one after the other where a key stands there more than once."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"keys": list(keys), "seconds": limit.seconds, "limit": limit.hits})
        counts = {key: (hits, max(1, ceil(remaining))) for key, hits, remaining in cursor.fetchall()}
        before = {key: hits - keys.count(key) for key, (hits, _) in counts.items()}
    if 0 in before.values():
        _remove_ended()
    results = []
    for key in keys:
        before[key] += 1
        results.append((before[key] <= limit.hits, counts[key][1]))
    return results


def _remove_ended() -> None:
    """Removes a few ended windows. The attempts are committed by then: a failure must not count them once more."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_REMOVE_ENDED, {"some": _MAX_WINDOWS_REMOVED})
    except Error as error:
        if connection.in_atomic_block:
            raise
        logger.warning("ended windows were not removed, the next new window removes them: %s", error)


def count_attempt(limit: Limit, counted: str) -> None:
    """Counts one attempt.

    Raises: TooManyAttempts past the limit. Transaction: call it outside one, so that a refusal does not undo it.
    """
    allowed, wait = count_hit(limit, counted)
    if not allowed:
        raise TooManyAttempts(retry_after=wait)


def count_attempt_of_networks(limit: Limit, address: str | None) -> None:
    """Counts one attempt for each network of the address. Raises and transaction: as count_attempt."""
    allowed, wait = count_hit_of_networks(limit, address)
    if not allowed:
        raise TooManyAttempts(retry_after=wait)


def uncount_attempt(limit: Limit, counted: str) -> None:
    """Takes back one counted attempt, because it was not a failure."""
    with connection.cursor() as cursor:
        cursor.execute(_UNCOUNT, {"key": _key(limit, counted)})


def uncount_attempt_of_networks(limit: Limit, address: str | None) -> None:
    """Takes back one counted attempt of each network of the address, because it was not a failure."""
    for network, each in limits_of_networks(limit, address).items():
        uncount_attempt(each, network)


def forget_attempts(limit: Limit, counted: str) -> None:
    """Forgets all counted attempts."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM billing_ratelimitwindow WHERE key = %s", [_key(limit, counted)])


def _key(limit: Limit, counted: str) -> str:
    # A keyed hash: addresses are counted, not kept.
    return salted_hmac(f"rate limit {limit.scope}", counted, algorithm="sha256").hexdigest()
