from django.db import models
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Mod, Now
from django.db.models.lookups import Exact

from billing.currencies import currencies_of_step
from billing.models.keys import Uuid7

from .order import Order


class Payment(models.Model):
    """One Checkout Session at Stripe, for the part of an order that credit does not cover.

    Written before Stripe is called, so that a crash at any point leaves a row that says what was intended and
    under which keys; the keys that make Stripe's answer repeatable are derived from the order.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested", "requested: Stripe was or will be asked for a session"
        OPEN = "open", "open: the customer can pay"
        PROCESSING = "processing", "processing: paid by a method that takes days"
        PAID = "paid"
        EXPIRED = "expired"
        FAILED = "failed"

    TRANSITIONS = {
        Status.REQUESTED: {Status.OPEN, Status.FAILED},
        Status.OPEN: {Status.PROCESSING, Status.PAID, Status.EXPIRED, Status.FAILED},
        Status.PROCESSING: {Status.PAID, Status.FAILED},
        # A payment may arrive after its credit was released.
        Status.EXPIRED: {Status.PAID},
        Status.FAILED: {Status.PAID},
        Status.PAID: set(),
    }

    order = models.OneToOneField(Order, on_delete=models.PROTECT, primary_key=True, related_name="payment")
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    amount_minor = models.BigIntegerField(help_text="What the first invoice charges, smallest unit.")
    currency = models.CharField(max_length=3)
    requested_at = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(help_text="Until then a process may still be asking Stripe.")
    process_key = models.IntegerField(
        default=0,
        db_default=0,
        help_text="Of the lock of the process that asks Stripe; 0 where only the clock counts.",
    )
    expires_at = models.DateTimeField(help_text="The session's end, as Stripe is asked for it.")
    stripe_customer_id = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="Stripe's customer that the session is asked for, noted first: every try asks for the same.",
    )
    session_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where known
    session_url = models.TextField(blank=True, default="", db_default="")
    needs_stripe_cleanup = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Released without knowing whether Stripe has a session: it is still to be asked, and closed.",
    )
    stripe_subscription_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    stripe_invoice_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    payment_intent_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    refunded_minor = models.BigIntegerField(default=0, db_default=0)
    paid_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    refusal = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="Why no session was opened, for staff."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["requested", "open", "processing", "paid", "expired", "failed"]),
                name="orders_payment_status_known",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="orders_payment_amount_positive"),
            # Stripe refuses three-decimal amounts that do not end in 0.
            models.CheckConstraint(
                condition=Q(
                    ~Q(currency__in=currencies_of_step(10)) | Q(Exact(Mod(F("amount_minor"), Value(10)), Value(0)))
                ),
                name="orders_payment_amount_chargeable",
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0, refunded_minor__lte=F("amount_minor")),
                name="orders_payment_refund_within_amount",
            ),
            models.UniqueConstraint(fields=["session_id"], name="orders_payment_session_once"),
            models.CheckConstraint(
                condition=~Q(status__in=["open", "processing"]) | Q(session_id__isnull=False),
                name="orders_payment_open_has_session",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False) | (~Q(status="paid") & Q(paid_at__isnull=True)),
                name="orders_payment_paid_at_fits",
            ),
        ]
        indexes = [
            models.Index(
                fields=["leased_until"],
                condition=Q(status="requested") | Q(needs_stripe_cleanup=True),
                name="orders_payment_unanswered",
            ),
            models.Index(
                fields=["expires_at"], condition=Q(status__in=["open", "processing"]), name="orders_payment_open"
            ),
            models.Index(
                fields=["payment_intent_id"], condition=~Q(payment_intent_id=""), name="orders_payment_intent"
            ),
            # Staff search payments by these ids.
            models.Index(
                fields=["stripe_subscription_id"],
                condition=~Q(stripe_subscription_id=""),
                name="orders_payment_of_subscription",
            ),
            models.Index(
                fields=["stripe_invoice_id"], condition=~Q(stripe_invoice_id=""), name="orders_payment_of_invoice"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} payment of order {self.order_id}"


# A payment with one of these waits for its customer or for a bank.
WAITING_STATUSES = (Payment.Status.OPEN, Payment.Status.PROCESSING)

# The outcome of a charge's event whose order or month is not known yet.
BEFORE_LINK = "before_link"
# The outcome of an event whose order is not complete yet. The order's completion settles the event again.
BEFORE_COMPLETION = "before_completion"


# The customer of an event's object, or the object itself. The templates hold its paths and length, because a prepared
# statement finds no index by parameters.
MIRROR_KEY = Func(
    Func("payload", template="%(expressions)s #>> '{data,object,customer}'"),
    Func("payload", template="%(expressions)s #>> '{data,object,id}'"),
    "id",
    template="left(COALESCE(%(expressions)s), 255)",
    output_field=TextField(),
)


class StripeEvent(models.Model):
    """The inbox: a verified event, stored before anything is done about it; once, however often it is sent."""

    id = models.CharField(max_length=255, primary_key=True)
    type = models.CharField(max_length=100)
    payload = models.JSONField()
    occurred_at = models.DateTimeField(help_text="Stripe's own time of the event.")
    received_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=60, blank=True, default="", db_default="")
    attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often settling it has failed. At MAX_ATTEMPTS it is set aside."
    )
    mirrored_at = models.DateTimeField(null=True, blank=True)
    mirror_attempts = models.SmallIntegerField(
        default=0,
        db_default=0,
        help_text="How often mirroring it has failed. At MAX_MIRROR_ATTEMPTS it is set aside.",
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["received_at"], condition=Q(settled_at__isnull=True), name="orders_stripeevent_unsettled"
            ),
            models.Index(fields=["-received_at"], name="orders_stripeevent_newest"),
            models.Index(
                fields=["received_at"],
                condition=Q(outcome__in=[BEFORE_LINK, BEFORE_COMPLETION]),
                name="orders_stripeevent_unowned",
            ),
            models.Index(MIRROR_KEY, condition=Q(mirrored_at__isnull=True), name="orders_stripeevent_unmirrored"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Refund(models.Model):
    """Money that goes back to a card: intended here first, asked of Stripe under a key derived from this row."""

    class Status(models.TextChoices):
        REQUESTED = "requested"
        DONE = "done"
        FAILED = "failed"

    TRANSITIONS = {
        Status.REQUESTED: {Status.DONE, Status.FAILED},
        Status.DONE: set(),
        Status.FAILED: set(),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    stripe_refund_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    requested_by = models.CharField(max_length=255)
    requested_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="orders_refund_amount_positive"),
            models.CheckConstraint(
                condition=Q(status__in=["requested", "done", "failed"]), name="orders_refund_status_known"
            ),
            models.UniqueConstraint(
                fields=["payment"], condition=Q(status="requested"), name="orders_refund_one_under_way"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} refund of {self.amount_minor}"


class Break(models.Model):
    """A discrepancy between Stripe and this service, or a case that a person must check; open once."""

    class Kind(models.TextChoices):
        OTHER_CURRENCY = "other_currency"
        AMOUNT_DIFFERS = "amount_differs"
        UNKNOWN_OBJECT = "unknown_object"
        PAID_AFTER_RELEASE = "paid_after_release"
        PAID_TWICE = "paid_twice"
        DISPUTE = "dispute"
        REFUND_FAILED = "refund_failed"
        REFUND_DIFFERS = "refund_differs"
        CREDIT_NOT_SPENT = "credit_not_spent"
        SESSION_STATE_DIFFERS = "session_state_differs"
        SUBSCRIPTION_STATE_DIFFERS = "subscription_state_differs"
        STRAY_SESSION = "stray_session"
        OTHER_ACCOUNT = "other_account"
        STRAY_SUBSCRIPTION = "stray_subscription"
        PAYMENT_NOT_LINKED = "payment_not_linked"
        UNKNOWN_CHARGE = "unknown_charge"
        INVOICE_MISSING = "invoice_missing"
        RENEWAL_REFUNDED = "renewal_refunded"
        REFUND_NOT_SENT = "refund_not_sent"
        CREDIT_NOT_RETURNED = "credit_not_returned"
        HOLD_LEFT = "hold_left"
        EVENT_NOT_SETTLED = "event_not_settled"
        EVENT_NOT_MIRRORED = "event_not_mirrored"
        INVOICE_NOT_FOLLOWED = "invoice_not_followed"
        SUBSCRIPTION_CHANGED = "subscription_changed"
        REFUND_BEYOND_ORDER = "refund_beyond_order"
        FEE_MISSING = "fee_missing"
        PAYOUT_MISSING = "payout_missing"
        PAYOUT_RETURNED = "payout_returned"
        BALANCE_DIFFERS = "balance_differs"
        BALANCE_NOT_EXPLAINED = "balance_not_explained"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    kind = models.CharField(max_length=40, choices=Kind)
    object_id = models.CharField(max_length=255, help_text="Stripe's id, or ours.")
    order_id = models.UUIDField(null=True, blank=True)
    details = models.JSONField(default=dict)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=255, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "object_id"], condition=Q(closed_at__isnull=True), name="orders_break_open_once"
            ),
        ]
        indexes = [models.Index(fields=["-opened_at"], name="orders_break_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"
