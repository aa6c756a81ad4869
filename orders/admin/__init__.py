"""The console's pages of this app; importing this package registers them."""

from . import breaks, catalog, events, jobs, mirrored, orders, organizations, payments, subscriptions

__all__ = ["breaks", "catalog", "events", "jobs", "mirrored", "orders", "organizations", "payments", "subscriptions"]
