"""The console's pages of this app; importing this package registers them."""

from . import catalog, customers, mirrored, orders, organizations, payments, subscriptions
from .operations import breaks, deployments, events, jobs

__all__ = [
    "breaks",
    "catalog",
    "customers",
    "deployments",
    "events",
    "jobs",
    "mirrored",
    "orders",
    "organizations",
    "payments",
    "subscriptions",
]
