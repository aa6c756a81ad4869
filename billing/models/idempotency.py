from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from .customer import Customer

# The same request with the same key gets the same answer for this long.
KEY_LIFE = timedelta(hours=24)


class IdempotencyKey(models.Model):
    """A customer's request under a key: the same request again gets the same answer.

    `result_id` names what the request made: the order of a checkout, the redemption of a top-up. While
    `balance_after_minor` is null, Stripe has not answered yet, and neither has the request.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="idempotency_keys", db_index=False)
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    result_id = models.UUIDField()
    balance_after_minor = models.BigIntegerField(null=True)
    session_url = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "key"], name="billing_idempotencykey_once"),
            models.CheckConstraint(condition=~Q(key=""), name="billing_idempotencykey_key_given"),
            models.CheckConstraint(
                condition=Q(created_at__lt=F("expires_at")), name="billing_idempotencykey_expires_later"
            ),
        ]

    def __str__(self) -> str:
        return self.key
