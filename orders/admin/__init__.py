"""The console's pages of this app; importing this package registers them."""

from . import campaigns, catalog, customers, mirrored, orders, organizations, payments, subscriptions
from .ledger import entries
from .operations import breaks, dead_letters, deployments, events, jobs
from .webhooks import deliveries, endpoints

__all__ = [
    "breaks",
    "campaigns",
    "catalog",
    "customers",
    "dead_letters",
    "deliveries",
    "deployments",
    "endpoints",
    "entries",
    "events",
    "jobs",
    "mirrored",
    "orders",
    "organizations",
    "payments",
    "subscriptions",
]
