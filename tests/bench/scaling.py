"""Measures throughput with more web processes, and with more threads of one; and names what limits it.

A figure of its own would not tell: so beside each run stands what the web processes, the database and the load
took of the machine's cores, and how much of them nobody used. Others on the machine count as used.
"""

import os
import resource
import statistics
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from config.gunicorn import DEFAULT_THREADS
from tests.bench.checkout import Figures, Shop
from tests.bench.cluster import Connection, database
from tests.bench.table import Measure, Row, Table, in_turns
from tests.bench.web import Web, serving

CLIENTS = 32
PROCESSES = (1, 2, 4)
THREADS = (4, 8, 16)
POOLS = (4, 8, 16)
# Each buys once in all of the runs; where the machine is so fast that they run out, runs end early.
CUSTOMERS = 120_000
CHECKOUT, ONE_ROW = "checkout", "one row"
# A process of Python computes in one thread at a time; more than this of a core and it waits for nothing else.
BUSY = 0.85
IDLE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The CPU time that a run used, in cores."""

    web: float
    database: float
    load: float
    idle: float

    def __str__(self) -> str:
        return f"web {self.web:.2f}, database {self.database:.2f}, load {self.load:.2f}, unused {self.idle:.2f}"


class Server:
    """A server under load, with what its runs took of the machine."""

    def __init__(self, shop: Shop, connection: Connection, web: Web, *, seconds: float) -> None:
        self._figures = Figures(shop, connection, web, clients=CLIENTS, seconds=seconds)
        self.cores: dict[str, list[Cores]] = {}

    def checkouts(self) -> float:
        """Checkouts a second, of a hot code."""
        return self._run(CHECKOUT, partial(self._figures.checkouts, CHECKOUT, hot=True, capped=True))

    def rows(self) -> float:
        """Requests a second to the view that inserts one row."""
        return self._run(ONE_ROW, self._figures.visits)

    def _run(self, name: str, measure: Measure) -> float:
        load, idle = _own_cpu(), _idle_seconds()
        per_second = measure()
        [*_, answered] = self._figures.runs[name]
        number, lasted = len(answered.latencies), answered.seconds
        self.cores.setdefault(name, []).append(
            Cores(
                web=self._figures.web_ms[name][-1] * number / 1000 / lasted,
                database=self._figures.database_ms[name][-1] * number / 1000 / lasted,
                load=(_own_cpu() - load) / lasted,
                idle=(_idle_seconds() - idle) / lasted,
            )
        )
        return per_second

    def used(self, name: str) -> Cores:
        """The median of its runs."""
        runs = self.cores[name]
        return Cores(
            web=statistics.median(run.web for run in runs),
            database=statistics.median(run.database for run in runs),
            load=statistics.median(run.load for run in runs),
            idle=statistics.median(run.idle for run in runs),
        )


def limit(cores: Cores, *, processes: int, machine: int) -> str:
    """Returns in words what keeps a run from being faster. Pure."""
    if cores.web / processes >= BUSY:
        return "the web processes compute all the time: another process would bring more where a core is free"
    if cores.idle / machine < IDLE:
        first = "web processes" if cores.web >= cores.database else "database"
        rest = machine - cores.web - cores.database - cores.load - cores.idle
        others = f", and others on this machine take {rest:.1f} cores" if rest > IDLE * machine else ""
        return f"no core is left; the {first} take the most{others}"
    return "cores are free: requests wait for commits and row locks of the database"


def measure(*, turns: int, seconds: float) -> list[Table]:
    """The tables of processes, threads and connections."""
    with database() as connection:
        shop = Shop(connection, customers=CUSTOMERS)
        kinds: list[tuple[str, dict[str, tuple[int, Serving]]]] = [
            (
                f"More web processes, {DEFAULT_THREADS} threads each, {CLIENTS} clients",
                {f"{each} web process{'es' * (each > 1)}": (each, serving(workers=each)) for each in PROCESSES},
            ),
            (
                f"More threads of one web process, {CLIENTS} clients",
                {f"{each} threads": (1, serving(workers=1, threads=each)) for each in THREADS},
            ),
            (
                f"More connections in the pool of one web process of 16 threads, {CLIENTS} clients",
                {
                    f"{each} connections": (1, serving(workers=1, threads=16, more={"DATABASE_POOL_SIZE": str(each)}))
                    for each in POOLS
                },
            ),
        ]
        tables = []
        for title, ways in kinds:
            with ExitStack() as stack:
                webs = {name: (number, stack.enter_context(web)) for name, (number, web) in ways.items()}
                tables.append(_compare(title, _servers(shop, connection, webs, seconds=seconds), turns=turns))
    return tables


Servers = dict[str, tuple[int, Server]]
Serving = AbstractContextManager[Web]


def _servers(shop: Shop, connection: Connection, of: dict[str, tuple[int, Web]], *, seconds: float) -> Servers:
    return {name: (number, Server(shop, connection, web, seconds=seconds)) for name, (number, web) in of.items()}


def _compare(title: str, servers: Servers, *, turns: int) -> Table:
    table = Table(title)
    measures: dict[str, Measure] = {}
    for name, (_, server) in servers.items():
        server.rows()
        server.checkouts()
        server.cores.clear()
        measures[f"{ONE_ROW}, {name}"] = server.rows
        measures[f"{CHECKOUT}, {name}"] = server.checkouts
    taken = in_turns(measures, turns=turns)
    [fewest, *_] = servers
    for kind in (ONE_ROW, CHECKOUT):
        for name in servers:
            base = taken[f"{kind}, {fewest}"]
            table.add(Row(name=f"{kind}, {name}", values=taken[f"{kind}, {name}"], against=fewest, base=base))
    table.tell(cores_used=dict(_told(servers)), in_words="\n- ".join(["", *_words(servers, taken)]))
    return table


def _told(servers: Servers) -> Iterator[tuple[str, str]]:
    for name, (_, server) in servers.items():
        for kind in (ONE_ROW, CHECKOUT):
            yield f"{kind}, {name}", str(server.used(kind))


def _words(servers: Servers, taken: dict[str, tuple[float, ...]]) -> list[str]:
    machine = os.cpu_count() or 1
    [fewest, *_] = servers
    said = []
    for kind in (ONE_ROW, CHECKOUT):
        best = max(servers, key=lambda name: statistics.median(taken[f"{kind}, {name}"]))
        used = servers[fewest][1].used(kind)
        said.append(
            f"{kind}: most a second with {best}; for each core that the web processes compute on,"
            f" the database needs {used.database / used.web:.2f} and the load {used.load / used.web:.2f}"
        )
        for name, (processes, server) in servers.items():
            said.append(f"{kind}, {name}: {limit(server.used(kind), processes=processes, machine=machine)}")
    return said


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _idle_seconds() -> float:
    """Of all cores together, since the machine was started."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
