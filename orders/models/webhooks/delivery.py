from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.models.keys import Uuid7

from ..event import OutboxEvent
from .endpoint import WebhookEndpoint


class WebhookDelivery(models.Model):
    """An event on its way to an endpoint. The database queues it with the event (webhooks.sql).

    It is sent again and again until the endpoint accepts it, or until it has failed for good: then it is a dead
    letter that staff can send again, or close (`closed_at`). `log` has its latest attempts: at, status, error,
    milliseconds.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    TRANSITIONS = {
        Status.PENDING: {Status.DELIVERED, Status.FAILED},
        Status.DELIVERED: set(),
        Status.FAILED: {Status.PENDING},
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    # A foreign key would lock the endpoint's row in each transaction that records an event.
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_constraint=False, db_index=False
    )
    event = models.ForeignKey(OutboxEvent, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING, db_default=Status.PENDING)
    attempts = models.IntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    log = models.JSONField(default=list, db_default=[])
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "delivered", "failed"]), name="orders_webhookdelivery_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="delivered", delivered_at__isnull=False)
                | (~Q(status="delivered") & Q(delivered_at__isnull=True)),
                name="orders_webhookdelivery_delivered_at",
            ),
            models.CheckConstraint(condition=Q(attempts__gte=0), name="orders_webhookdelivery_attempts_counted"),
            models.UniqueConstraint(fields=["event", "endpoint"], name="orders_webhookdelivery_once"),
        ]
        indexes = [
            models.Index(
                F("endpoint"),
                F("next_attempt_at"),
                F("id"),
                condition=Q(status="pending"),
                name="orders_webhookdelivery_due",
            ),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="orders_webhookdelivery_log"),
            models.Index(fields=["-created_at", "-id"], name="orders_webhookdelivery_newest"),
            models.Index(
                fields=["-created_at", "-id"], condition=Q(status="failed"), name="orders_webhookdelivery_dead"
            ),
            models.Index(
                fields=["delivered_at"], condition=Q(status="delivered"), name="orders_webhookdelivery_done"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}"
