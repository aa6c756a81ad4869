"""A release is rolled out under load: the database is migrated first, then the web servers and workers follow.

In between, both codes serve the new schema. This code on the old schema does not serve: it reports on /readyz that
migrations are missing, so a gateway sends it nothing, and it becomes ready by itself once they are applied.
"""

import json
import time
from pathlib import Path

from tests.operations.live.facts import check_facts
from tests.operations.live.processes import Installation, WebServer
from tests.operations.live.shoppers import Shoppers
from tests.operations.own_server import own_server

from .last_release import extract_last_release

# A process with new code notices the migrations within this time.
READY_SECONDS = 10
FAILED_JOBS = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'"


def test_release_is_rolled_out_under_load_without_a_failed_request(tmp_path: Path) -> None:
    extract_last_release(tmp_path / "release")
    log = tmp_path / "log"
    with own_server() as server:
        last = Installation(code=tmp_path / "release", database_url=server.url)
        current = Installation(database_url=server.url)
        last.manage("migrate", "--verbosity=0")
        last.manage("seed_catalog")
        with current.web(log) as new_web, last.web(log) as old_web:
            assert json.loads(new_web.get("/readyz")[1])["code"] == "migrations_pending"
            shoppers = Shoppers(ports=[old_web.port])
            shoppers.issue_vouchers()
            with shoppers.at_work():
                with last.worker(log):
                    shoppers.wait_for(40)
                    current.manage("migrate", "--verbosity=0")
                    wait_until_ready(new_web)
                    shoppers.wait_for(20)
                # A worker of the last release would fail jobs that it does not know, so workers go first.
                with current.worker(log):
                    shoppers.ports = [old_web.port, new_web.port]
                    shoppers.wait_for(60)
                    shoppers.ports = [new_web.port]
                    shoppers.wait_for(20)
            # The new code answers a retry of what the old one did, and does nothing twice.
            for each in shoppers.succeeded()[:20]:
                again = shoppers.send(each.user_id, "billing/checkout", each.body, key=each.key)
                assert (again.status, again.body) == (200, each.answer.body)
            check_facts(shoppers, server.psql, current)
            assert server.psql(FAILED_JOBS) == "0"


def wait_until_ready(web: WebServer) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while web.get("/readyz")[0] != 200:
        assert time.monotonic() < deadline, web.get("/readyz")
        time.sleep(0.05)
