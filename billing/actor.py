"""Actors and roles. Every change of money, codes, orders, settings and roles records its actor."""

from dataclasses import dataclass

SUPERADMIN = "superadmin"
SOVEREIGN_ADMIN = "sovereign-admin"
# Decides what other members of staff have proposed.
APPROVER = "approver"
# Reads the ledger, revenue and the figures of credit.
FINANCE = "finance"
# Helps customers: proposes corrections of credit and refunds, and releases redemptions.
SUPPORT = "support"
AUDITOR = "auditor"
# Sells cards: sees and activates its own ranges of them, and nothing else.
DEALER = "dealer"
# The program that deploys organizations and reports its progress.
PROVISIONER = "provisioner"
# An operator's system that tops up the balances of named customers (orders/api/tmf654).
TOPUP_CHANNEL = "topup-channel"
CUSTOMER = "customer"
SYSTEM = "system"
ANONYMOUS = "anonymous"

STAFF_ROLES = (SUPERADMIN, SOVEREIGN_ADMIN, APPROVER, FINANCE, SUPPORT, AUDITOR, DEALER)
# Programs, not people: they have these roles only by a token.
MACHINE_ROLES = (PROVISIONER, TOPUP_CHANNEL)
# They read the ledger and customers' documents: in the console and over the API.
LEDGER_READERS = (FINANCE, SUPPORT, AUDITOR)
# They read vouchers, campaigns, batches, cards, ranges, dealers and bulk grants, and change none.
VOUCHER_READERS = (APPROVER, *LEDGER_READERS)

MAX_USER_ID_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The person or process that makes a change.

    `user_id` is the platform's user id (a token's `sub`). `address` is the client's IP address, if there is one.
    `channel` says how the request arrived: `api`, `page`, `admin`, `command` or `worker`.
    """

    user_id: str
    role: str
    channel: str
    email: str = ""
    address: str | None = None


def system_actor(*, channel: str, user_id: str = "system") -> Actor:
    """Makes the actor for work that a command or a worker does by itself."""
    return Actor(user_id=user_id, role=SYSTEM, channel=channel)


def anonymous_actor(*, channel: str, address: str | None) -> Actor:
    """Makes the actor of a request whose identity is not proved yet."""
    return Actor(user_id=ANONYMOUS, role=ANONYMOUS, channel=channel, address=address)


def is_user_id(value: object) -> bool:
    """Returns whether this can be a user id: the one rule for tokens, lists of users and commands.

    `isprintable` also excludes NUL and lone surrogates, which PostgreSQL cannot store, and characters that people
    cannot see: two ids that differ only by one of them would look the same.
    """
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and len(value) <= MAX_USER_ID_LENGTH
