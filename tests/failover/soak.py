"""All of the service at half of what this machine can do, with a fault every minute, and a report.

`make soak MINUTES=60`. It ends with status 1 where an invariant broke, an answer was neither right nor a clear 503,
an event did not arrive, or memory, connections or tables grew.
"""

import sys
import time
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.operations.live.processes import memory_mib
from tests.operations.live.shoppers import Shoppers

from .faults import FAULTS
from .nodes import Cluster, cluster
from .service import MAX_OPEN, METRICS_TOKEN, Fault, Service, faults_of, service
from .soak_facts import check_all, growth, row_sizes, take_webhooks, wait_until_settled

DEFAULT_MINUTES = 60
MINUTE = 60.0
MEASURE_SECONDS = 20
FAULT_SECONDS = 20
# More than keep this machine busy, so that what they get done is its capacity.
AT_ONCE = 8
# More than are redeemed in a minute.
CARDS_A_MINUTE = 600
# Beyond this from the second quarter to the last one something leaks.
MAX_GROWTH = 1.1
# Rows come and go in pages, so a table's rows vary more.
MAX_ROW_GROWTH = 1.25
JOBS = """
SELECT status, task_name, count(*) FROM procrastinate_jobs WHERE status <> 'succeeded' GROUP BY 1, 2 ORDER BY 1, 2
"""
SIZE = "SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@dataclass(frozen=True)
class Sample:
    """The memory and connections at the end of a minute."""

    web: float
    worker: float
    connections: int


def run(minutes: int) -> bool:
    """Prints the report. Returns whether everything held."""
    with TemporaryDirectory() as name, cluster() as made, service(made, Path(name)) as running:
        visitors = running.visitors
        made.execute("CREATE EXTENSION pgstattuple")
        register_subscriber(running)
        visitors.issue_vouchers()
        visitors.issue_cards(CARDS_A_MINUTE * (minutes + 1))
        before = size_of(made)
        set_half_of_capacity(visitors)
        with visitors.at_work(AT_ONCE):
            faults = faults_of(running)
            print(f"not tried here: {', '.join(sorted(FAULTS.keys() - faults)) or 'none'}", flush=True)
            samples, halfway = [], {}
            for minute, (fault, act) in zip(range(1, minutes + 1), cycle(faults.items()), strict=False):
                samples.append(soak_for_a_minute(minute, fault, act, running))
                if minute == (minutes + 1) // 2:
                    halfway = row_sizes(running)
        print(f"answers: {dict(visitors.statuses)}; unclear: {len(visitors.unclear)} {visitors.unclear[:3]}")
        print(f"checkouts: {len(visitors.succeeded())}, of them retried: {retried(visitors)};", end=" ")
        print(f"refused for an exhausted voucher: {len(visitors.refused())}; given up: {visitors.given_up}")
        print(f"paid by card: {len(visitors.paid)}; printed cards: {len(visitors.redeemed)};", end=" ")
        print(f"top-ups: {len(visitors.topped_up)}, of them found on the balance: {visitors.found_out};", end=" ")
        print(f"reads: {visitors.reads}")
        print(f"all is delivered and paid {wait_until_settled(running):.0f} s after the last customer", flush=True)
        size, log = (now - then for then, now in zip(before, size_of(made), strict=True))
        print(
            f"an order: {size / len(visitors.succeeded()):.0f} bytes of the database, with the other acts;", end=" "
        )
        print(f"{log / len(visitors.succeeded()):.0f} of its log")
        print("jobs that have not succeeded:", made.psql(JOBS).replace("\n", ", "))
        held = is_flat(samples, halfway, row_sizes(running))
        check_all(running)
        print("ledger, redemptions, cards, caps, orders, payments and events: sound")
        return held and not visitors.unclear and not visitors.given_up


def register_subscriber(running: Service) -> None:
    """Lets the receiver have every order, and keeps the secret that verifies its requests."""
    body = {"url": running.subscriber.url, "types": ["order.placed"]}
    answer = running.visitors.send("staff", "billing/admin/webhooks", body, role="superadmin")
    assert answer.status == 201, answer
    running.secret = str(answer.body["secret"])


def set_half_of_capacity(visitors: Shoppers) -> None:
    """Measures how much is answered without pauses, and sets the pause that halves it."""
    visitors.pause_seconds = 0
    with visitors.at_work(AT_ONCE):
        visitors.wait_for(20)
        before, answers, began = len(visitors.succeeded()), visitors.statuses.total(), time.monotonic()
        time.sleep(MEASURE_SECONDS)
        seconds = time.monotonic() - began
        checkouts, answers = len(visitors.succeeded()) - before, visitors.statuses.total() - answers
    # Of 20 acts four are checkouts, and as many acts again fit into the pauses.
    visitors.pause_seconds = AT_ONCE * seconds / (checkouts * 20 / 4)
    print(
        f"capacity: {answers / seconds:.1f} answers a second, of them {checkouts / seconds:.1f} checkouts", flush=True
    )


def soak_for_a_minute(minute: int, name: str, fault: Fault, running: Service) -> Sample:
    """Lets a fault happen within a minute. Returns what is in use at its end."""
    visitors, made = running.visitors, running.cluster
    began, before = time.monotonic(), len(visitors.succeeded())
    with fault():
        time.sleep(FAULT_SECONDS)
    made.wait_until_whole()
    time.sleep(max(0.0, MINUTE - (time.monotonic() - began)))
    gap = visitors.longest_gap(since=began, until=time.monotonic())
    rate = (len(visitors.succeeded()) - before) / (time.monotonic() - began)
    take_webhooks(running)
    sample = Sample(
        web=memory_mib(running.web.processes()[0]),
        worker=memory_mib(running.worker.pid),
        connections=int(made.psql(CONNECTIONS)),
    )
    print(
        f"{minute:3} {name:20} {rate:5.1f}/s, longest gap {gap:4.1f} s, web {sample.web:.0f} MiB,"
        f" worker {sample.worker:.0f} MiB, {sample.connections} connections, 503: {visitors.statuses[503]},"
        f" unclear: {len(visitors.unclear)}",
        flush=True,
    )
    for path in ("/readyz", "/metrics"):
        status, body = running.web.get(path, Authorization=f"Bearer {METRICS_TOKEN}")
        assert status == 200, (path, status, body)
    return sample


def is_flat(
    samples: list[Sample], halfway: dict[str, tuple[int, int, int]], end: dict[str, tuple[int, int, int]]
) -> bool:
    """Prints what was in use, and returns whether it has not grown."""
    web, worker = growth([each.web for each in samples]), growth([each.worker for each in samples])
    most = max(each.connections for each in samples)
    print(f"memory of the last quarter, for that of the second: web {web:.3f}, worker {worker:.3f}")
    print(f"connections: at most {most} of {MAX_OPEN}")
    rows = {name: end[name][0] / size for name, (size, _, _) in halfway.items() if name in end}
    for name, (size, live, share) in end.items():
        print(f"{name}: {live} rows of {size} bytes, {share}% dead or free; for halfway {rows.get(name, 1):.2f}")
    return max(web, worker) <= MAX_GROWTH and most <= MAX_OPEN and max(rows.values(), default=1) <= MAX_ROW_GROWTH


def size_of(made: Cluster) -> list[int]:
    """Returns the bytes of the database, and of all that was ever written to its log."""
    return [int(each) for each in made.psql(SIZE).split("|")]


def retried(shoppers: Shoppers) -> int:
    return sum(each.attempts > 1 for each in shoppers.succeeded())


if __name__ == "__main__":
    sys.exit(0 if run(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MINUTES) else 1)
