"""A rush that goes on: what the rows that are updated again and again do to their tables, sampled every ten seconds.

Half of the calls redeem one hot code, a quarter one ordinary code, each by a customer who is new to it; the last
quarter moves a few hundred accounts up and down, as a shop's regular customers would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from tests.bench.clients import Crew
from tests.bench.cluster import Connection, database
from tests.bench.people import make_customers, user_id
from tests.bench.table import Row, Table

CLIENTS = 8
SAMPLE_SECONDS = 10
A_MINUTE = 6
REGULARS = 300
CAP = 10_000_000
HOT_GOAL, PACE_GOAL = 0.99, 0.8

_SAMPLE = """
SELECT relname, n_tup_upd, n_tup_hot_upd, n_dead_tup, pg_relation_size(relid), pg_indexes_size(relid),
       autovacuum_count, autoanalyze_count
  FROM pg_stat_user_tables
 WHERE relname IN ('promos_promocounter', 'billing_account', 'promos_redemption', 'billing_ledgerentry')
"""


@dataclass(frozen=True, slots=True)
class Rush:
    """One call of a client; its customers are those from `first` on, and after `last` there are none."""

    first: int
    last: int

    def __call__(self, client: int, turn: int) -> bool:
        from billing.actor import Actor  # noqa: PLC0415 - in the client's process, after Django is set up
        from billing.use_cases.ledger.post_entry import adjust_credit  # noqa: PLC0415
        from promos.use_cases.redeem_code import redeem  # noqa: PLC0415

        if turn % 4 == 3:
            regular = 1 + (turn * CLIENTS + client) % REGULARS
            by = Actor(user_id="till", role="superadmin", channel="api")
            adjust_credit(customer_id=regular, amount_minor=10 if turn % 8 == 3 else -10, why="a rush", by=by)
            return True
        number = self.first + (turn // 4 * 3 + turn % 4) * CLIENTS + client
        if number >= self.last:
            raise RuntimeError("there are too few customers for this machine")
        user = user_id(number)
        code = "ORDINARY" if turn % 4 == 1 else "HOT"
        redeem(code=code, user_id=user, by=Actor(user_id=user, role="customer", channel="api"))
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A table's statistics so far."""

    updated: int
    hot: int
    dead: int
    size: int
    indexes: int
    vacuumed: int
    analyzed: int

    @property
    def hot_share(self) -> float:
        return self.hot / self.updated if self.updated else 1.0


def measure(*, minutes: float) -> Table:
    """The whole table."""
    from tests.factories import PromoCodeFactory  # noqa: PLC0415 - after Django is set up

    samples = max(3, round(minutes * 60 / SAMPLE_SECONDS))
    with database() as connection:
        PromoCodeFactory.create(code="HOT", max_redemptions=CAP, hot=True)
        PromoCodeFactory.create(code="ORDINARY", max_redemptions=CAP)
        make_customers(connection, number=REGULARS)
        _give_credit(connection)
        with Crew() as crew:
            made = REGULARS
            pace, taken = _pace(connection, crew), [_sample(connection)]
            made += pace
            paces: list[float] = []
            print("\n| s | calls | counters: HOT, dead, kB | accounts: …, MB | ledger, redemptions MB | vacuumed |")
            print("|---:|---:|---|---|---|---|")
            for number in range(samples):
                make_customers(connection, first=made, number=2 * pace)
                run = crew.run(Rush(made, made + 2 * pace), clients=CLIENTS, seconds=SAMPLE_SECONDS)
                made += 2 * pace
                paces.append(run.per_second)
                taken.append(_sample(connection))
                _tell((number + 1) * SAMPLE_SECONDS, run.per_second, taken[-1])
    return _verdict(taken, paces)


def _pace(connection: Connection, crew: Crew) -> int:
    """Customers that are new in one sample, plentifully, by a short run of each."""
    plenty = 30_000
    make_customers(connection, first=REGULARS, number=plenty)
    run = crew.run(Rush(REGULARS, REGULARS + plenty), clients=CLIENTS, seconds=3)
    return max(plenty, int(run.per_second * SAMPLE_SECONDS))


def _give_credit(connection: Connection) -> None:
    """So that what is taken from the regular customers is there."""
    connection.execute(
        b"INSERT INTO billing_ledgerentry"
        b" (account_id, kind, amount_minor, reason, note, actor_id, actor_role, channel)"
        b" SELECT customer_id, 'adjustment', 1000000, 'credit', 'a rush', 'till', 'superadmin', 'api'"
        b" FROM billing_account"
    )


def _sample(connection: Connection) -> dict[str, Sample]:
    connection.execute(b"SELECT pg_stat_clear_snapshot()")
    fields = ("updated", "hot", "dead", "size", "indexes", "vacuumed", "analyzed")
    rows: Sequence[Sequence[object]] = connection.execute(_SAMPLE.encode()).fetchall()
    return {
        str(name): Sample(**dict(zip(fields, (int(str(each)) for each in figures), strict=True)))
        for name, *figures in rows
    }


def _tell(second: int, pace: float, now: dict[str, Sample]) -> None:
    counters, accounts = now["promos_promocounter"], now["billing_account"]
    ledger, redemptions = now["billing_ledgerentry"], now["promos_redemption"]
    print(
        f"| {second} | {pace:,.0f} | {counters.hot_share:.1%}, {counters.dead:,}, {counters.size / 1024:,.0f}"
        f" | {accounts.hot_share:.1%}, {accounts.dead:,}, {accounts.size / 2**20:,.1f}"
        f" | {(ledger.size + ledger.indexes) / 2**20:,.0f}, {(redemptions.size + redemptions.indexes) / 2**20:,.0f}"
        f" | {', '.join(str(each.vacuumed) for each in (counters, accounts, redemptions, ledger))} |",
        flush=True,
    )


def _verdict(taken: list[dict[str, Sample]], paces: list[float]) -> Table:
    table = Table(f"A rush of {len(paces) * SAMPLE_SECONDS / 60:.1f} minutes, {CLIENTS} clients")
    first, last = taken[0], taken[-1]
    for name, what in (("promos_promocounter", "counters"), ("billing_account", "accounts")):
        updated = last[name].updated - first[name].updated
        hot = last[name].hot - first[name].hot
        table.add(
            Row(
                name=f"updates of {what} in place (HOT)",
                values=(float(hot),),
                against="all",
                base=(float(updated),),
                goal=HOT_GOAL,
            )
        )
    for part in ("size", "indexes"):
        table.add(
            Row(
                name=f"counters, {part} in the end, bytes",
                values=(float(getattr(last["promos_promocounter"], part)),),
                against="a megabyte",
                base=(2.0**20,),
                goal=1,
                at_most=True,
            )
        )
    minute = min(A_MINUTE, len(paces) // 2)
    table.add(
        Row(
            name="calls a second, last minute",
            values=(mean(paces[-minute:]),),
            against="first minute",
            base=(mean(paces[:minute]),),
            goal=PACE_GOAL,
        )
    )
    return table
