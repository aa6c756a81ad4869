"""The console and the reports read from a streaming replica while it is fresh, and say how fresh it is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.operations.live.processes import Installation, token
from tests.operations.own_server import PROJECT, OwnServer, free_port, own_server

MAX_LAG_SECONDS = 3
PASSWORD = "only-a-drill-signs-in-with-this"
PAGES = (
    "billing/ledgerentry/",
    "billing/ledgerentry/totals/",
    "billing/ledgerentry/past/",
    "billing/auditentry/",
    "billing/ledgerhead/",
    "billing/ledgercheck/",
    "orders/cardentry/",
    "promos/redemption/",
)


class Replica:
    """A standby of the server that streams its log, with a port of its own."""

    def __init__(self, server: OwnServer) -> None:
        self.server, self.data, self.port = server, server.top / "replica", free_port()
        server.run(
            *(
                "pg_basebackup",
                "--pgdata",
                self.data,
                "--wal-method=stream",
                "--write-recovery-conf",
                "--checkpoint=fast",
            )
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\narchive_mode = off\n")
        self.start()

    @property
    def url(self) -> str:
        return self.server.url.replace(f":{self.server.port}/", f":{self.port}/")

    def start(self) -> None:
        log = self.server.top / "replica.log"
        self.server.run("pg_ctl", "start", "--wait", "--silent", "--pgdata", self.data, "--log", log)

    def stop(self) -> None:
        self.server.run("pg_ctl", "stop", "--wait", "--mode=immediate", "--silent", "--pgdata", self.data)

    def psql(self, statement: str) -> str:
        return self.server.run("psql", "-XqtA", "-d", "qasima", "-c", statement, PGPORT=str(self.port)).strip()

    def wait_until_level(self) -> None:
        """Waits until the replica has all that the primary has."""
        position = self.server.psql("SELECT pg_current_wal_lsn()")
        while self.psql(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") != "t":
            pass


class Console:
    """A member of staff in the console of a running web server."""

    def __init__(self, port: int) -> None:
        self.top, self.session = f"http://127.0.0.1:{port}", requests.Session()
        # A gateway would end TLS; without it the session's cookies are kept for https alone.
        self.session.headers["X-Forwarded-Proto"] = "https"
        page = self.session.get(f"{self.top}/admin/login/").text
        self.post("/admin/login/", {"username": "amal", "password": PASSWORD}, page)

    def post(self, path: str, fields: dict[str, str], page: str) -> requests.Response:
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        cookies = "; ".join(f"{each.name}={each.value}" for each in self.session.cookies)
        headers = {"Cookie": cookies, "Referer": f"https://127.0.0.1{path}"}
        return self.session.post(self.top + path, {**hidden, **fields}, headers=headers)

    def get(self, path: str) -> str:
        cookies = "; ".join(f"{each.name}={each.value}" for each in self.session.cookies)
        answer = self.session.get(f"{self.top}/admin/{path}", headers={"Cookie": cookies}, allow_redirects=False)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers)
        return answer.text


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as made:
        made.manage("migrate", "--verbosity=0")
        made.manage("seed_catalog")
        yield made


def redeem(port: int, code: str) -> None:
    top = f"http://127.0.0.1:{port}/api/billing/vouchers"
    staff = {"Authorization": f"Bearer {token('staff', role='superadmin')}"}
    customer = {"Authorization": f"Bearer {token(f'customer-{code}')}"}
    assert requests.post(f"{top}/issue", json={"code": code, "credit_omr": 7}, headers=staff, timeout=20).ok
    assert requests.post(f"{top}/redeem", json={"code": code}, headers=customer, timeout=20).ok


def read_from(page: str) -> str:
    return str(re.findall(r'<p class="zone">(Read from the .*?)</p>', page)[0])


def test_pages_exports_and_reports_read_from_a_fresh_replica_alone(server: OwnServer, tmp_path: Path) -> None:
    replica = Replica(server)
    try:
        settings = {"REPLICA_URL": replica.url, "REPLICA_MAX_LAG_SECONDS": str(MAX_LAG_SECONDS)}
        here = Installation(database_url=server.url, settings={**settings, "TRUSTED_PROXIES": "127.0.0.1"})
        make_superadmin(here)
        with here.web(tmp_path / "web.log") as web:
            redeem(web.port, "FIRST")
            replica.wait_until_level()
            console = Console(web.port)
            for path in PAGES:
                assert read_from(console.get(path)).startswith("Read from the replica"), path

            # It stands still: pages go on showing what it has, and say how old that is, until it is too old.
            replica.psql("SELECT pg_wal_replay_pause()")
            redeem(web.port, "SECOND")
            page = console.get("billing/ledgerentry/")
            assert re.fullmatch(
                r"Read from the replica, which is \d\.\d seconds behind the primary\.", read_from(page)
            )
            assert ("promo:FIRST" in page, "promo:SECOND" in page) == (True, False)
            while read_from(page := console.get("billing/ledgerentry/")).startswith("Read from the replica"):
                assert "promo:SECOND" not in page
            assert re.fullmatch(
                r"Read from the primary, because the replica is [3-9] seconds behind\.", read_from(page)
            )
            assert "promo:SECOND" in page

            replica.psql("SELECT pg_wal_replay_resume()")
            replica.wait_until_level()
            page = console.get("billing/ledgerentry/")
            assert (read_from(page).startswith("Read from the replica"), "promo:SECOND" in page) == (True, True)
            form = console.get("billing/ledgerentry/export/")
            export = console.post(
                "/admin/billing/ledgerentry/export/", {"file_format": "csv", "reason": "audit"}, form
            )
            assert ("promo:FIRST" in export.text, "promo:SECOND" in export.text) == (True, True)

            evidence = tmp_path / "evidence.zip"
            done = command(here, "export_evidence", str(evidence), "--from-replica")
            assert done.stderr.startswith("Read from the replica") and evidence.stat().st_size > 0
            month = server.psql("SELECT to_char(now(), 'YYYY-MM')")
            done = command(here, "month_end", month, "--from-replica")
            assert "Read from the replica" in done.stderr and "opening" in done.stdout

            # Statements reach the replica through its own user of the service alone.
            used = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'qasima'"
            assert int(replica.psql(used)) >= 1
            replica.stop()
            page = console.get("billing/ledgerentry/")
            assert read_from(page) == "Read from the primary, because the replica does not answer."
            assert "promo:SECOND" in page
            replica.start()
    finally:
        replica.stop()


def make_superadmin(here: Installation) -> None:
    environment = {**here.environment(), "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    arguments = ["createsuperuser", "--noinput", "--username=amal", "--email=amal@example.org"]
    subprocess.run([sys.executable, "manage.py", *arguments], env=environment, cwd=PROJECT, check=True)


def command(here: Installation, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=here.environment(),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
