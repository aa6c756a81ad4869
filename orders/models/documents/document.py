from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.models import LedgerEntry
from billing.models.keys import Uuid7

from ..books import CardEntry
from ..order import Order


class Document(models.Model):
    """An invoice, a receipt or a credit note, for ever: the database refuses UPDATE, DELETE and TRUNCATE of it.

    A sale under a rate of VAT has an invoice, which also says how it was paid; any other sale has a receipt. What a
    customer got back has a credit note. `details` is a snapshot of the seller, the buyer and the lines, so no later
    change of them changes a document.

    A trigger sets `number`: in each series from 1 without a gap (documents.sql).
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        RECEIPT = "receipt"
        CREDIT_NOTE = "credit_note", "credit note"

    class Cause(models.TextChoices):
        ORDER = "order", "an order or a renewal"
        MONTH = "month", "a month that the card paid"
        EARLY_PAYMENT = "early_payment", "a payment for an order that was not completed"
        REFUND = "refund", "a refund to the card"
        CREDIT_RETURNED = "credit_returned", "credit returned"
        UNUSED_MONTH = "unused_month", "the unused part of a month"
        UNUSED_MONTH_TAKEN_BACK = "unused_month_taken_back", "the unused part of a month, taken back"

    PREFIXES = {Kind.INVOICE: "INV", Kind.RECEIPT: "RCT", Kind.CREDIT_NOTE: "CN"}
    CREDITING = (Cause.REFUND, Cause.CREDIT_RETURNED, Cause.UNUSED_MONTH)

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    kind = models.CharField(max_length=11, choices=Kind)
    cause = models.CharField(max_length=23, choices=Cause)
    series = models.CharField(max_length=20)
    number = models.BigIntegerField(db_default=0, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="documents")
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrected_by", db_index=False
    )
    ledger_entry = models.OneToOneField(
        LedgerEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    card_entry = models.OneToOneField(CardEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    credit_minor = models.BigIntegerField(help_text="The part that credit paid, or that was credited.")
    card_minor = models.BigIntegerField(help_text="The part that a card paid, or got back.")
    vat_minor = models.BigIntegerField(help_text="The VAT that both parts include.")
    basis_points = models.PositiveIntegerField(help_text="The rate of VAT: 500 are 5 percent.")
    currency = models.CharField(max_length=3)
    details = models.JSONField()
    supplied_at = models.DateTimeField(help_text="When the money moved: the day of the document.")
    issued_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "number"], name="orders_document_number_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["invoice", "receipt"], cause__in=["order", "month", "unused_month_taken_back"])
                | Q(kind="receipt", cause="early_payment")
                | Q(kind="credit_note", cause__in=["refund", "credit_returned", "unused_month"]),
                name="orders_document_kind_fits_cause",
            ),
            models.CheckConstraint(
                condition=Q(ledger_entry__isnull=False) | Q(card_entry__isnull=False),
                name="orders_document_names_entry",
            ),
            models.CheckConstraint(
                condition=Q(credit_minor__gte=0, card_minor__gte=0) & ~Q(credit_minor=0, card_minor=0),
                name="orders_document_amount_positive",
            ),
            models.CheckConstraint(
                condition=Q(vat_minor__gte=0, vat_minor__lte=F("credit_minor") + F("card_minor")),
                name="orders_document_vat_within_amount",
            ),
        ]
        indexes = [models.Index(fields=["-supplied_at", "-id"], name="orders_document_newest")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The full number: `INV-2026-000123`."""
        return f"{self.series}-{self.number:06d}"

    @property
    def corrected_name(self) -> str:
        """The number of the document that this one corrects; empty for none."""
        return self.corrects.name if self.corrects else ""

    @property
    def total_minor(self) -> int:
        """The amount with VAT."""
        return self.credit_minor + self.card_minor

    @property
    def net_minor(self) -> int:
        """The amount without VAT."""
        return self.total_minor - self.vat_minor

    @property
    def seller(self) -> dict[str, str]:
        """The seller's name, address and VAT number, as they were."""
        return dict(self.details["seller"])

    @property
    def buyer(self) -> dict[str, str]:
        """The organization, the e-mail address of its customer and its VAT number, as they were."""
        return {"vat_number": "", **self.details["buyer"]}

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The items that were sold: names and prices."""
        return list(self.details["lines"])


class DocumentSeries(models.Model):
    """The last number of a series. Only the trigger that numbers a document moves it on, by one."""

    name = models.CharField(max_length=20, primary_key=True)
    last_number = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "document series"

    def __str__(self) -> str:
        return f"{self.name}: {self.last_number}"


class DocumentCursor(models.Model):
    """The one row that says up to which entry documents are issued. Its lock lets one process issue them."""

    START = UUID(int=0)

    id = models.SmallIntegerField(primary_key=True, default=1)
    position = models.UUIDField(default=START, help_text="No entry up to this key still lacks its document.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="orders_documentcursor_one_row")]

    def __str__(self) -> str:
        return f"documents up to {self.position}"
