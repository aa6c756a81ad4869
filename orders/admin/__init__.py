"""The console's pages of this app; importing this package registers them."""

from . import campaigns, catalog, customers, mirrored, orders, organizations, payments, subscriptions
from .books import card_entries, issued_documents, months, postings
from .ledger import entries
from .operations import breaks, dead_letters, deployments, events, jobs
from .webhooks import deliveries, endpoints

__all__ = [
    "breaks",
    "campaigns",
    "card_entries",
    "catalog",
    "customers",
    "dead_letters",
    "deliveries",
    "deployments",
    "endpoints",
    "entries",
    "events",
    "issued_documents",
    "jobs",
    "mirrored",
    "months",
    "orders",
    "organizations",
    "payments",
    "postings",
    "subscriptions",
]
