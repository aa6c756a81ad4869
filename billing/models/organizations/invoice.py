from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from ..customer import Customer
from ..keys import Uuid7
from .organization import Organization
from .subscription import Subscription


class Invoice(models.Model):
    """The bill for one period of a subscription. The states have Stripe's names."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAID = "paid"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices", db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="invoices", db_index=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="invoices")
    order_id = models.UUIDField(null=True, blank=True, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=13, choices=Status)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    stripe_invoice_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    pdf_url = models.URLField(max_length=2_048, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stripe_invoice_id"],
                condition=~Q(stripe_invoice_id=""),
                name="billing_invoice_stripe_once",
            ),
            # A month is billed once, even if it is renewed late, again or concurrently. Stripe keeps its own to one.
            models.UniqueConstraint(
                fields=["subscription", "period_start"],
                condition=Q(stripe_invoice_id=""),
                name="billing_invoice_period_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "open", "paid", "void", "uncollectible"]),
                name="billing_invoice_status_known",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="billing_invoice_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")), name="billing_invoice_period_forward"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-created_at"], name="billing_invoice_newest"),
            models.Index(fields=["organization", "-created_at"], name="billing_invoice_of_org"),
            models.Index(fields=["status", "-id"], condition=~Q(status="paid"), name="billing_invoice_rare"),
        ]

    def __str__(self) -> str:
        return f"{self.status} invoice {self.id}"
