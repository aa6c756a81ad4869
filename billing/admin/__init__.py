"""The billing app's pages in the staff console. Importing a module registers its pages."""

from . import audit, bulk, customers, ledger, processor_settings, proof, proposals, sign_in, site, staff

__all__ = [
    "audit",
    "bulk",
    "customers",
    "ledger",
    "processor_settings",
    "proof",
    "proposals",
    "sign_in",
    "site",
    "staff",
]
