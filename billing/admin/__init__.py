"""The console's pages of this app; importing them registers them."""

from . import audit, customers, ledger, processor_settings, records, site, staff

__all__ = ["audit", "customers", "ledger", "processor_settings", "records", "site", "staff"]
