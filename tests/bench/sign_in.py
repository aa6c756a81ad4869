"""Measures how long `auth/verify` takes to refuse a wrong code, whatever is known about the address."""

import time
from collections.abc import Iterator, Mapping
from itertools import count, islice
from statistics import median

from tests.bench.cluster import Connection, database
from tests.bench.load import fire, request
from tests.bench.table import Row, Table
from tests.bench.web import serving

ADDRESSES = 20_000
REFUSED = 401
# The times of two kinds of addresses may differ by this factor.
GOAL = 1.2

_CODES = """
INSERT INTO billing_signincode (email, key, expires_at)
SELECT kind || n || '@example.org', gen_random_uuid(), now() + interval '1 hour'
  FROM unnest(ARRAY['user-with-code-', 'nobody-with-code-']) AS kind, generate_series(1, %(number)s) AS n
"""
_USERS = """
INSERT INTO billing_user (username, email, sub, password, is_active, is_staff, is_superuser, first_name, last_name,
                          date_joined)
SELECT kind || n, kind || n || '@example.org', kind || n, '!', true, false, false, '', '', now()
  FROM unnest(ARRAY['user-with-code-', 'user-']) AS kind, generate_series(1, %(number)s) AS n
"""
KINDS = {
    "a user's, with a code": "user-with-code-",
    "a user's, without": "user-",
    "nobody's, with a code": "nobody-with-code-",
}
BASE = "nobody-"


def measure(*, turns: int, seconds: float) -> Table:
    """The whole table."""
    table = Table("A wrong code at auth/verify, by its address: milliseconds to the answer, one client")
    with database() as connection:
        make_addresses(connection)
        attempts = {prefix: _attempts(prefix) for prefix in (*KINDS.values(), BASE)}
        taken: dict[str, list[float]] = {prefix: [] for prefix in attempts}
        with serving(workers=1, more={"TRUSTED_PROXIES": "127.0.0.1/32"}) as web:
            for turn in range(turns + 1):
                latencies = _take_turn(web.port, attempts, seconds=seconds)
                for prefix in attempts if turn else ():
                    taken[prefix].append(1000 * median(latencies[prefix]))
        for name, prefix in KINDS.items():
            values, base = tuple(taken[prefix]), tuple(taken[BASE])
            table.add(Row(name=name, values=values, against="nobody's", base=base, goal=GOAL, at_most=True))
            table.add(Row(name=f"{name}, at least", values=values, against="nobody's", base=base, goal=1 / GOAL))
    return table


def _take_turn(port: int, attempts: Mapping[str, Iterator[bytes]], *, seconds: float) -> dict[str, list[float]]:
    """Returns the latencies of each kind. The kinds alternate, so that what disturbs one disturbs all."""
    latencies: dict[str, list[float]] = {prefix: [] for prefix in attempts}
    ends_at = time.perf_counter() + seconds * len(attempts)
    while time.perf_counter() < ends_at:
        for prefix, payloads in attempts.items():
            answered = fire(port, islice(payloads, 1), clients=1, seconds=seconds)
            assert set(answered.statuses) == {REFUSED}, answered.statuses
            latencies[prefix] += answered.latencies
    return latencies


def make_addresses(connection: Connection, *, number: int = ADDRESSES) -> None:
    """Makes addresses of users and of nobody, with and without a code."""
    for statement in (_CODES, _USERS):
        connection.execute(statement.encode(), {"number": number})
    connection.execute(b"ANALYZE billing_signincode, billing_user")


def _attempts(prefix: str) -> Iterator[bytes]:
    """Yields a wrong code for one address after the other, each from another client, so that no limit refuses it."""
    for number in count(1):
        sent = request("/api/auth/verify", {"email": f"{prefix}{number}@example.org", "code": "wrong"})
        client = ".".join(str(part) for part in (198, 18 + number // 2**16, number // 256 % 256, number % 256))
        yield sent.replace(b"\r\n", f"\r\nX-Forwarded-For: {client}\r\n".encode(), 1)
