from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

ACCOUNT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$"
_ACCOUNT = RegexValidator(ACCOUNT_PATTERN, "An account has up to 20 letters, digits, dots, hyphens and underscores.")


class PostingRule(models.Model):
    """The accounts to which the journal posts one kind of event. A closed month keeps the rules that it used."""

    class Event(models.TextChoices):
        GRANTED_SOLD = "credit.granted_sold", "sold credit granted"
        GRANTED_PROMOTIONAL = "credit.granted_promotional", "promotional credit granted"
        GRANTED_COMPENSATION = "credit.granted_compensation", "compensation granted"
        UNUSED_MONTH = "credit.unused_month", "unused month credited"
        SPENT = "credit.spent", "credit spent"
        EXPIRED = "credit.expired", "credit expired"
        ADJUSTED = "credit.adjusted", "credit adjusted"
        TRANSFERRED = "credit.transferred", "credit of merged customers moved"
        PAYMENT = "card.payment", "card payment"
        REFUND = "card.refund", "card refund"
        DISPUTE = "card.dispute", "dispute opened"
        DISPUTE_WON = "card.dispute_won", "dispute won"
        FEE = "card.fee", "fee of Stripe"
        PAYOUT = "card.payout", "payout to the bank"
        PAYOUT_RETURNED = "card.payout_returned", "payout returned by the bank"
        OWED = "dispute.owed", "lost dispute owed by the customer"
        WRITTEN_OFF = "dispute.written_off", "owed amount written off"
        TAKEN_BACK = "dispute.taken_back", "credit taken back for a lost dispute"
        SINGLE_PURPOSE_VAT = "vat.single_purpose", "VAT of single-purpose credit, due when it is sold"

    # The side of a sale's revenue: the journal splits its VAT off there.
    REVENUE_SIDES = {
        Event.UNUSED_MONTH: "debit",
        Event.SPENT: "credit",
        Event.PAYMENT: "credit",
        Event.REFUND: "debit",
    }

    event = models.CharField(max_length=30, choices=Event, primary_key=True)
    debit = models.CharField(max_length=20, validators=[_ACCOUNT])
    credit = models.CharField(max_length=20, validators=[_ACCOUNT])
    vat = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        validators=[_ACCOUNT],
        help_text="Of the VAT that the price includes; empty for none.",
    )
    cost_centre = models.CharField(max_length=20, blank=True, default="", db_default="", validators=[_ACCOUNT])

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(debit__regex=ACCOUNT_PATTERN, credit__regex=ACCOUNT_PATTERN)
                & (Q(vat="") | Q(vat__regex=ACCOUNT_PATTERN))
                & (Q(cost_centre="") | Q(cost_centre__regex=ACCOUNT_PATTERN)),
                name="orders_postingrule_accounts_fit",
            ),
            models.CheckConstraint(
                condition=Q(vat="")
                | Q(event__in=["credit.unused_month", "credit.spent", "card.payment", "card.refund"]),
                name="orders_postingrule_vat_of_sales",
            ),
            models.CheckConstraint(
                condition=Q(
                    event__in=[
                        "credit.granted_sold",
                        "credit.granted_promotional",
                        "credit.granted_compensation",
                        "credit.unused_month",
                        "credit.spent",
                        "credit.expired",
                        "credit.adjusted",
                        "credit.transferred",
                        "card.payment",
                        "card.refund",
                        "card.dispute",
                        "card.dispute_won",
                        "card.fee",
                        "card.payout",
                        "card.payout_returned",
                        "dispute.owed",
                        "dispute.written_off",
                        "dispute.taken_back",
                        "vat.single_purpose",
                    ]
                ),
                name="orders_postingrule_event_known",
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_event_display())


class VatRate(models.Model):
    """A rate of VAT from a day on. Prices include it, or a checkout adds it (PRICES_INCLUDE_VAT).

    For ever: a new rate is a new row with a later day.
    """

    starts_on = models.DateField(primary_key=True, help_text="In the Sovereign's time zone.")
    basis_points = models.PositiveIntegerField(help_text="500 are 5 percent.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "VAT rate"
        constraints = [
            models.CheckConstraint(condition=Q(basis_points__lte=10_000), name="orders_vatrate_at_most_all"),
        ]

    def __str__(self) -> str:
        return f"{self.basis_points / 100:g}% from {self.starts_on}"
