"""Changes what the journal posts: the accounts of an event, and the rates of VAT."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import transaction

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.local_time import midnight_of
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.errors import InvalidPosting, VatRateTooEarly
from orders.locks import lock_document_cursor
from orders.models import ClosedMonth, Document, PostingRule, VatRate
from orders.use_cases.books.month import Month

FIELDS = ("debit", "credit", "vat", "cost_centre")


def change_posting_rule(
    *, event: str, debit: str, credit: str, vat: str, cost_centre: str, reason: str, by: Actor
) -> PostingRule:
    """Changes the accounts of an event, for the journals of months that are open.

    If nothing changes, nothing is recorded.

    Raises: ReasonRequired, InvalidPosting with the fields. Transaction: owns. Locks: the rule.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        rule = PostingRule.objects.select_for_update(no_key=True).get(event=event)
        before = [getattr(rule, name) for name in FIELDS]
        rule.debit, rule.credit, rule.vat, rule.cost_centre = debit, credit, vat, cost_centre
        if vat and PostingRule.Event(event) not in PostingRule.REVENUE_SIDES:
            raise InvalidPosting(fields={"vat": ["Only sales have VAT."]})
        try:
            rule.clean_fields()
        except ValidationError as error:
            raise InvalidPosting(fields=error.message_dict) from error
        after = [getattr(rule, name) for name in FIELDS]
        changes = {name: [old, new] for name, old, new in zip(FIELDS, before, after, strict=True) if old != new}
        if changes:
            rule.save(update_fields=FIELDS)
            record_audit(
                action="posting_rule.changed",
                object_type="posting_rule",
                object_id=event,
                by=by,
                changes=changes,
                reason=reason,
            )
        return rule


def add_vat_rate(*, starts_on: date, basis_points: int, reason: str, by: Actor) -> VatRate:
    """Adds a rate of VAT that applies from a day on.

    The day is after the last rate's, in no closed month, and after all documents, which then agree with the journal.

    Raises: ReasonRequired, VatRateTooEarly. Transaction: owns. Locks: the documents' cursor.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        lock_document_cursor()
        closed = ClosedMonth.objects.order_by("-month").first()
        if (
            VatRate.objects.filter(starts_on__gte=starts_on).exists()
            or (closed is not None and starts_on < Month(closed.month).next.first_day)
            or Document.objects.filter(supplied_at__gte=midnight_of(starts_on)).exists()
        ):
            raise VatRateTooEarly
        rate = VatRate.objects.create(starts_on=starts_on, basis_points=basis_points)
        record_audit(
            action="vat_rate.added",
            object_type="vat_rate",
            object_id=str(starts_on),
            by=by,
            changes={"basis_points": [None, basis_points]},
            reason=reason,
        )
        return rate
