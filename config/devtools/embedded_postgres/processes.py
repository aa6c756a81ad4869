"""Finds the processes of a cluster's server. A process id alone is never trusted, because the system reuses ids."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from config.devtools.embedded_postgres.binaries import PROGRAMS
from config.devtools.embedded_postgres.places import Places

PROC = Path("/proc")


def postmaster_pid(places: Places) -> int | None:
    """Return the id of the living postmaster that the data directory names, or None if that process is another one.

    It counts only if it runs `postgres -D` on exactly this directory as its owner.
    """
    try:
        first = (places.data / "postmaster.pid").read_text().split("\n", 1)[0]
        owner = places.data.stat().st_uid
        pid = int(first)
    except (OSError, ValueError):
        return None
    return pid if pid > 1 and is_postmaster(pid, places.data, owner) else None


def is_postmaster(pid: int, data: Path, owner: int) -> bool:
    """Tell whether a process is the postmaster of a data directory, run by a user."""
    if (PROC / "self").exists():
        try:
            arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            runs_as = (PROC / str(pid)).stat().st_uid
        except OSError:
            return False
        program = os.path.basename(arguments[0])
        return program == b"postgres" and os.fsencode(data) in arguments and runs_as == owner
    answer = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "uid=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(None, 1)
    return len(answer) == 2 and int(answer[0]) == owner and f"postgres -D {data} " in answer[1]  # noqa: PLR2004


def server_pids(places: Places) -> list[int]:
    """List the processes of this cluster's server, also of a dead postmaster (Linux; elsewhere none).

    A backend's working directory is the data directory. A backend without its postmaster may run until its query
    ends.
    """
    found = []
    for entry in PROC.glob("[0-9]*"):
        try:
            directory = Path(os.readlink(entry / "cwd"))
            program = os.path.basename(os.readlink(entry / "exe")).removesuffix(" (deleted)")
        except OSError:
            continue  # gone, or another user's
        if program in PROGRAMS and (directory == places.data or places.control in directory.parents):
            found.append(int(entry.name))
    return found


def kill_server(places: Places) -> None:
    """Kill what is left of a server whose postmaster is dead; the next start recovers by the log."""
    for pid in server_pids(places):
        if not hasattr(os, "pidfd_open"):
            continue
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                if pid in server_pids(places):  # still the same process now that the handle pins it
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def signal_postmaster(places: Places, number: signal.Signals) -> bool:
    """Send a signal to the living postmaster, and tell whether there is one."""
    pid = postmaster_pid(places)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    return True
