"""Who is acting: every change of money, codes, orders, settings and roles names one (invariant I8)."""

from dataclasses import dataclass

SUPERADMIN = "superadmin"
SOVEREIGN_ADMIN = "sovereign-admin"
AUDITOR = "auditor"
CUSTOMER = "customer"
SYSTEM = "system"

STAFF_ROLES = (SUPERADMIN, SOVEREIGN_ADMIN, AUDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person or process that changes something.

    `user_id` is the platform's user id (a token's `sub`), `address` the client's IP address where there is
    one, `channel` the way in: `api`, `admin`, `command` or `worker`.
    """

    user_id: str
    role: str
    channel: str
    email: str = ""
    address: str | None = None


def system_actor(*, channel: str, user_id: str = "system") -> Actor:
    """The actor of work that no person asked for: a command's or a worker's own."""
    return Actor(user_id=user_id, role=SYSTEM, channel=channel)
