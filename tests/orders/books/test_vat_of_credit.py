"""VAT of single-purpose credit is due when it is sold, of other credit when it is spent; free credit has none."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from billing.local_time import local_day
from billing.models import Account, Customer, LedgerEntry, Organization
from billing.money import format_money
from billing.use_cases.ledger.post_entry import reverse_entry
from orders.models import Document, Order, VatRate
from orders.models.basket import CheckoutRequest
from orders.use_cases.books.journal import current_postings, journal_lines, journal_totals
from orders.use_cases.books.month import month_of
from orders.use_cases.checkout.quote_checkout import quote_checkout
from orders.use_cases.customers.merge_customers import merge_customers
from orders.use_cases.documents.describe_document import describe_document
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.documents.vat import included_vat
from orders.use_cases.documents.vat_of_sale import vat_of_order
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.top_up import top_up
from promos.models import Campaign, Redemption
from promos.use_cases.redeem_code import release
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.rules import corrupt

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()

# What is left of single-purpose credit includes this VAT, by SQL of this test's own.
PREPAID = """
SELECT coalesce(sum(round(l.left_minor * 500.0 / 10500)), 0)::bigint
  FROM billing_lot l JOIN billing_ledgerentry e ON e.id = l.entry_id
  JOIN promos_redemption r ON r.id = e.redemption_id JOIN promos_promocode p ON p.id = r.promo_code_id
  JOIN promos_campaign c ON c.id = p.campaign_id
 WHERE c.vat_treatment = 'single_purpose'
"""
# The VAT of what was sold as single-purpose credit and not taken back, and of what other credit paid, but for free
# credit; without that of unused months.
DUE = """
SELECT (SELECT coalesce(sum(round(e.amount_minor * 500.0 / 10500)), 0)
          FROM billing_ledgerentry e JOIN promos_redemption r ON r.id = e.redemption_id
          JOIN promos_promocode p ON p.id = r.promo_code_id JOIN promos_campaign c ON c.id = p.campaign_id
         WHERE e.kind = 'grant' AND c.vat_treatment = 'single_purpose' AND r.status = 'confirmed')
     + (SELECT coalesce(sum(round(taxed.minor * 500.0 / 10500)), 0)
          FROM (SELECT -e.amount_minor + coalesce((
                         SELECT sum(m.amount_minor) FROM billing_lotmove m
                           JOIN billing_ledgerentry g ON g.id = m.lot_id
                           JOIN promos_redemption r ON r.id = g.redemption_id
                           JOIN promos_promocode p ON p.id = r.promo_code_id
                           JOIN promos_campaign c ON c.id = p.campaign_id
                          WHERE m.entry_id = e.id AND c.vat_treatment <> 'multi_purpose'), 0) AS minor
                  FROM billing_ledgerentry e
                 WHERE e.kind = 'spend' AND NOT EXISTS (SELECT FROM billing_ledgerentry x WHERE x.reverses_id = e.id)
               ) AS taxed)::bigint
     - (SELECT coalesce(sum(round(amount_minor * 500.0 / 10500)), 0)
          FROM billing_ledgerentry WHERE reason LIKE 'proration:%')::bigint
"""


@pytest.fixture(autouse=True)
def rate(settings: Settings) -> None:
    settings.INITIAL_STRIPE_SECRET_KEY = ""
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)


def redeem(customer: Customer, treatment: str, minor: int, *, days: int = 30) -> Redemption:
    campaign = Campaign.objects.create(
        name=f"{treatment} {days} {minor}",
        credit_class="sold" if treatment == "single_purpose" else "promotional",
        vat_treatment=treatment,
        credit_days=days,
        status="active",
        drafted_by="noor",
        approved_by="amal",
    )
    code = PromoCodeFactory.create(code=f"{treatment}-{minor}".upper(), credit_minor=minor, campaign_id=campaign.id)
    top_up(code=code.code, by=acting(customer))
    return Redemption.objects.get(promo_code=code, customer=customer)


def issue() -> None:
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))


def net() -> dict[str, int]:
    totals = journal_totals(month_of(timezone.now()), postings=current_postings())
    return {each.account: each.credit_minor - each.debit_minor for each in totals}


def sql(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def assert_books_agree() -> None:
    """Asserts that the journal is what plain SQL says, and that each entry's lines balance."""
    found = net()
    assert found.get("2300", 0) == sql(DUE)
    assert -found.get("2310", 0) == sql(PREPAID)
    assert found["2200"] == sum(Account.objects.values_list("balance_minor", flat=True))
    balance: dict[object, int] = {}
    for line in journal_lines(month_of(timezone.now()), postings=current_postings()):
        key = (line.entry_id, line.event)
        balance[key] = balance.get(key, 0) + line.debit_minor - line.credit_minor
    assert set(balance.values()) == {0}


def test_each_credit_has_its_vat_once(ada: Customer, buy: Buy) -> None:
    redeem(ada, "single_purpose", 5_000, days=10)
    assert (net()["2300"], net()["2310"]) == (238, -238)
    redeem(ada, "no_consideration", 2_000, days=20)
    give_credit(ada, 20_000)
    order = Order.objects.get(id=buy("m", addons=("backup",)).order_id)
    # 5.000 of single-purpose credit, 2.000 of free credit and 5.000 with VAT pay the order.
    assert (net()["2300"], net()["2310"]) == (238 + 238, 0)
    assert net()["4000"] == 12_000 - 238 - 238
    assert_books_agree()
    issue()
    invoice = Document.objects.get()
    assert (invoice.total_minor, invoice.vat_minor, invoice.kind) == (12_000, 238, "invoice")
    assert describe_document(invoice).amounts == [
        ("Total without VAT", "11.762 OMR"),
        ("VAT 5%", "0.238 OMR"),
        ("Total", "12.000 OMR"),
    ]
    assert describe_document(invoice).paid == [
        ("From credit", "12.000 OMR"),
        ("of which credit whose VAT was due at its sale", "5.000 OMR"),
        ("of which free credit, without VAT", "2.000 OMR"),
    ]
    refund_order(order_id=order.id, card_minor=None, why="a mistake", by=actor())
    assert (net()["2300"], net()["2310"], net()["4000"]) == (238, -238, 0)
    assert_books_agree()
    issue()
    note = Document.objects.get(kind="credit_note")
    assert (note.total_minor, note.vat_minor, note.corrects) == (12_000, 238, invoice)


def test_parts_of_single_purpose_credit_add_up_to_its_vat(ada: Customer, buy: Buy) -> None:
    """Two orders, a correction, an expiry: the VAT of the lot is neither lost nor doubled by rounding."""
    redeem(ada, "single_purpose", 30_001, days=10)
    for plan in ("m", "l"):
        buy(plan)
        assert_books_agree()
    undone = LedgerEntry.objects.filter(kind="spend").earliest("created_at")
    reverse_entry(entry_id=undone.id, why="a mistake", by=actor())
    assert_books_agree()
    # It expires with what is left of it.
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_expire_credit(%s, %s)", [[ada.pk], timezone.now() + timedelta(days=11)])
    expiry = LedgerEntry.objects.get(kind="expiry")
    month = month_of(expiry.created_at)
    lines = [line for line in journal_lines(month, postings=current_postings()) if line.entry_id == expiry.id]
    left = -expiry.amount_minor
    vat = {line.account: line.credit_minor for line in lines if line.credit_minor}
    assert vat == {"4900": left - vat["2310"], "2310": vat["2310"]}
    assert sql(PREPAID) == 0


def test_a_released_redemption_takes_the_vat_of_its_sale_back(ada: Customer) -> None:
    redemption = redeem(ada, "single_purpose", 10_000)
    release(redemption=redemption, reason="a mistake", by=actor())
    assert (net().get("2300", 0), net().get("2310", 0), net()["2200"]) == (0, 0, 0)


def test_credit_of_a_merged_customer_keeps_its_treatment(ada: Customer, buy: Buy) -> None:
    other = CustomerFactory.create(user_id="ada2")
    redeem(other, "single_purpose", 9_000)
    merge_customers(merged_user_id="ada2", into_user_id="ada", reason="the same person", by=actor())
    buy("m")
    assert (net()["2300"], net()["2310"]) == (429, 0)


def quoted_vat(acme: Organization, *, code: str = "") -> int:
    """The VAT of the quote of plan m with a backup, for 12.000."""
    checkout = CheckoutRequest(tenant_id=acme.id, plan="m", addons=("backup",), promo_code=code)
    quote = quote_checkout(request=checkout, by=acting(acme.customer))
    return quote.vat.vat_minor if quote.vat else 0


def mailed_vat(order_id: UUID) -> str:
    """The VAT that the mail of a paid order names."""
    send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=order_id)
    return str(mail.outbox[-1].body)


@pytest.mark.parametrize("minor", [5_000, 11_999, 12_000, 30_000])
@pytest.mark.parametrize("treatment", ["single_purpose", "no_consideration", "multi_purpose"])
def test_quote_and_mail_have_the_vat_of_the_invoice(
    ada: Customer, acme: Organization, buy: Buy, treatment: str, minor: int
) -> None:
    redeem(ada, treatment, minor)
    redeem(ada, "no_consideration", 1_111, days=5)
    give_credit(ada, 20_000)
    quoted = quoted_vat(acme)
    placed = buy("m", addons=("backup",))
    order_id = placed.order_id
    issue()
    invoice = Document.objects.get()
    of_order = vat_of_order(order_id)
    assert of_order is not None and placed.vat == of_order
    assert quoted == invoice.vat_minor == of_order.vat_minor
    taxed = 12_000 - 1_111 if treatment == "multi_purpose" else max(0, 12_000 - 1_111 - minor)
    assert quoted == included_vat(taxed, 500)
    assert f"Includes VAT 5%: {format_money(quoted, currency='OMR')}" in mailed_vat(order_id)


def test_a_quote_counts_with_the_credit_that_its_code_will_bring(ada: Customer, acme: Organization, buy: Buy) -> None:
    give_credit(ada, 20_000)
    campaign = Campaign.objects.create(
        name="free",
        credit_class="promotional",
        vat_treatment="no_consideration",
        credit_days=30,
        status="active",
        drafted_by="noor",
        approved_by="amal",
    )
    PromoCodeFactory.create(code="FREE", credit_minor=4_000, campaign_id=campaign.id)
    assert (quoted_vat(acme), quoted_vat(acme, code="FREE")) == (571, 381)
    buy("m", addons=("backup",), promo_code="FREE")
    issue()
    assert Document.objects.get().vat_minor == 381


def test_the_credit_note_of_an_unused_month_has_the_rate_of_its_invoice(ada: Customer, buy: Buy) -> None:
    """The month was sold at 5 percent, and its unused part is credited at that rate, also in the journal."""
    give_credit(ada, 60_000)
    buy("m", now=NOW - timedelta(days=10))
    spent = LedgerEntry.objects.get(kind="spend")
    sold_at = NOW - timedelta(days=10)
    corrupt(f"UPDATE billing_ledgerentry SET created_at = '{sold_at}' WHERE id = '{spent.id}'")
    VatRate.objects.create(starts_on=local_day(NOW) - timedelta(days=2), basis_points=1_000)
    buy("l")
    issue()
    credited = LedgerEntry.objects.get(reason__startswith="proration:")
    note = Document.objects.get(kind="credit_note")
    assert note.corrects is not None
    assert (note.basis_points, note.corrects.basis_points) == (500, 500)
    assert note.vat_minor == included_vat(credited.amount_minor, 500)
    lines = journal_lines(month_of(credited.created_at), postings=current_postings())
    [vat] = [line for line in lines if line.entry_id == credited.id and line.account == "2300"]
    assert vat.debit_minor == note.vat_minor
