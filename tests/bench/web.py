"""The production web server as a process, and what its processes used of the machine."""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt

from config.gunicorn import DEFAULT_THREADS
from tests.bench.cluster import Connection
from tests.database import PROJECT, database_environment

ADDRESS = "127.0.0.1"
READY_SECONDS = 30
TOKEN_SECONDS = 24 * 3600
JWT_SECRET = secrets.token_urlsafe(48)
_TICKS = os.sysconf("SC_CLK_TCK")
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A running server; `pid` is the process id of its master."""

    pid: int
    port: int
    ready_seconds: float

    def processes(self) -> list[int]:
        """The master and its workers."""
        return [self.pid, *_children(self.pid)]

    def cpu_seconds(self) -> float:
        """Returns the CPU time that all its processes have used so far."""
        return sum(cpu_seconds(pid) for pid in self.processes())

    def resident_mib(self) -> list[float]:
        """Returns each worker's memory: all of its private memory, and its proportional part of shared memory."""
        return [_pss_mib(pid) for pid in _children(self.pid)]


def bearer(user_id: str, *, role: str = "customer") -> str:
    """A token as the platform signs it."""
    claims = {
        "sub": user_id,
        "email": f"{user_id}@example.org",
        "role": role,
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


def web_environment(*, port: int, workers: int = 1, threads: int = DEFAULT_THREADS) -> dict[str, str]:
    """Returns the environment of `make serve`: production's settings, and the database that Django uses here."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    return {
        **kept,
        **database_environment(),
        "DJANGO_SETTINGS_MODULE": "tests.bench.web_settings",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "JWT_SECRET": JWT_SECRET,
        "ALLOWED_HOSTS": ADDRESS,
        "BIND_ADDRESS": ADDRESS,
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "WEB_THREADS": str(threads),
    }


@contextmanager
def serving(*, workers: int, threads: int = DEFAULT_THREADS, more: Mapping[str, str] | None = None) -> Iterator[Web]:
    """Starts the server as `make serve` does, on a free port; it ends with the block."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port = probe.getsockname()[1]
    environment = {**web_environment(port=port, workers=workers, threads=threads), **(more or {})}
    began = time.monotonic()
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn"],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=nowhere,
            stderr=nowhere,
        )
    try:
        yield Web(pid=process.pid, port=port, ready_seconds=_wait_until_ready(process, port, began))
    finally:
        process.terminate()
        process.wait(READY_SECONDS)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, began: float) -> float:
    """Returns the seconds from the start to the first answer that the server is ready."""
    while time.monotonic() - began < READY_SECONDS:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        connection = http.client.HTTPConnection(ADDRESS, port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == _OK:
                return time.monotonic() - began
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise RuntimeError("the server is not ready in time")


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def database_cpu_seconds(connection: Connection) -> float:
    """Returns the CPU time that the server's processes for connections to this database have used so far."""
    rows = connection.execute(
        b"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    ).fetchall()
    return sum(cpu_seconds(int(str(pid))) for (pid,) in rows)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel reports no memory of process {pid}")
