"""The console's pages of this app; importing this package registers them."""

from . import breaks, catalog, deployments, events, jobs, mirrored, orders, organizations, payments, subscriptions

__all__ = [
    "breaks",
    "catalog",
    "deployments",
    "events",
    "jobs",
    "mirrored",
    "orders",
    "organizations",
    "payments",
    "subscriptions",
]
