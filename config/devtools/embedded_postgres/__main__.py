"""`python -m config.devtools.embedded_postgres start|stop|status|psql`: the embedded PostgreSQL by hand.

`keep` is what the launcher itself runs: the keeper of a cluster.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

from config.devtools.embedded_postgres.binaries import find_binaries
from config.devtools.embedded_postgres.errors import EmbeddedPostgresError
from config.devtools.embedded_postgres.keeper import PIN, STOP, keep
from config.devtools.embedded_postgres.leases import keeper_pid, use_server
from config.devtools.embedded_postgres.locks import POLL_SECONDS, is_locked, open_lock, try_lock
from config.devtools.embedded_postgres.places import DATABASE, PORT, SUPERUSER, Places, places_of, prepare
from config.devtools.embedded_postgres.processes import postmaster_pid
from config.devtools.embedded_postgres.server import Server, answers

STOP_SECONDS = 60


def start(places: Places) -> int:
    """Start the server, and keep it until `stop`, whether it is used or not."""
    use_server(places)
    pid = keeper_pid(places)
    if pid is not None:
        os.kill(pid, PIN)
    return status(places)


def stop(places: Places) -> int:
    """Stop the server cleanly, also if it is in use."""
    if not places.control.is_dir():
        status(places)
        return 0
    prepare(places)
    deadline = time.monotonic() + STOP_SECONDS
    lock = open_lock(places.keeper_lock)
    asked = None
    try:
        while not try_lock(lock):
            pid = keeper_pid(places)
            if pid not in (None, asked):
                os.kill(pid, STOP)
                asked = pid
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"The server in {places.control} does not stop.")
            time.sleep(POLL_SECONDS)
        if is_locked(places.server_lock):  # its keeper was killed
            Server(places).stop()
    finally:
        os.close(lock)
    status(places)
    return 0


def status(places: Places) -> int:
    """Tell whether the server runs, and where everything is; exit status 3 where it does not."""
    runs = answers(places)
    pid = postmaster_pid(places)
    print(f"PostgreSQL: {f'running, process {pid}' if runs else 'stopped'}")
    print(f"keeper:     {keeper_pid(places) or 'none'}")
    print(f"data:       {places.data}")
    print(f"log:        {places.server_log}")
    print(f"socket:     {places.socket}")
    return 0 if runs else 3


def psql(places: Places, arguments: list[str]) -> int:
    """Open PostgreSQL's own shell on the database, and keep the server for as long as it is open."""
    use_server(places)
    bundled = find_binaries().program("psql")
    program = str(bundled) if bundled.exists() else shutil.which("psql")
    if program is None:
        raise EmbeddedPostgresError("There is no psql: neither bundled nor the system's own.")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's
    where = ["-h", str(places.socket_directory), "-p", str(PORT), "-U", SUPERUSER, "-d", DATABASE]
    return subprocess.run([program, *where, *arguments], check=False).returncode  # noqa: S603


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m config.devtools.embedded_postgres", description=__doc__)
    parser.add_argument("--cluster", help="demo (the default), or one that starts with test")
    parser.add_argument("action", choices=("start", "stop", "status", "psql", "keep"))
    options, rest = parser.parse_known_args()
    if rest and options.action != "psql":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        places = places_of(options.cluster)
        if options.action == "psql":
            return psql(places, rest)
        if options.action == "keep":
            keep(places)
            return 0
        return {"start": start, "stop": stop, "status": status}[options.action](places)
    except EmbeddedPostgresError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
