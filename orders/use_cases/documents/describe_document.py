"""Puts a document into the words of the active language, for its page and its PDF alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.local_time import day_text, read_instant
from billing.money import local_money
from orders.models import Document, OrderLine
from orders.models.basket import BundleDiscount, bill_rows
from orders.use_cases.documents.vat import percent_text

Cause = Document.Cause

_TITLES: dict[str, Promise] = {
    Document.Kind.INVOICE: gettext_lazy("Tax invoice"),
    Document.Kind.RECEIPT: gettext_lazy("Receipt"),
    Document.Kind.CREDIT_NOTE: gettext_lazy("Credit note"),
}
_CAUSES: dict[str, Promise] = {
    Cause.ORDER: gettext_lazy("Order"),
    Cause.MONTH: gettext_lazy("A month of the subscription"),
    Cause.EARLY_PAYMENT: gettext_lazy("Payment for an order that was not completed"),
    Cause.REFUND: gettext_lazy("Refund to the card"),
    Cause.CREDIT_RETURNED: gettext_lazy("Returned to the credit"),
    Cause.UNUSED_MONTH: gettext_lazy("Unused part of a month, added to the credit"),
    Cause.UNUSED_MONTH_TAKEN_BACK: gettext_lazy("Unused part of a month, taken back"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentText:
    """A document in words. `amounts` ends with the total; `paid` says how it was paid or given back.

    `head` is the head of the lines. Their amounts contain VAT, as prices do.
    """

    title: str
    seller: list[str]
    buyer: list[str]
    facts: list[tuple[str, str]]
    head: tuple[str, str]
    lines: list[tuple[str, str]]
    amounts: list[tuple[str, str]]
    paid_title: str
    paid: list[tuple[str, str]]


def title_of(document: Document) -> str:
    """Returns the kind of document, as people call it."""
    return str(_TITLES[document.kind])


def cause_of(document: Document) -> str:
    """Returns what the document is about."""
    return str(_CAUSES[document.cause])


def describe_document(document: Document) -> DocumentText:
    """Describes a document that was read with the document that it corrects."""
    seller, buyer = document.seller, document.buyer
    cause = cause_of(document)
    return DocumentText(
        title=title_of(document),
        seller=[text for text in (seller["name"], seller["address"], _vat_number(seller)) if text],
        buyer=[text for text in (buyer["organization"], buyer["email"], _vat_number(buyer)) if text],
        facts=list(_facts(document)),
        head=(_("Item"), _("Amount with VAT") if document.basis_points else _("Amount")),
        lines=[(name, _money(document, minor)) for name, minor in _rows(document)]
        or [(cause, _money(document, document.total_minor))],
        amounts=list(_amounts(document)),
        paid_title=_("Given back") if document.kind == Document.Kind.CREDIT_NOTE else _("Paid"),
        paid=list(_paid(document)),
    )


def _vat_number(party: dict[str, str]) -> str:
    return _("VAT number: %(number)s") % {"number": party["vat_number"]} if party["vat_number"] else ""


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    yield _("Number"), document.name
    yield _("Date"), day_text(document.supplied_at)
    if document.corrects is not None:
        yield _("Corrects"), document.corrects.name
    yield _("Order"), str(document.order_id)
    if document.details["period"]:
        start, end = (read_instant(each) for each in document.details["period"])
        yield _("Month"), f"{day_text(start)} \N{EN DASH} {day_text(end - timedelta(microseconds=1))}"


def _rows(document: Document) -> list[tuple[str, int]]:
    lines = [OrderLine(**line) for line in document.lines]
    return bill_rows(lines, BundleDiscount.of(document.details.get("bundle")))


def _amounts(document: Document) -> Iterator[tuple[str, str]]:
    if document.basis_points:
        rate = percent_text(document.basis_points)
        yield _("Total without VAT"), _money(document, document.net_minor)
        yield _("VAT %(rate)s") % {"rate": rate}, _money(document, document.vat_minor)
    yield _("Total"), _money(document, document.total_minor)


def _paid(document: Document) -> Iterator[tuple[str, str]]:
    is_credit = document.kind == Document.Kind.CREDIT_NOTE
    names = (_("Added to the credit"), _("Refunded to the card")) if is_credit else (_("From credit"), _("By card"))
    if document.credit_minor:
        yield names[0], _money(document, document.credit_minor)
        yield from _untaxed(document)
    if document.card_minor:
        yield names[1], _money(document, document.card_minor)


def _untaxed(document: Document) -> Iterator[tuple[str, str]]:
    """Yields the parts of the credit that have no VAT here, so that the VAT can be computed anew."""
    if minor := document.details.get("single_purpose_minor"):
        yield _("of which credit whose VAT was due at its sale"), _money(document, minor)
    if minor := document.details.get("free_minor"):
        yield _("of which free credit, without VAT"), _money(document, minor)


def _money(document: Document, minor: int) -> str:
    return local_money(minor, currency=document.currency)
