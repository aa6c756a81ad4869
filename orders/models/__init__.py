from .catalog import AddOn, App, Bundle, Industry, Plan
from .event import OutboxEvent
from .idempotency import IdempotencyKey
from .order import Order, OrderLine

__all__ = [
    "AddOn",
    "App",
    "Bundle",
    "IdempotencyKey",
    "Industry",
    "Order",
    "OrderLine",
    "OutboxEvent",
    "Plan",
]
