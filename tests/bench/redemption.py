"""Redemptions a second, of the use case itself, beside the sequence of the service that this one replaces."""

from dataclasses import dataclass
from functools import cache, partial
from itertools import count
from typing import Any

from tests.bench.clients import Crew, Run
from tests.bench.cluster import Connection, database
from tests.bench.peers import FLOOR, REFERENCE, Pgbench, make_peers
from tests.bench.people import make_customers, user_id
from tests.bench.table import Row, Table, in_turns

CUSTOMERS = 60_000
CREDIT_MINOR = 10_000
MANY = 1_000
CLIENTS = (1, 8, 32, 64)
# The ratios to the reference that redemptions must reach, at 32 clients.
GOALS = {"ordinary code": 1.5, "hot code": 4.0, "uncapped code": 6.0}
GOALS_AT = 32
# Where the clients are not threads of one process, but of two.
PARTED = " from two processes"

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Redeem:
    """A client that redeems one of these codes for a customer who has not redeemed it."""

    codes: tuple[str, ...]
    clients: int

    def __call__(self, client: int, turn: int) -> bool:
        Actor, PromoExhausted, redeem = _use_case()
        number = turn * self.clients + client
        user = user_id(number)
        try:
            redeem(
                code=self.codes[number % len(self.codes)],
                user_id=user,
                by=Actor(user_id=user, role="customer", channel="api", address="192.0.2.7"),
            )
        except PromoExhausted:
            return False
        return True


@cache
def _use_case() -> tuple[Any, Any, Any]:
    """Imports the use case in the client's process, where Django is set up first."""
    from billing.actor import Actor  # noqa: PLC0415
    from promos.errors import PromoExhausted  # noqa: PLC0415
    from promos.use_cases.redeem_code import redeem  # noqa: PLC0415

    return Actor, PromoExhausted, redeem


class Redemptions:
    """Runs of redemptions, each of codes of its own, each checked to the last one."""

    def __init__(self, connection: Connection, crew: Crew, *, seconds: float) -> None:
        self._connection = connection
        self._crew = crew
        self._seconds = seconds
        self.runs: dict[str, list[Run]] = {}

    def per_second(self, kind: str, *, clients: int) -> float:
        """Redemptions a second of a kind of code."""
        return self.run(kind, clients=clients).per_second

    def run(self, kind: str, *, clients: int) -> Run:
        """One run. Raises: AssertionError where count, redemptions and ledger do not agree."""
        cap, hot, codes = {
            "ordinary code": (10_000_000, False, 1),
            "hot code": (10_000_000, True, 1),
            "uncapped code": (0, False, 1),
            "code running out": (clients * 10, True, 1),
            "many codes": (1_000, False, MANY),
        }[kind]
        names = tuple(self._issue(cap=cap, hot=hot) for _ in range(codes))
        run = self._crew.run(Redeem(names, clients), clients=clients, seconds=self._seconds)
        check_exact(self._connection, names, run.done)
        if kind == "code running out" and run.done != min(cap, run.done + run.refused):
            raise AssertionError(f"{run.refused} were refused while only {run.done} of {cap} places were taken")
        self.runs.setdefault(kind, []).append(run)
        return run

    def _issue(self, *, cap: int, hot: bool) -> str:
        from tests.factories import PromoCodeFactory  # noqa: PLC0415

        code = f"BENCH-{next(_numbers)}"
        PromoCodeFactory.create(code=code, credit_minor=CREDIT_MINOR, max_redemptions=cap, hot=hot)
        return code


def check_exact(connection: Connection, codes: tuple[str, ...], done: int) -> None:
    """Count, redemptions and ledger say the same, and it is what the clients were told."""
    row = connection.execute(
        b"""
        SELECT count(*), count(e.id), coalesce(sum(e.amount_minor), 0), count(*) FILTER (WHERE p.max_redemptions > 0),
               (SELECT coalesce(sum(n.used), 0) FROM promos_promocounter n
                  JOIN promos_promocode q ON q.id = n.promo_code_id WHERE q.code = ANY(%(codes)s))
          FROM promos_promocode p JOIN promos_redemption r ON r.promo_code_id = p.id AND r.status = 'confirmed'
          LEFT JOIN billing_ledgerentry e ON e.redemption_id = r.id AND e.kind = 'grant'
         WHERE p.code = ANY(%(codes)s)
        """,
        {"codes": list(codes)},
    ).fetchone()
    assert row is not None
    redemptions, entries, granted, capped, counted = row
    assert (redemptions, entries, granted, counted) == (done, done, done * CREDIT_MINOR, capped), (done, row)


def measure(*, turns: int, seconds: float, clients: tuple[int, ...] = CLIENTS) -> Table:
    """The whole table."""
    table = Table("Redemptions a second, in-process")
    with database() as connection:
        make_peers(connection)
        make_customers(connection, number=CUSTOMERS)
        floor, reference = Pgbench(connection, FLOOR), Pgbench(connection, REFERENCE)
        with Crew(1) as crew, Crew(2) as two_crews:
            redemptions = Redemptions(connection, crew, seconds=seconds)
            parted = Redemptions(connection, two_crews, seconds=seconds)
            kinds = ("ordinary code", "hot code", "uncapped code", "many codes")
            # Every session plans anew what it has planned for empty tables: that is no part of what is measured.
            for each in (redemptions, parted):
                for kind in kinds:
                    each.run(kind, clients=max(clients))
            connection.execute(b"VACUUM ANALYZE")
            for each in (redemptions, parted):
                for kind in kinds:
                    each.run(kind, clients=max(clients))
            for number in clients:
                measures = {
                    "reference": partial(reference.per_second, clients=number, seconds=seconds),
                    "floor": partial(floor.per_second, clients=number, seconds=seconds),
                    **{kind: partial(redemptions.per_second, kind, clients=number) for kind in kinds},
                }
                if number == GOALS_AT:
                    measures |= {
                        f"{kind}{PARTED}": partial(parted.per_second, kind, clients=number) for kind in kinds
                    }
                taken = in_turns(measures, turns=turns)
                for name, values in taken.items():
                    if name != "reference":
                        table.add(
                            Row(
                                name=f"{name}, {number} clients",
                                values=values,
                                against="reference",
                                base=taken["reference"],
                                goal=GOALS.get(name) if number == GOALS_AT else None,
                            )
                        )
            run = redemptions.run("code running out", clients=GOALS_AT)
            table.tell(a_code_running_out=f"{run.done} of {GOALS_AT * 10} places taken, {run.refused} refused, exact")
    return table
