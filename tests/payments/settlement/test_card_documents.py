"""Card payments and their refunds have invoices, receipts and credit notes, numbered without a gap."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import CardEntry, Document, VatRate
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.documents.render_document import render_document
from orders.use_cases.payments.request_refund import refund_order
from tests.factories import actor
from tests.orders.documents.test_issue_documents import sum_of_vat, vat_of_journal
from tests.payments.buyer import APPLIED_MINOR, CHARGED_MINOR, buy, session_id_of
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)
YEAR = timezone.now().year
PART_MINOR = 1_000


@pytest.fixture(autouse=True)
def seller(settings: Any) -> None:
    settings.SELLER_NAME, settings.SELLER_ADDRESS = "Majan Telecom SAOC", "Muscat"
    settings.SELLER_VAT_NUMBER = "OM1100000000"


def issue() -> list[tuple[str, str, int, int, int]]:
    """Issues what is due; returns name, cause, credit, card money and VAT of all documents, in their order."""
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    return [
        (each.name, each.cause, each.credit_minor, each.card_minor, each.vat_minor)
        for each in Document.objects.order_by("supplied_at", "id")
    ]


def refund(stripe: Stripe, order_id: UUID, *, card_minor: int | None) -> None:
    refund_order(order_id=order_id, card_minor=card_minor, why="a complaint", by=actor())
    run_until_idle(stripe)


@pytest.mark.parametrize(("basis_points", "vats", "kind"), [(500, [905, 48, 269, 588], "INV"), (0, [0] * 4, "RCT")])
def test_a_payment_in_part_by_card_and_its_refunds(
    stripe: Stripe, basis_points: int, vats: list[int], kind: str
) -> None:
    if basis_points:
        VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=basis_points)
    _, order_id = buy(stripe)
    paid = (f"{kind}-{YEAR}-000001", "order", APPLIED_MINOR, CHARGED_MINOR, vats[0])
    assert (issue(), issue()) == ([paid], [paid])
    refund(stripe, order_id, card_minor=PART_MINOR)
    part = (f"CN-{YEAR}-000001", "refund", 0, PART_MINOR, vats[1])
    assert issue() == [paid, part]
    refund(stripe, order_id, card_minor=None)
    rest = (f"CN-{YEAR}-000002", "refund", 0, CHARGED_MINOR - PART_MINOR, vats[2])
    credit = (f"CN-{YEAR}-000003", "credit_returned", APPLIED_MINOR, 0, vats[3])
    assert issue() == [paid, part, rest, credit]
    # The notes give back what the invoice asked for, and each names it.
    assert sum(vats[1:]) == vats[0]
    invoice, *notes = Document.objects.order_by("supplied_at", "id")
    assert {each.corrects for each in notes} == {invoice}
    assert_agrees_with_books()


def test_refunds_in_stripes_dashboard_have_credit_notes(stripe: Stripe) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    _, order_id = buy(stripe)
    for amount in (PART_MINOR, CHARGED_MINOR - PART_MINOR):
        stripe.do(f"payments/{session_id_of(order_id)}/refund", amount=amount)
        run_until_idle(stripe)
    assert [each[:4] for each in issue()] == [
        (f"INV-{YEAR}-000001", "order", APPLIED_MINOR, CHARGED_MINOR),
        (f"CN-{YEAR}-000001", "refund", 0, PART_MINOR),
        (f"CN-{YEAR}-000002", "refund", 0, CHARGED_MINOR - PART_MINOR),
        (f"CN-{YEAR}-000003", "credit_returned", APPLIED_MINOR, 0),
    ]
    assert_agrees_with_books()


def test_orders_paid_by_card_are_numbered_in_one_series(stripe: Stripe) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    first, second = [buy(stripe)[1] for _ in range(2)]
    refund(stripe, first, card_minor=None)
    refund(stripe, second, card_minor=PART_MINOR)
    issue()
    numbers = {
        series: list(Document.objects.filter(series=series).order_by("id").values_list("number", flat=True))
        for series in (f"INV-{YEAR}", f"CN-{YEAR}")
    }
    assert numbers == {f"INV-{YEAR}": [1, 2], f"CN-{YEAR}": [1, 2, 3]}
    assert_agrees_with_books()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_each_document_of_card_money_is_a_pdf(stripe: Stripe, language: str) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    _, order_id = buy(stripe)
    refund(stripe, order_id, card_minor=None)
    issue()
    files = {each.name: render_document(each, language=language) for each in Document.objects.all()}
    assert len(set(files.values())) == len(files) == 3
    for document in Document.objects.all():
        assert files[document.name].startswith(b"%PDF-")
        assert render_document(document, language=language) == files[document.name]


def assert_agrees_with_books() -> None:
    """Each entry of card money has its document, and their VAT is what the journal posts."""
    card = CardEntry.objects.filter(kind__in=["payment", "refund"])
    documented = Document.objects.exclude(card_entry=None).values_list("card_entry_id", flat=True)
    assert set(card.values_list("id", flat=True)) == set(documented)
    assert sum_of_vat() == vat_of_journal()
    assert verify_ledger().sound
