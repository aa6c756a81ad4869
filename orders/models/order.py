from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.language import in_language
from billing.models import Customer, Organization, Subscription
from billing.models.keys import Uuid7

# The states of a renewal's order that is or was paid, or can still be paid.
LIVE_STATUSES = ("pending", "completed", "refunded")


class Order(models.Model):
    """One purchase of a plan with add-ons for an organization, or one month's renewal, at the prices of that day.

    Catalog items and the promo code are snapshots, not references. So no later change of the catalog changes an
    order, and no order locks a row that other orders share.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        COMPLETED = "completed"
        FAILED = "failed"
        EXPIRED = "expired"
        CANCELLED = "cancelled"
        REFUNDED = "refunded"

    class Kind(models.TextChoices):
        PURCHASE = "purchase"
        RENEWAL = "renewal"

    TRANSITIONS = {
        Status.PENDING: {Status.COMPLETED, Status.FAILED, Status.EXPIRED, Status.CANCELLED},
        Status.COMPLETED: {Status.REFUNDED},
        # A payment may arrive after its credit was released; if the balance still covers it, it is spent again.
        Status.FAILED: {Status.COMPLETED},
        Status.EXPIRED: {Status.COMPLETED},
        Status.CANCELLED: set(),
        Status.REFUNDED: set(),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="orders", db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="orders")
    plan_id = models.UUIDField()
    apps = models.JSONField(default=list)
    addons = models.JSONField(default=list)
    bundle = models.JSONField(
        null=True, blank=True, help_text="The bundle whose discount the lines contain: id, slug, name and percent."
    )
    total_minor = models.BigIntegerField(help_text="Before credit, smallest unit.")
    credit_applied_minor = models.BigIntegerField(default=0, db_default=0)
    proration_minor = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The part of the applied credit that a card order's unused month brings when it is paid.",
    )
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PURCHASE, db_default=Kind.PURCHASE)
    renews = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="renewals", null=True, blank=True, db_index=False
    )
    period_start = models.DateTimeField(null=True, blank=True, help_text="Of the month that a renewal pays for.")
    promo_code_id = models.UUIDField(null=True, blank=True)
    promo_code = models.CharField(max_length=64, blank=True, default="", db_default="")
    placed_by = models.CharField(max_length=255)
    placed_by_role = models.CharField(max_length=20)
    channel = models.CharField(max_length=10)
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(status="pending"),
                name="orders_order_one_open_per_organization",
            ),
            # A month is renewed once. If its order fails, expires or is cancelled, the next attempt is a new order.
            models.UniqueConstraint(
                fields=["renews", "period_start"],
                condition=Q(status__in=LIVE_STATUSES),
                name="orders_order_one_renewal_a_period",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "completed", "failed", "expired", "cancelled", "refunded"]),
                name="orders_order_status_known",
            ),
            models.CheckConstraint(condition=Q(total_minor__gte=0), name="orders_order_total_not_negative"),
            models.CheckConstraint(
                condition=Q(credit_applied_minor__gte=0, credit_applied_minor__lte=F("total_minor")),
                name="orders_order_credit_within_total",
            ),
            models.CheckConstraint(
                condition=Q(proration_minor__gte=0, proration_minor__lte=F("credit_applied_minor")),
                name="orders_order_proration_within_credit",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["completed", "refunded"], completed_at__isnull=False)
                | (~Q(status__in=["completed", "refunded"]) & Q(completed_at__isnull=True)),
                name="orders_order_completed_at_fits",
            ),
            models.CheckConstraint(
                condition=Q(promo_code_id__isnull=True, promo_code="")
                | (Q(promo_code_id__isnull=False) & ~Q(promo_code="")),
                name="orders_order_promo_whole",
            ),
            models.CheckConstraint(
                condition=Q(kind="purchase", renews__isnull=True, period_start__isnull=True)
                | Q(kind="renewal", renews__isnull=False, period_start__isnull=False),
                name="orders_order_renewal_names_period",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="orders_order_newest"),
            models.Index(fields=["customer", "-created_at"], name="orders_order_of_customer"),
            models.Index(fields=["promo_code", "-id"], condition=~Q(promo_code=""), name="orders_order_of_code"),
            # Lists by state find the few orders that came to nothing, or were refunded.
            models.Index(
                fields=["status", "-id"],
                condition=~Q(status__in=["pending", "completed"]),
                name="orders_order_rare",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} order {self.id}"

    @property
    def amount_due_minor(self) -> int:
        """The part of the total that credit does not cover."""
        return self.total_minor - self.credit_applied_minor

    @property
    def credit_to_hold_minor(self) -> int:
        """The part of the applied credit that is on the balance while the order waits for its payment."""
        return self.credit_applied_minor - self.proration_minor


class OrderLine(models.Model):
    """A plan or add-on as it was priced on the day of the order."""

    class Kind(models.TextChoices):
        PLAN = "plan"
        ADDON = "addon"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=5, choices=Kind)
    item_id = models.UUIDField()
    slug = models.CharField(max_length=50)
    name = models.CharField(max_length=100)
    name_ar = models.CharField("name in Arabic", max_length=100, blank=True, default="", db_default="")
    price_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField(
        null=True, blank=True, help_text="The catalog's price where that was without VAT."
    )
    discount_minor = models.BigIntegerField(
        default=0, db_default=0, help_text="What the bundle's discount has taken off the price."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="orders_orderline_position_once"),
            models.CheckConstraint(condition=Q(kind__in=["plan", "addon"]), name="orders_orderline_kind_known"),
            models.CheckConstraint(condition=Q(price_minor__gte=0), name="orders_orderline_price_not_negative"),
            models.CheckConstraint(condition=Q(net_minor__gte=0), name="orders_orderline_net_not_negative"),
            models.CheckConstraint(condition=Q(discount_minor__gte=0), name="orders_orderline_discount_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def local_name(self) -> str:
        """The name in the active language."""
        return in_language(self.name, self.name_ar)
