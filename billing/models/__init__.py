from .account import Account, Hold
from .audit import AuditEntry
from .customer import Customer, User
from .invoice import Invoice
from .ledger import LedgerEntry
from .organization import Organization
from .processor_settings import ProcessorSettings
from .rate_limit import RateLimitWindow
from .subscription import Subscription

__all__ = [
    "Account",
    "AuditEntry",
    "Customer",
    "Hold",
    "Invoice",
    "LedgerEntry",
    "Organization",
    "ProcessorSettings",
    "RateLimitWindow",
    "Subscription",
    "User",
]
