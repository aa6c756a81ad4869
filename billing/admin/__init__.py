"""The console's pages of this app; importing them registers them."""

from . import audit, customers, ledger, records, site, staff

__all__ = ["audit", "customers", "ledger", "records", "site", "staff"]
