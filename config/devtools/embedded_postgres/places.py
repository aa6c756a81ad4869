"""The folders of an embedded cluster, and the user that its server runs as.

As an ordinary user everything is in the checkout's `.data`, except the socket: its path may have 100 bytes at
most, so it lies under `/tmp`. PostgreSQL refuses to run as root, and the account it then runs as may be
unable to enter the checkout (a private home); so as root everything is under `/var/lib/qasima`.
`QASIMA_POSTGRES_DIR` overrides the place of all of it.

The key of a checkout is made of its path and of an identity kept in `.data/id`: a copy gets clusters of its own, and
removing `.data` starts from nothing, wherever the clusters lie.
"""

import contextlib
import hashlib
import os
import pwd
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from config.devtools.embedded_postgres.errors import EmbeddedPostgresError

CHECKOUT = Path(__file__).resolve().parents[3]
DEFAULT_CLUSTER = "demo"
DIRECTORY_VARIABLE = "QASIMA_POSTGRES_DIR"
CLUSTER_VARIABLE = "QASIMA_POSTGRES_CLUSTER"
SUPERUSER = "qasima"
DATABASE = "qasima"
PORT = 5432
SOCKET_FILE = f".s.PGSQL.{PORT}"
SOCKET_PATH_LIMIT = 100
ROOT_BASE = Path("/var/lib/qasima")
SOCKET_BASE = Path("/tmp")  # noqa: S108 - only a directory whose owner and mode we check is used below it
SERVER_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """Another operating-system user that the server runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Places:
    """The directories and files of one cluster."""

    cluster: str
    base: Path
    control: Path
    socket_directory: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.control / "data"

    @property
    def lease(self) -> Path:
        """Held shared by every process that uses the server, exclusively by a keeper that stops it."""
        return self.control / "lease.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the one keeper, which alone touches the data directory; contains its process id."""
        return self.control / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        """Inherited by every process of the server, so it is free only when not one of them is left."""
        return self.control / "server.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the process that sees to it that a keeper runs."""
        return self.control / "start.lock"

    @property
    def server_log(self) -> Path:
        """The log of PostgreSQL."""
        return self.control / "server.log"

    @property
    def keeper_log(self) -> Path:
        """The log of the keeper."""
        return self.control / "keeper.log"

    @property
    def socket(self) -> Path:
        """The one address at which the server answers."""
        return self.socket_directory / SOCKET_FILE

    @property
    def socket_lock(self) -> Path:
        """The file by which PostgreSQL itself guards its socket."""
        return self.socket_directory / f"{SOCKET_FILE}.lock"

    @property
    def is_disposable(self) -> bool:
        """Returns whether the data may be thrown away and need not survive a power loss (tests)."""
        return self.cluster.startswith("test")


def places_of(cluster: str | None = None) -> Places:
    """Return where the named cluster of this checkout lies; makes nothing but the checkout's identity.

    Args:
        cluster: its name; without one `QASIMA_POSTGRES_CLUSTER`, else "demo". One starting with "test" is
        disposable.
    Raises:
        EmbeddedPostgresError: bad name, or a path too long for a socket.
    """
    name = cluster or os.environ.get(CLUSTER_VARIABLE) or DEFAULT_CLUSTER
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
        raise EmbeddedPostgresError(f"'{name}' is no name for a cluster: use a-z, 0-9 and -, at most 20.")
    override = os.environ.get(DIRECTORY_VARIABLE)
    key = checkout_key(CHECKOUT)
    if override or is_root():
        base = Path(override).absolute() if override else ROOT_BASE
        control = base / key / name
        socket_directory = control / "socket"
    else:
        base = CHECKOUT / ".data" / "postgres"
        control = base / name
        socket_directory = SOCKET_BASE / f"qasima-{os.geteuid()}" / f"{key}-{name}"
    places = Places(cluster=name, base=base, control=control, socket_directory=socket_directory)
    if len(os.fsencode(places.socket)) >= SOCKET_PATH_LIMIT:
        raise EmbeddedPostgresError(
            f"{places.socket} is too long for a socket: {DIRECTORY_VARIABLE} must name a shorter path."
        )
    return places


def is_root() -> bool:
    """Tell whether this process is root, so that the server must run as somebody else."""
    return os.geteuid() == 0


def checkout_key(checkout: Path) -> str:
    """Return the short name under which this checkout's clusters are kept, made on first use."""
    identity = read_identity(checkout)
    if identity is None:
        directory = checkout / ".data"
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            draft = directory / f"id.{secrets.token_hex(8)}"
            draft.write_text(secrets.token_hex(16))
            try:
                os.link(draft, directory / "id")
            except FileExistsError:
                pass  # another process was first, and its identity counts
            finally:
                draft.unlink()
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL needs {directory}, which this user cannot write: {error.strerror}."
            ) from error
        identity = read_identity(checkout)
    return key_of(checkout, identity or "")


def read_identity(checkout: Path) -> str | None:
    """Return the identity kept in a checkout, None where it has none."""
    try:
        return (checkout / ".data" / "id").read_text()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{checkout / '.data'} cannot be read by this user ({error.strerror}); another one made it."
        ) from error


def key_of(checkout: Path, identity: str) -> str:
    """Derive a checkout's key from its path and its identity."""
    return hashlib.sha256(f"{checkout}\n{identity}".encode()).hexdigest()[:12]


def prepare(places: Places) -> None:
    """Make the cluster's directories, and refuse any that another user could have planted.

    Raises:
        EmbeddedPostgresError: a directory belongs to somebody else, is a link, or others may write to it.
    """
    open_to_server = 0o755 if is_root() else 0o700
    if is_root() or DIRECTORY_VARIABLE in os.environ:
        own_directory(places.base, open_to_server)
        own_directory(places.control.parent, open_to_server)
    else:
        own_directory(CHECKOUT / ".data", 0o700)
        own_directory(places.base, 0o700)
        own_directory(places.socket_directory.parent, 0o700)
    own_directory(places.control, open_to_server)
    if not is_root():
        own_directory(places.socket_directory, 0o700)
        return
    for parent in places.control.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and no other user may enter {parent}: "
                f"{DIRECTORY_VARIABLE} must name a directory that others can reach."
            )
    account = server_account(places)
    if account is not None:
        give_directory(places.socket_directory, account)


def own_directory(path: Path, mode: int) -> None:
    """Make a directory where it is missing, and check that it is ours alone to write.

    An empty directory gets its rights again: the process that made it may not have given them yet, or was killed
    before it could. Every process passes here before it puts anything into one, so a directory that is not empty has
    its rights, or has the rights that its owner wants.
    """
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        check_owner(path, path.lstat(), os.geteuid())
        if not os.listdir(path):
            path.chmod(mode)  # whatever the umask
    except OSError as error:
        raise EmbeddedPostgresError(f"{path} cannot be made: {error.strerror}.") from error


def check_owner(path: Path, found: os.stat_result, uid: int) -> None:
    """Refuse a path that is not a directory of the given user which nobody else may write."""
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedPostgresError(f"{path} must be a directory, not a link or a file. Remove it.")
    if found.st_uid != uid:
        raise EmbeddedPostgresError(
            f"{path} belongs to user id {found.st_uid}, not to {uid}. Run as that user, or remove it."
        )
    if found.st_mode & 0o022:
        raise EmbeddedPostgresError(f"Others may write to {path}. Take that right away, or remove it.")


def give_directory(path: Path, account: Account) -> None:
    """Make a private directory of the server's account; its parent is ours, so nobody can plant it."""
    path.mkdir(mode=0o700, exist_ok=True)
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
    check_owner(path, path.lstat(), account.uid)


def server_account(places: Places) -> Account | None:
    """Return whom the server runs as: None for ourselves, and under root the owner of existing data."""
    if not is_root():
        return None
    if places.data.is_dir():
        entry = pwd.getpwuid(places.data.lstat().st_uid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in SERVER_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'.")
