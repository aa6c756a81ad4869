"""The API of each kind of object. Importing this package registers all endpoints."""

from config.devtools.stripe_sandbox.resources import (
    accounts,
    catalog,
    checkout,
    completion,
    customers,
    disputes,
    events,
    payments,
    payouts,
    portal,
    refunds,
)
from config.devtools.stripe_sandbox.resources.billing import invoices, renewals, subscriptions

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
    "payouts",
    "portal",
    "refunds",
    "renewals",
    "subscriptions",
]
