"""The console's pages of this app; importing them registers them."""

from . import audit, customers, ledger, organizations, processor_settings, site, staff

__all__ = ["audit", "customers", "ledger", "organizations", "processor_settings", "site", "staff"]
