from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from ..customer import Customer
from ..keys import Uuid7
from .organization import Organization

ENDED_STATUSES = ("canceled", "incomplete_expired")


class Subscription(models.Model):
    """An organization's monthly subscription. An organization has at most one that has not ended.

    The states have Stripe's names, also for a subscription that credit pays.
    """

    class Status(models.TextChoices):
        INCOMPLETE = "incomplete"
        INCOMPLETE_EXPIRED = "incomplete_expired"
        TRIALING = "trialing"
        ACTIVE = "active"
        PAST_DUE = "past_due"
        CANCELED = "canceled"
        UNPAID = "unpaid"
        PAUSED = "paused"

    # Stripe may move a subscription from any state to any other, but a canceled one stays canceled.
    TRANSITIONS = {**dict.fromkeys(Status, frozenset(Status)), Status.CANCELED: frozenset()}

    class PaidBy(models.TextChoices):
        CREDIT = "credit"
        STRIPE = "stripe"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions", db_index=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="subscriptions", db_index=False
    )
    order_id = models.UUIDField(unique=True)
    plan_id = models.UUIDField()
    addon_ids = models.JSONField(default=list, help_text="Sorted ids of the add-ons, to compare baskets by.")
    amount_minor = models.BigIntegerField(help_text="The price of one month, smallest unit.")
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=20, choices=Status)
    paid_by = models.CharField(max_length=6, choices=PaidBy)
    current_period_start = models.DateTimeField()
    current_period_end = models.DateTimeField()
    past_due_since = models.DateTimeField(
        null=True, blank=True, help_text="When credit first did not cover a month that is due: the grace begins."
    )
    stripe_subscription_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    last_stripe_event_at = models.DateTimeField(null=True, blank=True, help_text="Time of the newest event heeded.")
    cancel_at_period_end = models.BooleanField(
        default=False, db_default=False, help_text="Its owner cancelled it: it ends with the current period."
    )
    cancel_to_send = models.BooleanField(
        default=False, db_default=False, help_text="Stripe has yet to learn whether it ends with the period."
    )
    canceled_at = models.DateTimeField(null=True, blank=True)
    reminded_of = models.DateTimeField(
        null=True, blank=True, help_text="The end of the last period before which a reminder was queued."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=~Q(status__in=ENDED_STATUSES),
                name="billing_subscription_one_live_per_organization",
            ),
            models.UniqueConstraint(
                fields=["stripe_subscription_id"],
                condition=~Q(stripe_subscription_id=""),
                name="billing_subscription_stripe_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "incomplete",
                        "incomplete_expired",
                        "trialing",
                        "active",
                        "past_due",
                        "canceled",
                        "unpaid",
                        "paused",
                    ]
                ),
                name="billing_subscription_status_known",
            ),
            models.CheckConstraint(
                condition=Q(paid_by__in=["credit", "stripe"]), name="billing_subscription_paid_by_known"
            ),
            models.CheckConstraint(
                condition=Q(current_period_start__lt=F("current_period_end")),
                name="billing_subscription_period_forward",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="billing_subscription_amount_not_negative"),
            models.CheckConstraint(
                condition=~Q(status="canceled") | Q(canceled_at__isnull=False),
                name="billing_subscription_canceled_at_given",
            ),
            # Stripe counts the days of grace of what it charges itself.
            models.CheckConstraint(
                condition=~Q(status="past_due", paid_by="credit") | Q(past_due_since__isnull=False),
                name="billing_subscription_past_due_since_given",
            ),
            models.CheckConstraint(
                condition=~Q(status="active") | Q(past_due_since__isnull=True),
                name="billing_subscription_active_is_not_past_due",
            ),
        ]
        indexes = [
            models.Index(
                fields=["current_period_end"],
                condition=Q(paid_by="credit", status__in=["active", "past_due"]),
                name="billing_subscription_due",
            ),
            models.Index(fields=["customer", "-created_at"], name="billing_subscription_newest"),
            models.Index(fields=["organization", "-created_at"], name="billing_subscription_of_org"),
            models.Index(
                fields=["status", "-id"],
                condition=~Q(status__in=["active", "canceled"]),
                name="billing_subscription_rare",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} subscription {self.id}"
