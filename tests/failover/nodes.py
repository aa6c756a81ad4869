"""A cluster of three nodes: etcd, Patroni and PostgreSQL of Debian, HAProxy that finds the primary, and PgBouncer."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import psycopg

from tests.operations.own_server import free_port

from .gate import ADDRESS, Gate

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = PROJECT / "deploy/failover"
USER = "postgres"
NODES = ("one", "two", "three")
START_SECONDS = 120
# PgBouncer's 20, two workers' 16 each, and 10 for Patroni, replication and operators, with some to spare.
MAX_CONNECTIONS = 70
# The Patroni of deploy/failover/requirements.txt, which `make failover` and `make soak` put there.
PATRONI = PROJECT / ".data/patroni"
DEBIANS_PYTHON = "/usr/bin/python3"
# What a node needs, with the Debian package of each.
PROGRAMS = {
    "/usr/bin/patroni": "patroni",
    "/usr/bin/etcd": "etcd-server",
    "/usr/sbin/haproxy": "haproxy",
    "/usr/sbin/pgbouncer": "pgbouncer",
    "/usr/bin/pg_createcluster": "postgresql",
}
# With it PostgreSQL has a clock of its own. Python's sleep fails under it, so Patroni gets its clock from a module
# that Python imports first.
LIBFAKETIME = next(map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")
PATRONIS_CLOCK = """
import time

true_time = time.time


def moved_time():
    try:
        with open({clock!r}) as file:
            return true_time() + float(file.read())
    except (OSError, ValueError):
        return true_time()


time.time = moved_time
"""
# Enough for the log that is kept and for the data; only what is used takes memory.
DISK_SIZE = "3g"


@dataclass
class Node:
    """A machine with Patroni and PostgreSQL. Others reach it only over its gates."""

    name: str
    folder: Path
    etcd: Gate
    rest_port: int = field(default_factory=free_port)
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.rest, self.postgres = Gate(self.rest_port), Gate(self.port)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*as_user(), DEBIANS_PYTHON, "-m", "patroni", str(self.folder / "patroni.json")],
                env={
                    "PATH": os.environ["PATH"],
                    "LC_ALL": "C.UTF-8",
                    "PYTHONPATH": f"{self.folder / 'python'}:{self.folder.parent / 'patroni'}",
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def set_clock(self, offset: str) -> None:
        """Moves PostgreSQL's and Patroni's clock, by seconds from this machine's. They see it within a second."""
        self.clock.write_text(f"{offset}\n")

    @property
    def clock(self) -> Path:
        """The file from which the node's programs read how far their clock is off."""
        return self.folder / "clock"

    @property
    def disk(self) -> Path:
        """The disk of the data directory; root gives each node one of its own."""
        return self.folder / "disk"

    def processes(self) -> list[int]:
        """Returns the ids of all processes of the node: those whose folder it is, and their children."""
        found = []
        for each in Path("/proc").iterdir():
            with suppress(OSError):
                if each.name.isdigit() and Path(os.readlink(each / "cwd")).is_relative_to(self.folder):
                    found.append(int(each.name))
        return found

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to every process of the node."""
        for each in self.processes():
            with suppress(ProcessLookupError):
                os.kill(each, number)

    def kill(self) -> None:
        """Loses power."""
        while self.processes():
            self.signal(signal.SIGKILL)
            if self.process:
                self.process.poll()
            time.sleep(0.02)
        if self.process:
            self.process.wait()

    def cut_off(self) -> None:
        for each in (self.etcd, self.rest, self.postgres):
            each.cut()

    def reconnect(self) -> None:
        for each in (self.etcd, self.rest, self.postgres):
            each.mend()

    def is_primary(self) -> bool:
        return self._is("primary")

    def may_succeed(self) -> bool:
        """Tells whether Patroni has written in etcd that this node may take the primary's place."""
        return self._is("synchronous")

    def _is(self, role: str) -> bool:
        try:
            with urlopen(f"http://{ADDRESS}:{self.rest_port}/{role}", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@dataclass
class Cluster:
    """The nodes, and the ports of HAProxy and PgBouncer."""

    nodes: list[Node]
    primary_port: int
    pooler_port: int

    @property
    def direct_url(self) -> str:
        """Returns the primary's address, wherever it is now."""
        return f"postgresql://{USER}@{ADDRESS}:{self.primary_port}/qasima"

    @property
    def pooled_url(self) -> str:
        return f"postgresql://{USER}@{ADDRESS}:{self.pooler_port}/qasima"

    def psql(self, statement: str) -> str:
        """Returns the rows of a query at the primary, as psql -A prints them."""
        with psycopg.connect(self.direct_url, autocommit=True) as connection:
            found = connection.execute(statement.encode()).fetchall()
        return "\n".join("|".join(str(value) for value in row) for row in found)

    def execute(self, statement: str) -> None:
        """Executes a statement at the primary that returns no rows."""
        with psycopg.connect(self.direct_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def primary(self) -> Node:
        """Returns the primary. Waits until there is one."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for each in self.nodes:
                if each.is_primary():
                    return each
            time.sleep(0.1)
        raise AssertionError("there is no primary")

    def wait_until_whole(self) -> None:
        """Waits until one node alone is the primary, and has two standbys, one of which may succeed it.

        PostgreSQL names a standby synchronous before etcd does: a primary lost in between has no successor.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._is_whole():
            assert time.monotonic() < deadline, "a node does not come back"
            time.sleep(0.2)

    def _is_whole(self) -> bool:
        followers = [standbys(each) for each in self.nodes if each.is_primary()]
        return followers == [["async", "sync"]] and any(each.may_succeed() for each in self.nodes)


def standbys(primary: Node) -> list[str]:
    """Returns how the standbys that receive the primary's log follow it; none while it does not answer."""
    query = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming' ORDER BY sync_state"
    with suppress(psycopg.Error):
        with psycopg.connect(host=ADDRESS, port=primary.port, user=USER, dbname="postgres", connect_timeout=2) as at:
            return [str(state) for (state,) in at.execute(query).fetchall()]
    return []


def as_user() -> list[str]:
    """Returns how to run a program as PostgreSQL's user: it refuses to run as root."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def own_disk(node: Node) -> Iterator[None]:
    """Mounts a disk for the data directory where that is allowed."""
    node.disk.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(node.disk)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(node.disk)], check=True)


def check_programs() -> None:
    """Checks that all programs are installed. A cluster without one of them would only time out."""
    missing = [package for program, package in PROGRAMS.items() if not Path(program).exists()]
    assert not missing, f"As root: apt-get install {' '.join(missing)}"
    assert PATRONI.is_dir(), (
        "Debian's Patroni loses commits. `make failover` and `make soak` install one that does not."
    )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Starts the cluster with an empty database, and stops and removes it at the end."""
    check_programs()
    with TemporaryDirectory(prefix="qasima-failover-") as name, ExitStack() as stack:
        top = Path(name)
        top.chmod(0o755)
        etcd_port = free_port()
        nodes = [Node(name=each, folder=top / each, etcd=Gate(etcd_port)) for each in NODES]
        made = Cluster(nodes=nodes, primary_port=free_port(), pooler_port=free_port())
        for node in nodes:
            stack.enter_context(own_disk(node))
        write_settings(top, made)
        shutil.copytree(PATRONI, top / "patroni")
        peer = f"http://{ADDRESS}:{free_port()}"
        client = f"http://{ADDRESS}:{etcd_port}"
        # fmt: off
        stack.enter_context(running(top / "etcd.log", ["etcd", "--data-dir", str(top / "etcd"), "--log-level=error",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"]))
        # fmt: on
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        pooler = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        stack.enter_context(running(top / "haproxy.log", [haproxy, "-db", "-f", str(top / "haproxy.cfg")]))
        stack.enter_context(running(top / "pooler.log", [*as_user(), pooler, str(top / "pgbouncer.ini")]))
        try:
            made.wait_until_whole()
            create_database(made.primary())
            yield made
        except BaseException:
            if keep := os.environ.get("KEEP"):
                shutil.copytree(top, keep, ignore=shutil.ignore_patterns("disk", "etcd", ".s.*"), dirs_exist_ok=True)
            raise


def create_database(primary: Node) -> None:
    with psycopg.connect(
        host=ADDRESS, port=primary.port, user=USER, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute("CREATE DATABASE qasima")
        # Behind a pooler a client cannot send them with its connection.
        for name, value in (("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "60s")):
            connection.execute(f"ALTER DATABASE qasima SET {name} = '{value}'".encode())
        connection.execute("ALTER DATABASE qasima SET statement_timeout = '30s'")


@contextmanager
def running(log: Path, command: list[str]) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def programs_with_clock(node: Node) -> Path:
    """Returns PostgreSQL's programs, of which the server reads the node's own clock where that is possible."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    if not LIBFAKETIME:
        return programs
    own = node.folder / "bin"
    own.mkdir()
    for each in programs.iterdir():
        (own / each.name).symlink_to(each)
    server = own / "postgres"
    server.unlink()
    server.write_text(
        "#!/bin/sh\n"
        f"export LD_PRELOAD={LIBFAKETIME} FAKETIME_TIMESTAMP_FILE={node.clock}\n"
        "export FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n"
        f'exec {programs / "postgres"} "$@"\n'
    )
    server.chmod(0o755)
    return own


def write_settings(top: Path, made: Cluster) -> None:
    """Writes each program's settings from the examples that operators get, with the addresses of this machine."""
    for node in made.nodes:
        node.set_clock("+0")
        (node.folder / "python").mkdir()
        (node.folder / "python/sitecustomize.py").write_text(PATRONIS_CLOCK.format(clock=str(node.clock)))
        example = json.loads((SETTINGS / "patroni.json").read_text())
        example["name"] = node.name
        example["restapi"] = {
            "listen": f"{ADDRESS}:{node.rest_port}",
            "connect_address": f"{ADDRESS}:{node.rest.port}",
        }
        # As a proxy, so that Patroni does not learn etcd's own address and go past the gate.
        example["etcd3"] = {"hosts": [f"{ADDRESS}:{node.etcd.port}"], "use_proxies": True}
        example["postgresql"] |= {
            "listen": f"{ADDRESS}:{node.port}",
            "connect_address": f"{ADDRESS}:{node.postgres.port}",
            "data_dir": str(node.disk / "data"),
            "pgpass": str(node.folder / "pgpass"),
            "bin_dir": str(programs_with_clock(node)),
            "pg_hba": [f"{kind} {ADDRESS}/32 trust" for kind in ("host all all", "host replication all")],
        }
        example["bootstrap"]["dcs"]["postgresql"]["parameters"]["max_connections"] = MAX_CONNECTIONS
        example["postgresql"]["parameters"] = {"unix_socket_directories": str(node.folder)}
        for login in example["postgresql"]["authentication"].values():
            login.pop("password", None)
        (node.folder / "patroni.json").write_text(json.dumps(example, indent=1))
    servers = "".join(
        f"    server {each.name} {ADDRESS}:{each.postgres.port} check port {each.rest.port}\n" for each in made.nodes
    )
    proxy = (SETTINGS / "haproxy.cfg").read_text()
    head = proxy[: proxy.index("    server ")].replace("bind :5000", f"bind {ADDRESS}:{made.primary_port}")
    (top / "haproxy.cfg").write_text(head + servers)
    pooler = (SETTINGS / "pgbouncer.ini").read_text()
    pooler = pooler.replace("host=127.0.0.1 port=5000", f"host={ADDRESS} port={made.primary_port} user={USER}")
    pooler = pooler.replace("listen_port = 6432", f"listen_port = {made.pooler_port}\nunix_socket_dir =")
    pooler = pooler.replace("auth_type = scram-sha-256", "auth_type = any")
    (top / "pgbouncer.ini").write_text(pooler)
    if os.geteuid() == 0:
        for each in (top, *(each for node in made.nodes for each in (node.folder, node.disk))):
            shutil.chown(each, USER, USER)
