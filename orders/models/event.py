import json
from decimal import Decimal
from typing import Any

import simplejson
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from billing.local_time import utc_text
from billing.models.keys import Uuid7

SUBSCRIPTION_EVENTS = ("subscription.renewed", "subscription.past_due", "subscription.canceled")


class ExactDecoder(json.JSONDecoder):
    """Reads numbers with decimals as Decimal: amounts are returned as they were stored."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "parse_float": Decimal})


class ExactEncoder(json.JSONEncoder):
    """Writes Decimal as the number it is."""

    def encode(self, o: Any) -> str:
        return str(simplejson.dumps(o, use_decimal=True))


class NextPosition(models.Func):
    """The next number of the sequence by which events are delivered."""

    template = "nextval('orders_outboxevent_position')"
    output_field = models.BigIntegerField()


class OutboxEvent(models.Model):
    """An event for other systems, recorded in the transaction of the change that it announces.

    It waits until the broker has stored it, or has refused it: a refused event stays until staff send it again
    or close it.
    Events are delivered by `position`. Changes of one organization follow one another, and so do their positions.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    # Null for events that are older than this column.
    position = models.BigIntegerField(null=True, blank=True, editable=False, db_default=NextPosition())
    type = models.CharField(max_length=50)
    topic = models.CharField(max_length=100)
    source = models.CharField(max_length=50)
    tenant_id = models.UUIDField(null=True, blank=True)
    order_id = models.UUIDField(null=True, blank=True)
    data = models.JSONField(default=dict, encoder=ExactEncoder, decoder=ExactDecoder)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    refusal = models.CharField(max_length=200, blank=True, default="", db_default="")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(refused_at__isnull=True, refusal="")
                | (Q(refused_at__isnull=False, delivered_at__isnull=True) & ~Q(refusal="")),
                name="orders_event_refused_or_delivered",
            ),
            models.CheckConstraint(
                condition=~Q(type="order.placed") | Q(order_id__isnull=False, tenant_id__isnull=False),
                name="orders_event_order_placed_names_order",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=["tenant.created", "tenant.deleted"]) | Q(tenant_id__isnull=False),
                name="orders_event_tenant_named",
            ),
            # An order is announced exactly once.
            models.UniqueConstraint(
                fields=["order_id"], condition=Q(type="order.placed"), name="orders_event_order_placed_once"
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "type"],
                condition=Q(type__in=["tenant.created", "tenant.deleted"]),
                name="orders_event_tenant_once",
            ),
            models.UniqueConstraint(
                "type",
                KeyTextTransform("subscription_id", "data"),
                KeyTextTransform("period_start", "data"),
                condition=Q(type__in=SUBSCRIPTION_EVENTS),
                name="orders_event_subscription_month_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="orders_event_newest"),
            models.Index(
                models.F("position").asc(nulls_first=True),
                "id",
                condition=Q(delivered_at__isnull=True, refused_at__isnull=True),
                name="orders_event_to_deliver",
            ),
            models.Index(
                fields=["-created_at", "-id"], condition=Q(refused_at__isnull=False), name="orders_event_refused"
            ),
            # Staff find events by type and organization. A checkout writes only `order.placed`, found by its order.
            models.Index(fields=["type", "-id"], condition=~Q(type="order.placed"), name="orders_event_of_type"),
            models.Index(fields=["tenant_id"], condition=~Q(type="order.placed"), name="orders_event_of_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"

    def as_message(self) -> bytes:
        """Returns the event's envelope, as consumers read it; amounts are exact."""
        envelope = {
            "id": str(self.id),
            "type": self.type,
            "source": self.source,
            "timestamp": utc_text(self.created_at),
            "tenant_id": str(self.tenant_id) if self.tenant_id else None,
            "data": self.data,
            "metadata": self.metadata,
        }
        return str(simplejson.dumps(envelope, use_decimal=True, ensure_ascii=False)).encode()
