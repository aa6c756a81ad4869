from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.keys import Uuid7

MAX_REASON_LENGTH = 500


class DeadLetter(models.Model):
    """An event of another system that was set aside because it cannot be applied. The broker keeps it too.

    `applied_at` says that it was applied after all, `closed_at` that staff have given it up. `key` names its message
    in the broker's stream: a message that is set aside twice is one dead letter.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    key = models.CharField(max_length=200)
    topic = models.CharField(max_length=100)
    body = models.BinaryField()
    reason = models.CharField(max_length=MAX_REASON_LENGTH)
    created_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], name="orders_deadletter_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="orders_deadletter_has_reason"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="orders_deadletter_newest"),
            models.Index(
                fields=["-created_at", "-id"], condition=Q(applied_at__isnull=True), name="orders_deadletter_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.id}"
