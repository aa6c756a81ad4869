"""Leases: a process takes one to use the server, and makes sure that a keeper runs.

The lease is given back by the kernel when the process and every child that it forked are gone.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from config.devtools.embedded_postgres.errors import EmbeddedPostgresError
from config.devtools.embedded_postgres.keeper import BUSY, READY
from config.devtools.embedded_postgres.locks import POLL_SECONDS, is_locked, lock_within, open_lock
from config.devtools.embedded_postgres.places import CHECKOUT, Places, prepare
from config.devtools.embedded_postgres.server import answers, private

PATIENCE_SECONDS = 120
STOP_SECONDS = 30
KEEPER_REACTION_SECONDS = 0.5

_leases: dict[Path, int] = {}
_taking = threading.Lock()


def take_lease(places: Places) -> int:
    """Hold the server for as long as this process lives, and return the descriptor that holds it.

    A child program may be given the descriptor, to hold the server too.
    """
    with _taking:
        if places.lease not in _leases:
            prepare(places)
            descriptor = open_lock(places.lease)
            try:
                what = f"the server in {places.control} to stop"
                lock_within(descriptor, PATIENCE_SECONDS, shared=True, what=what)
            except BaseException:
                os.close(descriptor)
                raise
            _leases[places.lease] = descriptor
        return _leases[places.lease]


def give_lease_back(places: Places) -> None:
    """Stop using the server, and return when it has stopped, or when it is clear that others use it."""
    with _taking:
        descriptor = _leases.pop(places.lease, None)
    if descriptor is None:
        return
    os.close(descriptor)
    begun_at = time.monotonic()
    while is_locked(places.server_lock):
        passed = time.monotonic() - begun_at
        # Only the keeper ever has the lease exclusively, and then it is stopping the server.
        if passed > STOP_SECONDS or (passed > KEEPER_REACTION_SECONDS and not is_locked(places.lease)):
            return
        time.sleep(POLL_SECONDS)


def use_server(places: Places) -> None:
    """Take a lease, and return when the server answers.

    Raises:
        EmbeddedPostgresError: it cannot be started, with the reason.
    """
    take_lease(places)
    if answers(places) and is_locked(places.keeper_lock):
        return
    start = open_lock(places.start_lock)
    try:
        lock_within(start, PATIENCE_SECONDS, what=f"another process to start the server in {places.control}")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (is_locked(places.keeper_lock) and answers(places)):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL does not start; see {places.server_log}.")
            if is_locked(places.keeper_lock):
                time.sleep(POLL_SECONDS)
            else:
                spawn_keeper(places)
    finally:
        os.close(start)


def spawn_keeper(places: Places) -> None:
    """Start a keeper, and wait until it says how that went."""
    with open(places.keeper_log, "ab", opener=private) as log:
        keeper = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "config.devtools.embedded_postgres", f"--cluster={places.cluster}", "keep"],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    said = keeper.communicate()[0].decode()
    if said not in (READY, BUSY, ""):  # nothing at all: it was killed
        raise EmbeddedPostgresError(said)
    if keeper.returncode != 0:
        raise EmbeddedPostgresError(f"The keeper of PostgreSQL cannot run; see {places.keeper_log}.")


def keeper_pid(places: Places) -> int | None:
    """Return the process id of the living keeper, None where there is none."""
    if not is_locked(places.keeper_lock):
        return None
    try:
        return int(places.keeper_lock.read_text())
    except ValueError:
        return None
