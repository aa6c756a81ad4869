"""Each payment and refund has one document, with the VAT that the journal posts, in order and without a gap."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from billing.local_time import local_day
from billing.models import Account, Customer, LedgerEntry, Organization, Verification
from billing.use_cases.ledger.post_entry import reverse_entry
from billing.use_cases.ledger.verify_ledger import verify_and_record_ledger, verify_ledger
from billing.use_cases.organizations.change_details import change_details
from orders.errors import VatRateTooEarly
from orders.models import Document, DocumentSeries, Order, VatRate
from orders.use_cases.books.change_postings import add_vat_rate
from orders.use_cases.books.journal import current_postings, journal_totals
from orders.use_cases.books.month import month_of
from orders.use_cases.documents.describe_document import describe_document
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.documents.vat import included_vat
from orders.use_cases.payments.request_refund import refund_order
from tests.factories import acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.rules import corrupt
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)
YEAR = timezone.now().year


@pytest.fixture(autouse=True)
def seller(settings: Settings) -> None:
    settings.INITIAL_STRIPE_SECRET_KEY = ""
    settings.SELLER_NAME, settings.SELLER_ADDRESS = "Majan Telecom SAOC", "Muscat"
    settings.SELLER_VAT_NUMBER = "OM1100000000"


def issue() -> int:
    # The key of an entry that was written in this millisecond is below that of the next.
    return issue_documents(until=timezone.now() + timedelta(milliseconds=1))


def names() -> list[str]:
    return [f"{each.name} {each.cause}" for each in Document.objects.order_by("supplied_at", "id")]


def test_an_order_has_an_invoice_and_its_refund_a_credit_note(ada: Customer, acme: Organization, buy: Buy) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    give_credit(ada, 30_000)
    order = Order.objects.get(id=buy("m", addons=("backup",)).order_id)
    assert (issue(), issue()) == (1, 0)
    invoice = Document.objects.get()
    assert (invoice.name, invoice.cause, invoice.order) == (f"INV-{YEAR}-000001", "order", order)
    assert (invoice.total_minor, invoice.credit_minor, invoice.card_minor) == (12_000, 12_000, 0)
    assert (invoice.vat_minor, invoice.net_minor, invoice.basis_points) == (571, 11_429, 500)
    assert invoice.seller == {"name": "Majan Telecom SAOC", "address": "Muscat", "vat_number": "OM1100000000"}
    assert invoice.buyer == {"organization": "Acme", "email": ada.email, "vat_number": ""}
    assert [line["price_minor"] for line in invoice.lines] == [9_000, 3_000]
    assert invoice.supplied_at == LedgerEntry.objects.get(kind="spend").created_at

    change_details(organization_id=acme.pk, name="Another", vat_number="om 1200-000000", by=acting(ada))
    refund_order(order_id=order.id, card_minor=None, why="a mistake", by=actor())
    assert issue() == 1
    note = Document.objects.get(kind="credit_note")
    assert (note.name, note.cause, note.corrects) == (f"CN-{YEAR}-000001", "credit_returned", invoice)
    assert (note.total_minor, note.vat_minor) == (12_000, 571)
    assert note.buyer == {"organization": "Another", "email": ada.email, "vat_number": "OM1200000000"}
    assert "VAT number: OM1200000000" in describe_document(note).buyer
    invoice.refresh_from_db()
    assert invoice.buyer == {"organization": "Acme", "email": ada.email, "vat_number": ""}


def test_without_a_rate_an_order_has_a_receipt_without_vat(ada: Customer, buy: Buy) -> None:
    give_credit(ada, 9_000)
    buy("m")
    assert issue() == 1
    receipt = Document.objects.get()
    assert (receipt.kind, receipt.name, receipt.vat_minor) == ("receipt", f"RCT-{YEAR}-000001", 0)


def test_a_rate_begins_after_the_last_document(ada: Customer, buy: Buy) -> None:
    give_credit(ada, 9_000)
    buy("m")
    assert issue() == 1
    today = local_day(timezone.now())
    with pytest.raises(VatRateTooEarly), nothing_changes():
        add_vat_rate(starts_on=today, basis_points=500, reason="the law", by=actor())
    add_vat_rate(starts_on=today + timedelta(days=1), basis_points=500, reason="the law", by=actor())


def test_a_free_order_has_no_document(buy: Buy) -> None:
    buy("flexi")
    assert issue() == 0


def test_an_unused_month_has_a_credit_note_and_taking_it_back_an_invoice(ada: Customer, buy: Buy) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    give_credit(ada, 60_000)
    buy("m")
    buy("l")
    unused = LedgerEntry.objects.get(reason__startswith="proration:")
    reverse_entry(entry_id=unused.id, why="a mistake", by=actor())
    assert issue() == 4
    assert sorted(names()) == [
        f"CN-{YEAR}-000001 unused_month",
        f"INV-{YEAR}-000001 order",
        f"INV-{YEAR}-000002 order",
        f"INV-{YEAR}-000003 unused_month_taken_back",
    ]
    first, note = Document.objects.get(number=1, kind="invoice"), Document.objects.get(kind="credit_note")
    assert note.corrects == first
    assert Document.objects.get(number=3, kind="invoice").corrects == note
    assert_vat_is_the_journals()


def test_a_refund_after_an_unused_month_gives_its_vat_back_once(ada: Customer, buy: Buy) -> None:
    """The refund returns the whole credit and takes the unused month back, and so does their VAT."""
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    give_credit(ada, 60_000)
    first = Order.objects.get(id=buy("m").order_id)
    second = buy("l")
    refund_order(order_id=first.id, card_minor=None, why="a mistake", by=actor())
    assert issue() == 5
    assert sorted(names()) == [
        f"CN-{YEAR}-000001 unused_month",
        f"CN-{YEAR}-000002 credit_returned",
        f"INV-{YEAR}-000001 order",
        f"INV-{YEAR}-000002 order",
        f"INV-{YEAR}-000003 unused_month_taken_back",
    ]
    unused, taken_back = (Document.objects.get(cause=f"unused_month{each}") for each in ("", "_taken_back"))
    assert (taken_back.corrects, taken_back.order, taken_back.vat_minor) == (unused, unused.order, unused.vat_minor)
    assert sum_of_vat() == Document.objects.get(order=second.order_id, cause="order").vat_minor == 762
    assert_vat_is_the_journals()

    refund_order(order_id=second.order_id, card_minor=None, why="a mistake", by=actor())
    assert issue() == 1
    assert (Account.objects.get().balance_minor, sum_of_vat(), vat_of_journal()) == (60_000, 0, 0)


def sum_of_vat() -> int:
    sign = {"credit_note": -1}
    return sum(sign.get(each.kind, 1) * each.vat_minor for each in Document.objects.all())


def vat_of_journal() -> int:
    totals = journal_totals(month_of(timezone.now()), postings=current_postings())
    return sum(each.credit_minor - each.debit_minor for each in totals if each.account == "2300")


def assert_vat_is_the_journals() -> None:
    """Asserts that the month's documents include the VAT that its journal posts."""
    assert sum_of_vat() == vat_of_journal() > 0


def test_a_round_that_fails_leaves_no_gap(ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch) -> None:
    give_credit(ada, 60_000)
    for plan in ("m", "l", "m"):
        buy(plan)
    save = Document.save

    def save_first(document: Document, **options: object) -> None:
        if DocumentSeries.objects.filter(last_number__gte=2).exists():
            raise RuntimeError("the process died")
        save(document, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Document, "save", save_first)
    with pytest.raises(RuntimeError), nothing_changes():
        issue()
    monkeypatch.undo()
    assert issue() == 5
    assert sorted(names()) == [
        *(f"CN-{YEAR}-00000{number} unused_month" for number in (1, 2)),
        *(f"RCT-{YEAR}-00000{number} order" for number in (1, 2, 3)),
    ]


def test_a_backlog_of_several_batches_is_issued(ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.use_cases.documents.issue_documents.BATCH", 2)
    give_credit(ada, 60_000)
    for plan in ("m", "l", "m"):
        buy(plan)
    assert issue() == 5
    assert issue_documents() == 0


def test_entries_get_their_documents_after_the_clock_went_back(
    ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.use_cases.documents.issue_documents.BATCH", 2)
    give_credit(ada, 60_000)
    buy("m")
    # As a round does while the primary's clock is an hour ahead.
    assert issue_documents(until=timezone.now() + timedelta(hours=1)) == 1
    for plan in ("l", "m"):
        buy(plan)
    assert issue() == 4
    assert verify_ledger().fault == ""
    assert issue() == 0


@given(amount=st.integers(0, 10**12), points=st.integers(0, 10_000))
def test_included_vat_is_rounded_half_up(amount: int, points: int) -> None:
    vat = included_vat(amount, points)
    assert abs(2 * (vat * (10_000 + points) - amount * points)) <= 10_000 + points
    assert 0 <= vat <= amount


def test_an_entry_without_its_document_is_found_every_night(
    ada: Customer, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As for an entry of some minutes ago.
    monkeypatch.setattr("orders.use_cases.documents.issue_documents.OVERLAP", timedelta())
    give_credit(ada, 60_000)
    for plan in ("m", "l"):
        buy(plan)
    assert verify_ledger().fault == ""
    assert issue() == 3
    buy("m")
    # Its document is due, but the position has not passed it.
    assert verify_ledger().fault == ""
    lost = Document.objects.get(cause="unused_month")
    corrupt(f"DELETE FROM orders_document WHERE id = '{lost.id}'")
    found = verify_ledger()
    assert found.fault == f"ledger entry {lost.ledger_entry_id} of ada: it has no invoice, receipt or credit note"
    assert issue() == 2
    assert verify_and_record_ledger().fault == Verification.objects.get(books="ledger").fault == found.fault
