"""The API of each kind of object; importing this package enters all of them into the table of endpoints."""

from config.devtools.stripe_sandbox.resources import (
    accounts,
    catalog,
    checkout,
    completion,
    customers,
    disputes,
    events,
    invoices,
    payments,
    portal,
    refunds,
    renewals,
    subscriptions,
)

__all__ = [
    "accounts",
    "catalog",
    "checkout",
    "completion",
    "customers",
    "disputes",
    "events",
    "invoices",
    "payments",
    "portal",
    "refunds",
    "renewals",
    "subscriptions",
]
