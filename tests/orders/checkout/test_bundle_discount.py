"""The discount of a bundle: previewed, charged, invoiced and renewed as one amount, and refused without its apps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.models import Customer, Invoice, LedgerEntry, Organization, Subscription
from orders.errors import AlreadySubscribed, BundleIncomplete, UnknownBundle
from orders.models import App, Bundle, Document, Order
from orders.models.basket import CheckoutRequest
from orders.models.charge import discount_prices
from orders.use_cases.checkout.quote_checkout import quote_checkout
from orders.use_cases.documents.describe_document import describe_document
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from tests.factories import BundleFactory, acting, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import DUE, NEXT, START, newest_subscription, renew, renewal_orders
from tests.orders.subscriptions.stripe_checkout_stub import StripeCheckoutStub, stripe
from tests.snapshot import nothing_changes

__all__ = ["stripe"]

pytestmark = pytest.mark.django_db(transaction=True)

APPS = ("wordpress", "ghost")


@pytest.fixture
def bundle(ada: Customer) -> Bundle:
    return BundleFactory.create(slug="both", name="Both", apps=[*APPS, "never-offered"], discount_percent=15)


def test_one_amount_is_previewed_charged_invoiced_and_renewed(
    ada: Customer, acme: Organization, buy: Buy, bundle: Bundle, mailoutbox: list[object]
) -> None:
    give_credit(ada, 30_000)
    request = CheckoutRequest(tenant_id=acme.id, plan="m", apps=APPS, addons=("backup",), bundle="both")
    quote = quote_checkout(request=request, by=acting(ada))
    assert (quote.total_minor, quote.next_month_minor) == (10_200, 10_200)
    assert quote.bundle is not None and quote.bundle.discount_minor == 1_800

    order_id = buy("m", apps=APPS, addons=("backup",), bundle=str(bundle.id), now=START).order_id

    order = Order.objects.get(id=order_id)
    assert order.total_minor == 10_200
    assert order.bundle == {"id": str(bundle.id), "slug": "both", "name": "Both", "percent": 15}
    assert [(line.price_minor, line.discount_minor) for line in order.lines.order_by("position")] == [
        (7_650, 1_350),
        (2_550, 450),
    ]
    assert LedgerEntry.objects.get(order_id=order_id).amount_minor == -10_200
    assert (Invoice.objects.get().amount_minor, Subscription.objects.get().amount_minor) == (10_200, 10_200)
    send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=order_id)
    [sent] = mailoutbox
    assert "Bundle Both: \N{MINUS SIGN}15%" in sent.body and "10.200 OMR" in sent.body  # type: ignore[attr-defined]

    # What the catalog says later changes nothing of what was agreed.
    bundle.delete()
    renew(DUE)
    [renewed] = renewal_orders()
    assert (renewed.total_minor, renewed.bundle) == (10_200, order.bundle)
    assert Subscription.objects.get().amount_minor == 10_200
    issue_documents(until=NEXT)
    for document in Document.objects.all():
        assert (sum(line["price_minor"] for line in document.lines), document.total_minor) == (10_200, 10_200)
        assert describe_document(document).lines == [
            ("M", "9.000 OMR"),
            ("Backup", "3.000 OMR"),
            ("Bundle Both: \N{MINUS SIGN}15%", "-1.800 OMR"),
        ]
    assert Document.objects.count() == 2


def test_a_card_is_asked_for_the_discounted_prices_of_every_month(
    ada: Customer, buy: Buy, bundle: Bundle, stripe: StripeCheckoutStub
) -> None:
    give_credit(ada, 1_000)
    placed = buy("m", apps=APPS, addons=("backup",), bundle="both")
    order = Order.objects.select_related("payment").get(id=placed.order_id)
    assert (order.total_minor, order.payment.amount_minor) == (10_200, 9_200)
    [session] = stripe.open_sessions
    assert session["id"] == order.payment.session_id
    # The same basket continues the payment; the same without its discount is another order.
    assert buy("m", apps=APPS, addons=("backup",), bundle="both").order_id == placed.order_id
    other = buy("m", apps=APPS, addons=("backup",))
    assert other.order_id != placed.order_id
    assert Order.objects.get(id=other.order_id).total_minor == 12_000


def test_a_change_of_plan_has_the_discount_only_where_it_names_a_bundle(
    ada: Customer, buy: Buy, bundle: Bundle
) -> None:
    give_credit(ada, 100_000)
    buy("m", apps=APPS, bundle="both")
    with pytest.raises(AlreadySubscribed):
        buy("m", apps=APPS)
    assert Order.objects.get(id=buy("l", apps=APPS, bundle="both").order_id).total_minor == 13_600
    assert Order.objects.get(id=buy("m", apps=APPS).order_id).total_minor == 9_000
    assert newest_subscription().amount_minor == 9_000


def test_a_removed_app_leaves_the_agreed_price(ada: Customer, acme: Organization, buy: Buy, bundle: Bundle) -> None:
    give_credit(ada, 30_000)
    buy("m", apps=APPS, bundle="both", now=START)
    Organization.objects.update(apps=[], status=Organization.Status.ACTIVE)
    renew(DUE)
    assert [order.total_minor for order in renewal_orders()] == [7_650]


def test_a_bundle_is_refused_without_its_offered_apps(ada: Customer, buy: Buy, bundle: Bundle) -> None:
    give_credit(ada, 30_000)
    for request, error, fields in (
        ({"apps": ("ghost",)}, BundleIncomplete, {"bundle": ["wordpress"]}),
        ({"apps": APPS, "bundle": "never"}, UnknownBundle, {"bundle": ["never"]}),
    ):
        with nothing_changes(), pytest.raises(error) as refusal:
            buy("m", **{"bundle": "both", **request})
        assert refusal.value.fields == fields
    App.objects.filter(slug="wordpress").update(active=False)
    assert Order.objects.get(id=buy("m", apps=("ghost",), bundle="both").order_id).total_minor == 7_650


def test_a_bundle_of_which_no_app_is_offered_gives_no_discount(buy: Buy, bundle: Bundle) -> None:
    BundleFactory.create(slug="empty", discount_percent=50)
    with nothing_changes(), pytest.raises(BundleIncomplete):
        buy("m", apps=APPS, bundle="empty")


@given(st.lists(st.integers(0, 10**7).map(lambda each: each * 10), min_size=1, max_size=8), st.integers(0, 100))
def test_discounted_prices_add_up_to_a_sum_that_a_card_can_pay(prices: list[int], percent: int) -> None:
    discounted = discount_prices(prices, percent=percent, currency="OMR")
    exact = sum(prices) * (100 - percent)
    assert sum(discounted) % 10 == 0 and 0 <= sum(discounted) * 100 - exact < 1_000
    assert all(0 <= after for after in discounted)
    # A single line may be rounded with the others, by less than one step.
    assert all(
        after * 100 - before * (100 - percent) < 1_000 for before, after in zip(prices, discounted, strict=True)
    )
