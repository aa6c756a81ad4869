"""The web server, the worker and the commands of a checkout of the code, with production's settings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import jwt

from tests.operations.own_server import PROJECT, check, free_port

ADDRESS = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 40
JWT_SECRET = "only-a-drill-signs-tokens-with-this-0123456789"
KEPT = ("PATH", "HOME", "LD_LIBRARY_PATH", "LANG")


def token(user_id: str, *, role: str = "customer", secret: str = JWT_SECRET) -> str:
    """Signs a token as the platform does."""
    claims = {
        "sub": user_id,
        "email": f"{user_id}@example.org",
        "role": role,
        "exp": int(time.time()) + 24 * 3600,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A folder of code and the settings that its processes share."""

    database_url: str
    code: Path = PROJECT
    settings: Mapping[str, str] | None = None

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": "only-a-drill-signs-with-this-0123456789-abcdefghij",
            "JWT_SECRET": JWT_SECRET,
            "ALLOWED_HOSTS": ADDRESS,
            "BIND_ADDRESS": ADDRESS,
            "WEB_CONCURRENCY": "1",
            "DATABASE_POOL_SIZE": "8",
            "REFUSED_CODE_RATE_LIMIT": "100000/min",
            **(self.settings or {}),
            **(more or {}),
        }

    def manage(self, *arguments: str) -> str:
        """Runs manage.py. Raises with its output if it fails."""
        return check([sys.executable, "manage.py", *arguments], self.environment(), cwd=self.code)

    @contextmanager
    def web(self, log: Path) -> "Iterator[WebServer]":
        """Starts the web server, waits until it answers, and stops it at the end."""
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "--config", "python:config.gunicorn"]
        with self._running(command, log, {"PORT": str(port)}) as process:
            web = WebServer(port=port, process=process)
            deadline = time.monotonic() + START_SECONDS
            while web.get("/healthz")[0] != 200:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield web

    @contextmanager
    def worker(self, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
        """Starts the worker, and stops it at the end."""
        with self._running([sys.executable, "manage.py", "procrastinate", "worker"], log, {}) as process:
            yield process

    @contextmanager
    def _running(self, command: list[str], log: Path, more: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.code,
                env=self.environment(more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


@dataclass(frozen=True, kw_only=True)
class WebServer:
    """A running web server."""

    port: int
    process: "subprocess.Popen[bytes]"

    def processes(self) -> list[int]:
        """Returns the ids of the processes that serve requests, the oldest first."""
        pid = self.process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Returns the status and the body; 0 while nothing listens."""
        connection = HTTPConnection(ADDRESS, self.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return 0, ""
        finally:
            connection.close()


def memory_mib(pid: int) -> float:
    """Returns the private and proportional memory of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
