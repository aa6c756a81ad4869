"""The demo's child processes: programs that it keeps running, and commands that it runs to their end.

Each child has a session of its own, so that Ctrl-C reaches only the demo, which then stops its children in order.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from config.devtools.demo.errors import DemoError

CHECKOUT = Path(__file__).resolve().parents[3]
MANAGE = str(CHECKOUT / "manage.py")
STOP_SECONDS = 15
MAX_RESTARTS = 3
RESTART_WINDOW_SECONDS = 60
PR_SET_PDEATHSIG = 1


class Child:
    """A program that the demo keeps running."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], lease: int) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.lease = lease
        self.died_at: list[float] = []
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the program; it inherits the lease, so PostgreSQL runs as long as the program does."""
        return subprocess.Popen(  # noqa: S603
            self.command,
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            pass_fds=(self.lease,),
            start_new_session=True,
            preexec_fn=end_with_parent(os.getpid()),  # noqa: PLW1509 - the demo has no threads
        )

    def restart_if_dead(self) -> None:
        """Start the program again if it has ended.

        Raises:
            DemoError: it has ended too often.
        """
        status = self.process.poll()
        if status is None:
            return
        now = time.monotonic()
        self.died_at = [at for at in self.died_at if now - at < RESTART_WINDOW_SECONDS] + [now]
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if len(self.died_at) > MAX_RESTARTS:
            raise DemoError(f"The {self.name} {how}, for the {len(self.died_at)}th time within a minute.")
        print(f"The {self.name} {how}; starting it again.", flush=True)
        self.process = self.start()


def stop_children(children: list[Child]) -> None:
    """End every child: by SIGTERM, and by SIGKILL if that takes too long."""
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def run_python(arguments: list[str], environment: dict[str, str]) -> str:
    """Run a Python program to its end and return its output.

    Raises:
        DemoError: it failed; the message contains its output.
    """
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=end_with_parent(os.getpid()),  # noqa: PLW1509 - the demo has no threads
    )
    try:
        output = process.communicate()[0].rstrip()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise DemoError(f"{output}\n{' '.join(arguments)} failed.")
    return output


def end_with_parent(parent: int) -> Callable[[], None] | None:
    """Return a function for a new child to run first: the kernel then ends it if the demo is killed (Linux only)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
