"""The primary fails in several ways while customers check out: nothing is lost, and the service goes on by itself."""

import time
from pathlib import Path

from tests.operations.live.facts import check_facts
from tests.operations.live.processes import Installation
from tests.operations.live.shoppers import Shoppers

from .faults import FAULTS, MAY_REFUSE, why_not_tried
from .nodes import Cluster, cluster

# The service goes on by itself within this time.
MAX_GAP_SECONDS = 15
FAULT_SECONDS = 10


# CI tries this one alone: `make failover-short`.
SHORT = "killed"


def test_service_goes_on_when_the_primary_is_killed(tmp_path: Path) -> None:
    assert_service_goes_on(tmp_path, [SHORT])


def test_service_goes_on_when_the_primary_fails_otherwise(tmp_path: Path) -> None:
    assert_service_goes_on(tmp_path, [name for name in FAULTS if name != SHORT])


def assert_service_goes_on(tmp_path: Path, faults: list[str]) -> None:
    gaps: dict[str, float] = {}
    with cluster() as made:
        direct = Installation(database_url=made.direct_url)
        pooled = Installation(database_url=made.pooled_url, settings={"DATABASE_POOLER": "1"})
        direct.manage("migrate", "--verbosity=0")
        direct.manage("seed_catalog")
        with pooled.web(tmp_path / "web.log") as web, direct.worker(tmp_path / "worker.log"):
            shoppers = Shoppers(ports=[web.port])
            shoppers.issue_vouchers()
            with shoppers.at_work():
                shoppers.wait_for(20)
                for name in faults:
                    if why := why_not_tried(name, made.nodes[0]):
                        print(f"NOT TRIED: {name}, because {why}", flush=True)
                        continue
                    gaps[name] = gap_of(name, made, shoppers)
                    print(name, gaps[name], dict(shoppers.statuses), flush=True)
        check_facts(shoppers, made.psql, direct)
    assert {name: gap for name, gap in gaps.items() if gap > MAX_GAP_SECONDS} == {}


def gap_of(fault: str, made: Cluster, shoppers: Shoppers) -> float:
    """Lets the primary fail and come back. Returns the longest time without a successful checkout.

    Of a fault during which the primary may refuse, the time after it counts.
    """
    node = made.primary()
    began = time.monotonic()
    with FAULTS[fault](node):
        time.sleep(FAULT_SECONDS if fault in MAY_REFUSE else 0.5)
        if fault not in MAY_REFUSE:
            shoppers.wait_for(20)
    if fault in MAY_REFUSE:
        began = time.monotonic()
    made.wait_until_whole()
    shoppers.wait_for(10)
    return round(shoppers.longest_gap(since=began, until=time.monotonic()), 1)
