"""A PostgreSQL of the project's own, for the demo, development and tests; never for production.

It needs no installation and no privilege, listens on no network, lets in nobody but the user who started it
(and root), lives for as long as a process uses it, and survives the death of any process by any signal.
Standard library only, and no Django, so that settings can ask where it is.

- `places`: where things lie, whom they belong to.
- `binaries`: which PostgreSQL.
- `locks`, `processes`, `server`: start and stop, whatever a crash left behind.
- `keeper`: starts, restarts and stops the server; `leases`: who uses it.
"""

from typing import TypedDict

from config.devtools.embedded_postgres.errors import EmbeddedPostgresError
from config.devtools.embedded_postgres.leases import give_lease_back, take_lease, use_server
from config.devtools.embedded_postgres.places import DATABASE, PORT, SUPERUSER, places_of

__all__ = [
    "ConnectionSettings",
    "EmbeddedPostgresError",
    "connection_settings",
    "ensure_running",
    "lease_descriptor",
    "release",
]


class ConnectionSettings(TypedDict):
    """The address of the server, in the words of Django's DATABASES."""

    NAME: str
    USER: str
    HOST: str
    PORT: str


def connection_settings(*, database: str = DATABASE, cluster: str | None = None) -> ConnectionSettings:
    """Return how to reach a database of this checkout's server; starts nothing.

    Args:
        database: its name; "qasima" always exists.
        cluster: as in `ensure_running`.
    """
    places = places_of(cluster)
    return {"NAME": database, "USER": SUPERUSER, "HOST": str(places.socket_directory), "PORT": str(PORT)}


def ensure_running(*, cluster: str | None = None) -> None:
    """Start the server unless it runs, and keep it for as long as this process lives.

    Args:
        cluster: which one; without a name `QASIMA_POSTGRES_CLUSTER`, else "demo". One whose name starts with
        "test" is
            disposable: faster, and not safe from a power loss.
    Raises:
        EmbeddedPostgresError: it cannot be started; the message says why.
    Idempotency: calling it again is cheap, and brings back a server that has died since.
    """
    use_server(places_of(cluster))


def lease_descriptor(*, cluster: str | None = None) -> int:
    """Return the open file that keeps the server for this process, to be passed on to a child program."""
    return take_lease(places_of(cluster))


def release(*, cluster: str | None = None) -> None:
    """Give the server back before this process ends, and wait until it has stopped, unless others use it."""
    give_lease_back(places_of(cluster))
