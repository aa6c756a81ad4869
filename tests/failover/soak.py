"""Checkouts at half of what this machine can do, with a fault of the primary every minute, and a report.

`make soak MINUTES=60`. It ends with status 1 where an invariant broke, an answer was neither right nor a 503, or
the web server grew.
"""

import sys
import time
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.operations.live.facts import check_history
from tests.operations.live.processes import Installation, WebServer
from tests.operations.live.shoppers import CUSTOMERS_AT_ONCE, Shoppers

from .faults import FAULTS, MAY_REFUSE, why_not_tried
from .nodes import Cluster, cluster

DEFAULT_MINUTES = 60
MINUTE = 60.0
MEASURE_SECONDS = 20
FAULT_SECONDS = 10
# Each request fills caches at first; beyond this the server would leak.
MAX_GROWTH = 1.5
BLOAT = """
SELECT relname, n_live_tup, n_dead_tup, pg_size_pretty(pg_table_size(relid)) FROM pg_stat_user_tables
 WHERE relname IN ('billing_account', 'billing_ledgerentry', 'orders_order', 'procrastinate_jobs',
                   'promos_promocounter')
 ORDER BY relname
"""
JOBS = "SELECT status, count(*) FROM procrastinate_jobs GROUP BY status ORDER BY status"
SIZE = "SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


def run(minutes: int) -> bool:
    """Prints the report. Returns whether everything held."""
    with TemporaryDirectory() as name, cluster() as made:
        logs = Path(name)
        direct = Installation(database_url=made.direct_url)
        pooled = Installation(database_url=made.pooled_url, settings={"DATABASE_POOLER": "1"})
        direct.manage("migrate", "--verbosity=0")
        direct.manage("seed_catalog")
        with pooled.web(logs / "web.log") as web, direct.worker(logs / "worker.log"):
            shoppers = Shoppers(ports=[web.port])
            shoppers.issue_vouchers()
            before = size_of(made)
            set_half_of_capacity(shoppers)
            with shoppers.at_work():
                tried = [name for name in FAULTS if not why_not_tried(name, made.nodes[0])]
                print(f"not tried here: {', '.join(sorted(FAULTS.keys() - tried)) or 'none'}", flush=True)
                memory = [
                    soak_for_a_minute(minute, fault, made, shoppers, web)
                    for minute, fault in zip(range(1, minutes + 1), cycle(tried), strict=False)
                ]
        print(f"answers: {dict(shoppers.statuses)}; unclear: {len(shoppers.unclear)} {shoppers.unclear[:3]}")
        print(f"checkouts: {len(shoppers.succeeded())}, of them retried: {retried(shoppers)};", end=" ")
        print(f"refused for an exhausted voucher: {len(shoppers.refused())}; given up: {len(shoppers.given_up)}")
        print("table, rows, dead rows, size:", made.psql(BLOAT).replace("\n", "; "))
        growth = [(now - then) / len(shoppers.succeeded()) for then, now in zip(before, size_of(made), strict=True)]
        print(f"a checkout: {growth[0]:.0f} bytes of the database, {growth[1]:.0f} of its log")
        print("jobs by status:", made.psql(JOBS).replace("\n", ", "))
        check_history(shoppers, made.psql, direct)
        print("ledger, redemptions, caps, orders and events: sound")
        is_flat = max(memory) <= MAX_GROWTH * memory[0]
        print(f"memory of the web server: {memory[0]:.0f} MiB after a minute, at most {max(memory):.0f} MiB")
        return is_flat and not shoppers.unclear and not shoppers.given_up


def set_half_of_capacity(shoppers: Shoppers) -> None:
    """Measures how many checkouts succeed without pauses, and sets the pause that halves them."""
    shoppers.pause_seconds = 0
    with shoppers.at_work():
        shoppers.wait_for(20)
        before, began = len(shoppers.succeeded()), time.monotonic()
        time.sleep(MEASURE_SECONDS)
        per_second = (len(shoppers.succeeded()) - before) / (time.monotonic() - began)
    shoppers.pause_seconds = CUSTOMERS_AT_ONCE / per_second
    print(
        f"capacity: {per_second:.1f} checkouts a second, each of a new customer with a new organization", flush=True
    )


def soak_for_a_minute(minute: int, fault: str, made: Cluster, shoppers: Shoppers, web: WebServer) -> float:
    """Lets the primary fail once within a minute. Returns the web server's memory in MiB."""
    began, before = time.monotonic(), len(shoppers.succeeded())
    with FAULTS[fault](made.primary()):
        time.sleep(FAULT_SECONDS if fault in MAY_REFUSE else 0.5)
        if fault not in MAY_REFUSE:
            shoppers.wait_for(20)
    made.wait_until_whole()
    time.sleep(max(0.0, MINUTE - (time.monotonic() - began)))
    gap = shoppers.longest_gap(since=began, until=time.monotonic())
    rate = (len(shoppers.succeeded()) - before) / (time.monotonic() - began)
    memory = memory_mib(web.process.pid)
    print(
        f"{minute:3} {fault:20} {rate:5.1f}/s, longest gap {gap:4.1f} s, web {memory:.0f} MiB,"
        f" {made.psql(CONNECTIONS)} connections",
        flush=True,
    )
    return memory


def size_of(made: Cluster) -> list[int]:
    """Returns the bytes of the database, and of all that was ever written to its log."""
    return [int(each) for each in made.psql(SIZE).split("|")]


def memory_mib(pid: int) -> float:
    """Returns the private and proportional memory of a process and its children."""
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    lines = [
        line for each in (pid, *children) for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
    ]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def retried(shoppers: Shoppers) -> int:
    return sum(each.attempts > 1 for each in shoppers.succeeded())


if __name__ == "__main__":
    sys.exit(0 if run(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MINUTES) else 1)
