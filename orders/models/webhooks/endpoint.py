from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.keys import Uuid7
from billing.models.processor_settings import FERNET_PREFIX

MAX_URL_LENGTH = 500
MAX_DESCRIPTION_LENGTH = 200


class WebhookEndpoint(models.Model):
    """An address of a subscriber, to which outgoing events are sent as signed requests.

    Events are queued for it while it is active or paused, and sent while it is active. Its row is never deleted.
    While it fails, `failures` counts the rounds in a row that it accepted nothing, and `retry_at` is the next one.
    """

    class Status(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        RETIRED = "retired"

    TRANSITIONS = {
        Status.ACTIVE: {Status.PAUSED, Status.RETIRED},
        Status.PAUSED: {Status.ACTIVE, Status.RETIRED},
        Status.RETIRED: set(),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    url = models.CharField(max_length=MAX_URL_LENGTH)
    description = models.CharField(max_length=MAX_DESCRIPTION_LENGTH, blank=True, default="", db_default="")
    # The types of events that it gets; empty for all.
    types = models.JSONField(default=list, db_default=[])
    status = models.CharField(max_length=7, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE)
    # Why it is paused; empty unless it is.
    pause_reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    encrypted_secret = models.TextField()
    # The secret before the last rotation, which signs too until this time, and older ones with times of their own
    # (`orders.use_cases.webhooks.endpoint_secrets`).
    encrypted_previous_secret = models.TextField(blank=True, default="", db_default="")
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    failures = models.IntegerField(default=0, db_default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["active", "paused", "retired"]), name="orders_webhookendpoint_status_known"
            ),
            models.CheckConstraint(
                condition=Q(url__regex=r"^https?://[^/?#@\s]+([/?][^#\s]*)?$"), name="orders_webhookendpoint_url_form"
            ),
            models.CheckConstraint(
                condition=Q(status="paused") ^ Q(pause_reason=""), name="orders_webhookendpoint_pause_has_reason"
            ),
            models.CheckConstraint(
                condition=Q(encrypted_secret__startswith=FERNET_PREFIX)
                & (Q(encrypted_previous_secret="") | Q(encrypted_previous_secret__startswith=FERNET_PREFIX)),
                name="orders_webhookendpoint_secrets_encrypted",
            ),
            models.CheckConstraint(
                condition=Q(encrypted_previous_secret="", previous_secret_until__isnull=True)
                | (~Q(encrypted_previous_secret="") & Q(previous_secret_until__isnull=False)),
                name="orders_webhookendpoint_previous_secret_ends",
            ),
            models.CheckConstraint(
                condition=Q(failures=0, failing_since__isnull=True, retry_at__isnull=True)
                | Q(failures__gt=0, failing_since__isnull=False, retry_at__isnull=False),
                name="orders_webhookendpoint_failing_since",
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="orders_webhookendpoint_newest")]

    def __str__(self) -> str:
        return self.url
