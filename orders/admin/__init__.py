"""The console's pages of this app; importing them registers them."""

from . import catalog, events, jobs, mirrored, orders, payments, subscriptions

__all__ = ["catalog", "events", "jobs", "mirrored", "orders", "payments", "subscriptions"]
