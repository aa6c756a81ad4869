"""Prices without VAT: a checkout adds the VAT of its day, a renewal that of the month's first day."""

from datetime import date, timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from billing.local_time import local_day
from billing.models import Customer, LedgerEntry, Organization, Subscription
from orders.models import Order, Plan, VatRate
from orders.models.basket import CheckoutRequest
from orders.use_cases.books.change_postings import add_vat_rate
from orders.use_cases.checkout.checkout_context import priced_before
from orders.use_cases.checkout.quote_checkout import Quote, quote_checkout
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.factories import BundleFactory, OrganizationFactory, acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import DUE, START, newest_subscription, renew, renewal_orders
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()
TODAY = local_day(NOW)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def rate(settings: Settings) -> None:
    settings.INITIAL_STRIPE_SECRET_KEY = ""
    settings.PRICES_INCLUDE_VAT = False
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)


@pytest.fixture
def rich(ada: Customer) -> Customer:
    give_credit(ada, 100_000)
    return ada


def quote(acme: Organization, *, plan: str = "m") -> Quote:
    request = CheckoutRequest(tenant_id=acme.id, plan=plan)
    with nothing_changes():
        return quote_checkout(request=request, by=acting(acme.customer))


def lines_of(order: Order) -> list[tuple[str, int, int | None]]:
    return [(line.slug, line.price_minor, line.net_minor) for line in order.lines.order_by("position")]


def test_a_bundle_lowers_the_prices_without_vat_and_a_new_rate_keeps_the_discount(
    rich: Customer, acme: Organization, buy: Buy
) -> None:
    BundleFactory.create(slug="both", apps=["ghost"], discount_percent=15)
    buy("m", apps=("ghost",), addons=("backup",), bundle="both", now=START)
    order = Order.objects.get()
    assert lines_of(order) == [("m", 8_030, 7_650), ("backup", 2_680, 2_550)]
    assert [line.discount_minor for line in order.lines.order_by("position")] == [1_420, 470]
    VatRate.objects.create(starts_on=local_day(DUE), basis_points=1_000)
    assert renew(DUE)[0] == RenewalOutcome.RENEWED
    [renewed] = renewal_orders()
    assert lines_of(renewed) == [("m", 8_420, 7_650), ("backup", 2_810, 2_550)]


def test_an_order_costs_its_prices_and_their_vat(rich: Customer, buy: Buy) -> None:
    order = Order.objects.get(id=buy("m", addons=("backup", "waf")).order_id)
    assert lines_of(order) == [("m", 9_450, 9_000), ("backup", 3_150, 3_000), ("waf", 0, 0)]
    assert order.total_minor == Subscription.objects.get().amount_minor == 12_600
    assert LedgerEntry.objects.get(order_id=order.id).amount_minor == -12_600


def test_a_price_that_no_card_could_pay_is_rounded_once(rich: Customer, buy: Buy) -> None:
    """9.990 and its VAT are 10.4895; 9.900 and its VAT are 10.395, which has no last digit 0."""
    for net, charged in ((9_990, 10_490), (9_900, 10_400)):
        Plan.objects.filter(slug="m").update(price_minor=net)
        order = Order.objects.get(id=buy("m", tenant=OrganizationFactory.create(customer=rich)).order_id)
        assert order.total_minor == charged


def test_prices_that_include_vat_keep_no_other_price(rich: Customer, buy: Buy, settings: Settings) -> None:
    settings.PRICES_INCLUDE_VAT = True
    assert lines_of(Order.objects.get(id=buy("m").order_id)) == [("m", 9_000, None)]


def test_another_day_has_its_own_rate_though_the_basket_was_priced_before(
    rich: Customer, acme: Organization, buy: Buy
) -> None:
    VatRate.objects.create(starts_on=TODAY + DAY, basis_points=1_000)
    assert Order.objects.get(id=buy("m", now=NOW).order_id).total_minor == 9_450
    request = CheckoutRequest(tenant_id=acme.id, plan="m")
    assert priced_before(request, now=NOW) is not None
    assert priced_before(request, now=NOW + DAY) is None
    tomorrow = buy("m", tenant=OrganizationFactory.create(customer=rich), now=NOW + DAY)
    assert Order.objects.get(id=tomorrow.order_id).total_minor == 9_900


def test_a_rate_that_is_added_after_the_quote_applies_to_the_checkout(
    rich: Customer, acme: Organization, buy: Buy
) -> None:
    """The basket was priced before, so the database finds that its catalog has changed."""
    buy("m", tenant=OrganizationFactory.create(customer=rich))
    assert quote(acme).total_minor == 9_450
    add_vat_rate(starts_on=TODAY, basis_points=1_000, reason="the law", by=actor())
    assert Order.objects.get(id=buy("m").order_id).total_minor == 9_900
    assert quote(acme, plan="l").total_minor == 17_600


def test_the_quote_names_the_next_month_at_its_own_rate(acme: Organization) -> None:
    VatRate.objects.create(starts_on=TODAY + 10 * DAY, basis_points=1_000)
    assert (quote(acme).total_minor, quote(acme).next_month_minor) == (9_450, 9_900)


def test_a_renewal_has_the_rate_of_the_month_that_it_pays(rich: Customer, buy: Buy) -> None:
    buy("m", addons=("backup",), now=START)
    VatRate.objects.create(starts_on=local_day(DUE), basis_points=1_000)
    subscription = newest_subscription()
    assert subscription.amount_minor == 12_600
    send_mail(mail=Mail.RENEWAL_AHEAD, subject_id=subscription.id)
    assert "13.200 OMR" in mail.outbox[-1].body
    assert renew(DUE) == [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]
    [order] = renewal_orders()
    assert lines_of(order) == [("m", 9_900, 9_000), ("backup", 3_300, 3_000)]
    assert order.total_minor == newest_subscription().amount_minor == 13_200


def test_a_renewal_keeps_a_price_that_includes_vat(rich: Customer, buy: Buy, settings: Settings) -> None:
    settings.PRICES_INCLUDE_VAT = True
    buy("m", now=START)
    settings.PRICES_INCLUDE_VAT = False
    VatRate.objects.create(starts_on=local_day(DUE), basis_points=1_000)
    assert renew(DUE)[0] == RenewalOutcome.RENEWED
    [order] = renewal_orders()
    assert lines_of(order) == [("m", 9_000, None)]


def test_a_change_of_plan_credits_the_unused_part_of_what_was_paid(rich: Customer, buy: Buy) -> None:
    buy("m", now=START)
    half = START + (DUE - START) / 2
    buy("l", now=half)
    credited = LedgerEntry.objects.get(reason__startswith="proration:")
    assert credited.amount_minor == 9_450 // 2
    assert newest_subscription().amount_minor == 16_800
