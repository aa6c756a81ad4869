"""The console's pages of this app; importing them registers them."""

from . import catalog, events, jobs, orders

__all__ = ["catalog", "events", "jobs", "orders"]
