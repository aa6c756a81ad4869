"""Making a cluster, and starting and stopping its server; only the keeper does this."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import IO

from config.devtools.embedded_postgres.binaries import Binaries, find_binaries, reachable_binaries
from config.devtools.embedded_postgres.errors import EmbeddedPostgresError
from config.devtools.embedded_postgres.locks import open_lock, try_lock
from config.devtools.embedded_postgres.places import (
    CHECKOUT,
    DATABASE,
    PORT,
    SUPERUSER,
    Account,
    Places,
    checkout_key,
    give_directory,
    key_of,
    read_identity,
    server_account,
)
from config.devtools.embedded_postgres.processes import kill_server, postmaster_pid, signal_postmaster

START_SECONDS = 60
KILL_SECONDS = 5
STOP_STEPS = ((signal.SIGINT, 20), (signal.SIGQUIT, KILL_SECONDS), (signal.SIGKILL, KILL_SECONDS))
POLL_SECONDS = 0.02
PING_SECONDS = 5
LOG_LIMIT_BYTES = 5_000_000
PROTOCOL_VERSION = 3 << 16
BUILTIN_LOCALE_MAJOR = 17
MAX_CONNECTIONS = 300


def answers(places: Places) -> bool:
    """Tell whether the server lets a client in now, which it does not while it starts, recovers or stops."""
    body = struct.pack("!I", PROTOCOL_VERSION) + f"user\0{SUPERUSER}\0database\0postgres\0\0".encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PING_SECONDS)
            connection.connect(str(places.socket))
            connection.sendall(struct.pack("!I", len(body) + 4) + body)
            accepted = connection.recv(1) == b"R"
            if accepted:
                connection.sendall(b"X" + struct.pack("!I", 4))
            return accepted
    except OSError:
        return False


class Server:
    """The server of one cluster, started here or found running."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.process: subprocess.Popen[bytes] | None = None

    def start_or_adopt(self) -> None:
        """Bring the server to where it answers, whatever state a crash has left it in.

        Raises:
            EmbeddedPostgresError: it cannot be started.
        """
        descriptor = open_lock(self.places.server_lock)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not try_lock(descriptor):
                if postmaster_pid(self.places) is None:
                    kill_server(self.places)
                elif answers(self.places):
                    return
                if time.monotonic() > deadline:
                    raise self.failure("A server that was running already does not answer")
                time.sleep(POLL_SECONDS)
            self.start(descriptor)
        finally:
            os.close(descriptor)

    def start(self, lock: int) -> None:
        """Start the server, making its data first where there is none.

        Args:
            lock: the server lock, held; the server's processes inherit it.
        """
        self.reap()
        remove_leftovers(self.places)
        if self.places.is_disposable and lost_power(self.places):
            discard(self.places.data)
        try:
            self.start_once(lock)
        except EmbeddedPostgresError:
            if not (self.places.is_disposable and self.places.data.exists()):
                raise
            self.reap()
            discard(self.places.data)
            self.start_once(lock)

    def start_once(self, lock: int) -> None:
        """Start the server on its data, and wait until it answers."""
        places = self.places
        binaries = reachable_binaries(places, find_binaries(major=data_major(places.data)))
        account = server_account(places)
        rotate(places.server_log)
        with open(places.server_log, "ab", opener=private) as log:
            if not places.data.exists():
                initialise(places, binaries, account, lock=lock, log=log)
            if account is not None:
                give_directory(places.socket_directory, account)
            if postmaster_pid(places) is not None:
                raise self.failure(f"Another PostgreSQL, not started by this launcher, uses {places.data}")
            for stale in (places.data / "postmaster.pid", places.socket, places.socket_lock):
                stale.unlink(missing_ok=True)  # the lock that we hold proves that no server is left
            command = [str(binaries.program("postgres")), "-D", str(places.data), *server_options(places)]
            self.process = run_as(account, command, directory=Path("/"), lock=lock, log=log)
        deadline = time.monotonic() + START_SECONDS
        while not answers(places):
            if self.process.poll() is not None:
                raise self.failure("PostgreSQL ended as soon as it was started")
            if time.monotonic() > deadline:
                self.process.kill()
                raise self.failure(f"PostgreSQL did not answer within {START_SECONDS} seconds")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server cleanly, disconnecting its clients; by force if it does not stop."""
        descriptor = open_lock(self.places.server_lock)
        try:
            for number, seconds in STOP_STEPS:
                deadline = time.monotonic() + seconds
                if not signal_postmaster(self.places, number) or number == signal.SIGKILL:
                    kill_server(self.places)
                while time.monotonic() < deadline:
                    if try_lock(descriptor):
                        self.reap()
                        return
                    time.sleep(POLL_SECONDS)
            raise self.failure("PostgreSQL could not be stopped")
        finally:
            os.close(descriptor)

    def has_lost_its_postmaster(self) -> bool:
        """Tell whether what may be left of the server are backends of a dead postmaster."""
        return postmaster_pid(self.places) is None

    def reap(self) -> None:
        """Collect the exit status of a server that this process started and that has ended."""
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=KILL_SECONDS)
            self.process = None

    def failure(self, what: str) -> EmbeddedPostgresError:
        """Make the error that says what went wrong, with the end of the server's log."""
        try:
            lines = self.places.server_log.read_text(errors="replace").splitlines()[-8:]
        except OSError:
            lines = []
        return EmbeddedPostgresError("\n  ".join([f"{what}. The end of {self.places.server_log}:", *lines]))


def server_options(places: Places) -> list[str]:
    """Return the settings the server is started with, whatever its configuration file says."""
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(places.socket_directory),
        "unix_socket_permissions": "0700",
        "max_connections": str(MAX_CONNECTIONS),
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
    }
    if places.is_disposable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def initialise(places: Places, binaries: Binaries, account: Account | None, *, lock: int, log: IO[bytes]) -> None:
    """Make a new cluster with an empty database, beside its place, and move it there when it is whole."""
    draft = places.control / f"draft.{secrets.token_hex(8)}"
    if account is None:
        draft.mkdir(mode=0o700)
    else:
        give_directory(draft, account)
    locale = ["--locale=C"]
    if binaries.major >= BUILTIN_LOCALE_MAJOR:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command = [
        str(binaries.program("initdb")),
        f"--pgdata={draft}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--auth-local=trust",  # nobody but the owner and root can enter the socket's directory
        "--auth-host=reject",
        *locale,
        *(["--no-sync"] if places.is_disposable else []),
    ]
    database = [
        str(binaries.program("postgres")),
        "--single",
        "-D",
        str(draft),
        "-c",
        "exit_on_error=on",
        "postgres",
    ]
    statement = f"CREATE DATABASE {DATABASE};\n".encode()
    for arguments, stdin in ((command, b""), (database, statement)):
        process = run_as(account, arguments, directory=draft, lock=lock, log=log, stdin=subprocess.PIPE)
        process.communicate(stdin, timeout=START_SECONDS)
        if process.returncode != 0:
            raise Server(places).failure("PostgreSQL could not make its data directory")
    write_owner(places)
    draft.rename(places.data)


def run_as(
    account: Account | None,
    command: list[str],
    *,
    directory: Path,
    lock: int,
    log: IO[bytes],
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Run a PostgreSQL program as the server's account, in a session of its own and with a bare environment.

    It inherits the server lock, so that the lock is held for as long as any process of it lives.
    """
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=directory,
        env=environment,
        stdin=stdin,
        stdout=log,
        stderr=log,
        pass_fds=(lock,),
        start_new_session=True,
        umask=0o077,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def data_major(data: Path) -> int | None:
    """Return the major version that made a data directory, None where there is none."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EmbeddedPostgresError(f"{data} is no data directory of PostgreSQL: {error}.") from error


def lost_power(places: Places) -> bool:
    """Tell whether the machine went down under the server; data written without fsync may be lost."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return False
    try:
        touched_at = (places.data / "postmaster.pid").stat().st_mtime
    except FileNotFoundError:
        return False
    return touched_at < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def rotate(log: Path) -> None:
    """Keep a log from growing without end: one old one is kept."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))


def private(path: str, flags: int) -> int:
    """Open a file that only we can read."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def write_owner(places: Places) -> None:
    """Note whose cluster this is, so that it can be thrown away once that checkout is gone."""
    note = {"checkout": str(CHECKOUT), "key": checkout_key(CHECKOUT)}
    with open(places.control / "owner.json", "w", opener=private) as file:
        json.dump(note, file)


def remove_leftovers(places: Places) -> None:
    """Remove half-made data of this cluster (ours: the keeper's lock is held) and abandoned clusters."""
    for draft in places.control.glob("draft.*"):
        discard(draft)
    for note in places.base.glob("*/*/owner.json"):
        if note.parent == places.control:
            continue
        with contextlib.suppress(OSError, ValueError, KeyError, EmbeddedPostgresError):
            if is_abandoned(note):
                discard_unused(note.parent)


def is_abandoned(note: Path) -> bool:
    """Tell whether a cluster's checkout is gone.

    A test cluster needs nothing more. One with data that somebody may want is abandoned only if the checkout
    is there and was given another identity, that is, if its `.data` was removed.
    """
    owner = json.loads(note.read_text())
    checkout = Path(owner["checkout"])
    identity = read_identity(checkout)
    if identity is None:
        was_reset = checkout.is_dir() and not (checkout / ".data").exists()
        return was_reset or note.parent.name.startswith("test")
    return bool(key_of(checkout, identity) != owner["key"])


def discard_unused(control: Path) -> None:
    """Remove a cluster, unless a keeper or a server has it."""
    keeper, server = open_lock(control / "keeper.lock"), open_lock(control / "server.lock")
    try:
        if try_lock(keeper) and try_lock(server):
            shutil.rmtree(control / "data", ignore_errors=True)
            shutil.rmtree(control)
    finally:
        os.close(keeper)
        os.close(server)


def discard(path: Path) -> None:
    """Remove a directory, so that a crash half-way leaves nothing that looks whole."""
    grave = path if path.name.startswith("draft.") else path.with_name(f"draft.{secrets.token_hex(8)}")
    if grave != path:
        path.rename(grave)
    shutil.rmtree(grave)
