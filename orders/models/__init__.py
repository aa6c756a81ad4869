from .books import CardChain, CardEntry, CardLink, ClosedMonth, PostingRule, VatRate
from .catalog import AddOn, App, Bundle, CatalogVersion, Industry, Plan
from .dead_letter import DeadLetter
from .documents import Document, DocumentCursor, DocumentSeries
from .domain import Domain
from .event import OutboxEvent
from .order import Order, OrderLine
from .payment import Break, Payment, Refund, StripeEvent
from .provisioning import AppJob, BackingServices, DependencyUse, Provision, ProvisioningReport, UnsettledApp
from .webhooks.delivery import WebhookDelivery
from .webhooks.endpoint import WebhookEndpoint

__all__ = [
    "AddOn",
    "App",
    "AppJob",
    "BackingServices",
    "Break",
    "Bundle",
    "CardChain",
    "CardEntry",
    "CardLink",
    "CatalogVersion",
    "ClosedMonth",
    "DeadLetter",
    "DependencyUse",
    "Document",
    "DocumentCursor",
    "DocumentSeries",
    "Domain",
    "Industry",
    "Order",
    "OrderLine",
    "OutboxEvent",
    "Payment",
    "Plan",
    "PostingRule",
    "Provision",
    "ProvisioningReport",
    "Refund",
    "StripeEvent",
    "UnsettledApp",
    "VatRate",
    "WebhookDelivery",
    "WebhookEndpoint",
]
