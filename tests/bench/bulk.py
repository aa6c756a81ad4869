"""Many redemptions or grants in one call, beside bare rows inserted alike and beside single redemptions."""

import statistics
from dataclasses import dataclass
from functools import partial
from itertools import count

from tests.bench.clients import Crew, Run
from tests.bench.cluster import Connection, database
from tests.bench.peers import Pgbench, make_peers
from tests.bench.people import make_customers, user_id
from tests.bench.redemption import CREDIT_MINOR, GOALS_AT, Redemptions, check_exact
from tests.bench.table import Measure, Row, Table, in_turns
from tests.bench.web import database_cpu_seconds

# For a few seconds each with a code or name of its own, so that every customer may be in every run.
CUSTOMERS = 120_000
BATCH = 1_000
BATCHES = (100, BATCH, 10_000)
CLIENTS = 2
# Absolute, because it is asked for so; the ratios tell more of another machine.
GOAL_PER_SECOND = 15_000

_FLOOR = "INSERT INTO peer.bare (customer, amount) SELECT n, 10000 FROM generate_series(1, {batch}) AS n;\n"
_GRANTED = """
SELECT count(*), count(DISTINCT (account_id, reason)), coalesce(sum(amount_minor), 0)
  FROM billing_ledgerentry WHERE kind = 'grant' AND reason LIKE 'grant:' || %s || '-%%'
"""
_names = count(1)


def users_of(*, clients: int, client: int, turn: int, batch: int) -> list[str]:
    """A client's next batch of users; no other client's."""
    first = (turn * clients + client) * batch
    return [user_id(number) for number in range(first, first + batch)]


@dataclass(frozen=True, slots=True)
class RedeemMany:
    """A client that redeems one code for batch after batch of customers."""

    code: str
    batch: int
    clients: int

    def __call__(self, client: int, turn: int) -> bool:
        from billing.actor import Actor  # noqa: PLC0415 - in the client's process, after Django is set up
        from promos.use_cases.redeem_many import redeem_many  # noqa: PLC0415

        outcomes = redeem_many(
            code=self.code,
            user_ids=users_of(clients=self.clients, client=client, turn=turn, batch=self.batch),
            why="measured",
            by=Actor(user_id="bench", role="system", channel="command"),
        )
        return all(outcome.refusal is None for outcome in outcomes)


@dataclass(frozen=True, slots=True)
class GrantMany:
    """A client that grants credit to batch after batch of customers."""

    name: str
    batch: int
    clients: int

    def __call__(self, client: int, turn: int) -> bool:
        from billing.actor import Actor  # noqa: PLC0415
        from billing.use_cases.ledger.grant_many import grant_many  # noqa: PLC0415

        granted = grant_many(
            user_ids=users_of(clients=self.clients, client=client, turn=turn, batch=self.batch),
            amount_minor=CREDIT_MINOR,
            name=f"{self.name}-{client}-{turn}",
            why="measured",
            by=Actor(user_id="bench", role="system", channel="command"),
        )
        return all(each.entry_id is not None for each in granted)


class Floor:
    """Bare rows, as many in one statement and commit, by as many clients."""

    def __init__(self, connection: Connection, *, seconds: float) -> None:
        self._seconds = seconds
        self._of = {batch: Pgbench(connection, _FLOOR.format(batch=batch)) for batch in BATCHES}

    def rows(self, *, batch: int) -> float:
        """Rows a second."""
        return batch * self._of[batch].per_second(clients=CLIENTS, seconds=self._seconds)


class Bulk:
    """Runs of both, each checked to the last row."""

    def __init__(self, connection: Connection, crew: Crew, *, seconds: float, clients: int = CLIENTS) -> None:
        self._connection, self._crew = connection, crew
        self._seconds, self._clients = seconds, clients
        self.runs: dict[str, list[Run]] = {}
        # Of the database's processes, for one customer: other work on the machine does not move it.
        self.database_us: dict[str, list[float]] = {}

    def redemptions(self, *, hot: bool = True, capped: bool = True, batch: int = BATCH) -> float:
        """Redemptions a second."""
        from tests.factories import PromoCodeFactory  # noqa: PLC0415

        code = f"BULK-{next(_names)}"
        cap = 10_000_000 if capped else 0
        PromoCodeFactory.create(code=code, credit_minor=CREDIT_MINOR, max_redemptions=cap, hot=hot)
        run = self._run("redemptions", RedeemMany(code, batch, self._clients))
        check_exact(self._connection, (code,), run.done * batch)
        return run.per_second * batch

    def grants(self, *, batch: int = BATCH) -> float:
        """Grants a second. Raises: AssertionError where the ledger does not have what was told."""
        name = f"bench{next(_names)}"
        run = self._run("grants", GrantMany(name, batch, self._clients))
        due = run.done * batch
        row = self._connection.execute(_GRANTED.encode(), [name]).fetchone()
        assert row == (due, due, due * CREDIT_MINOR), (due, row)
        return run.per_second * batch

    def _run(self, kind: str, act: RedeemMany | GrantMany) -> Run:
        name, before = f"{kind} by {act.batch}", database_cpu_seconds(self._connection)
        run = self._crew.run(act, clients=self._clients, seconds=self._seconds)
        assert run.refused == 0, f"{run.refused} batches were not done in full"
        used = database_cpu_seconds(self._connection) - before
        self.runs.setdefault(name, []).append(run)
        self.database_us.setdefault(name, []).append(1_000_000 * used / (run.done * act.batch))
        return run


def measure(*, turns: int, seconds: float) -> Table:
    """The whole table."""
    from billing.use_cases.ledger.verify_ledger import verify_ledger  # noqa: PLC0415

    table = Table(f"Bulk, {CLIENTS} clients, {BATCH:,} customers a call where no other number is given")
    with database() as connection:
        make_peers(connection)
        make_customers(connection, number=CUSTOMERS)
        with Crew() as crew:
            bulk = Bulk(connection, crew, seconds=seconds)
            single = Redemptions(connection, crew, seconds=seconds)
            floor = Floor(connection, seconds=seconds)
            bulk.redemptions()
            bulk.grants()
            connection.execute(b"VACUUM ANALYZE")
            _beside_everything(table, bulk, single, floor, turns=turns)
            _by_batch(table, bulk, floor, turns=turns)
        verdict = verify_ledger()
        assert verdict.sound, verdict
        table.tell(
            exact=f"every run; in the end {verdict.entries:,} entries of {verdict.accounts:,} accounts add up",
            database_microseconds_a_customer={
                name: round(statistics.median(each), 1) for name, each in bulk.database_us.items()
            },
            milliseconds_a_call={
                name: round(statistics.median(run.latency(0.5) for run in runs)) for name, runs in bulk.runs.items()
            },
        )
    return table


def _beside_everything(table: Table, bulk: Bulk, single: Redemptions, floor: Floor, *, turns: int) -> None:
    measures: dict[str, Measure] = {
        "redemptions of a hot code": bulk.redemptions,
        "redemptions of an ordinary code": partial(bulk.redemptions, hot=False),
        "grants": bulk.grants,
    }
    beside: dict[str, Measure] = {
        "bare rows, inserted alike": partial(floor.rows, batch=BATCH),
        f"single redemptions, {GOALS_AT} clients": partial(single.per_second, "hot code", clients=GOALS_AT),
    }
    taken = in_turns({**beside, **measures}, turns=turns)
    asked = (float(GOAL_PER_SECOND),) * turns
    for name in measures:
        table.add(Row(name=f"{name} a second", values=taken[name], against="asked for", base=asked, goal=1))
        for other in beside:
            table.add(Row(name=f"{name} a second", values=taken[name], against=other, base=taken[other]))


def _by_batch(table: Table, bulk: Bulk, floor: Floor, *, turns: int) -> None:
    for batch in BATCHES:
        if batch == BATCH:
            continue
        measures = {"bulk": partial(bulk.redemptions, batch=batch), "floor": partial(floor.rows, batch=batch)}
        taken = in_turns(measures, turns=turns)
        table.add(
            Row(
                name=f"redemptions a second, {batch:,} a call",
                values=taken["bulk"],
                against="bare rows, inserted alike",
                base=taken["floor"],
            )
        )
