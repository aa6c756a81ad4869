from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.fields.json import KT

from billing.local_time import utc_text
from billing.models import Subscription
from billing.money import to_major
from orders.models import OutboxEvent
from orders.use_cases.organizations.provision_organization import SOURCE

BILLING_TOPIC = "sme.billing.events"


def record_subscription_event(
    type_: str, subscription: Subscription, *, period: tuple[datetime, datetime], order_id: UUID | None = None
) -> bool:
    """Records an event about a subscription's month for other systems. Returns False if it was recorded before.

    The caller holds the subscription's lock. Args: period: the month that was paid, is due, or was not paid.
    Transaction: joins. Idempotency: each type is recorded once for a subscription and month.
    """
    start, end = (utc_text(moment) for moment in period)
    events = OutboxEvent.objects.alias(about=KT("data__subscription_id"), month=KT("data__period_start"))
    if events.filter(type=type_, about=str(subscription.id), month=start).exists():
        return False
    data: dict[str, Any] = {
        "subscription_id": str(subscription.id),
        "customer_id": subscription.customer.user_id,
        "tenant_id": str(subscription.organization_id),
        "plan_id": str(subscription.plan_id),
        "addon_ids": subscription.addon_ids,
        "order_id": str(order_id) if order_id else None,
        "amount_minor": subscription.amount_minor,
        "currency": subscription.currency,
        "status": subscription.status,
        "paid_by": subscription.paid_by,
        "period_start": start,
        "period_end": end,
        "organization_status": subscription.organization.status,
    }
    if subscription.currency == "OMR":
        data |= {
            "amount_omr": to_major(subscription.amount_minor, currency="OMR"),
            "amount_baisa": subscription.amount_minor,
        }
    OutboxEvent.objects.create(
        type=type_,
        topic=BILLING_TOPIC,
        source=SOURCE,
        tenant_id=subscription.organization_id,
        order_id=order_id,
        data=data,
    )
    return True
