"""Prices without VAT that Stripe charges follow a new rate: from the next month on, to the last unit, and once."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from billing.local_time import local_day
from billing.models import Invoice, Subscription
from orders.models import Break, Document, Order, VatRate
from orders.stripe import gateway
from orders.tasks import follow_vat_rate
from orders.tasks import pay_stripe_months as run_pay_stripe_months
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.documents.vat import included_vat
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from orders.use_cases.subscriptions import follow_vat_rate as following
from orders.use_cases.subscriptions.follow_vat_rate import find_repriced_subscriptions, send_prices
from tests.factories import AppFactory, BundleFactory, PlanFactory, acting, give_credit
from tests.payments.buyer import ADDON_MINOR, PRICE_MINOR, TOTAL_MINOR, Buyer, new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Object, Stripe
from tests.payments.worker import run_until_idle, run_waiting_jobs, unfinished_jobs
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = 500, 1_000
OLD_MINOR, NEW_MINOR = TOTAL_MINOR * 105 // 100, TOTAL_MINOR * 110 // 100
UPDATE: dict[str, Any] = {"method": "POST", "path": "/v1/subscriptions/*"}


@pytest.fixture(autouse=True)
def net_prices(settings: Settings) -> None:
    settings.PRICES_INCLUDE_VAT = False
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=OLD)


def subscribe(stripe: Stripe) -> Buyer:
    buyer = new_buyer(credit_minor=0, voucher_minor=0)
    stripe.pay(session_id_of(buyer.check_out().order_id))
    run_until_idle(stripe)
    issue()
    return buyer


def issue() -> None:
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))


def change_rate(basis_points: int = NEW, *, days: int = 0) -> None:
    """Adds a rate after the first month was paid. The months of the sandbox lie ahead of the database's clock."""
    VatRate.objects.create(starts_on=local_day(timezone.now()) + timedelta(days=days), basis_points=basis_points)


def follow(stripe: Stripe) -> None:
    follow_vat_rate(0)
    run_until_idle(stripe)


def advance_a_month(stripe: Stripe) -> None:
    stripe.do("clock", everything=True, months=1)
    run_until_idle(stripe)


def prices_at_stripe(stripe: Stripe) -> list[int]:
    [subscription] = stripe.subscriptions()
    return sorted(item["price"]["unit_amount"] for item in subscription["items"]["data"])


def charged(stripe: Stripe) -> list[int]:
    return [charge["amount"] for charge in stripe.charges()]


def updates(stripe: Stripe) -> list[Object]:
    return stripe.requests(**UPDATE)


def break_kinds() -> list[str]:
    return list(Break.objects.filter(closed_at=None).values_list("kind", flat=True))


def test_the_next_month_costs_the_prices_with_the_new_rate(stripe: Stripe) -> None:
    subscribe(stripe)
    with nothing_changes():
        follow_vat_rate(0)
    change_rate()
    follow(stripe)
    # The month that was paid stays as it is.
    assert (charged(stripe), len(stripe.all("invoices"))) == ([OLD_MINOR], 1)
    assert prices_at_stripe(stripe) == [ADDON_MINOR * 110 // 100, PRICE_MINOR * 110 // 100]
    assert Subscription.objects.get().amount_minor == NEW_MINOR

    for month in (1, 2):
        advance_a_month(stripe)
        assert charged(stripe) == [OLD_MINOR, *[NEW_MINOR] * month]
        with nothing_changes():
            follow_vat_rate(0)
    assert (len(updates(stripe)), break_kinds()) == (1, [])
    assert_books_agree(stripe)


def test_the_invoice_and_the_mail_of_the_month_have_its_rate(stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(stripe)
    change_rate()
    follow(stripe)
    advance_a_month(stripe)
    issue()
    first, month = Document.objects.order_by("supplied_at", "id")
    assert (first.total_minor, first.basis_points, first.vat_minor) == (OLD_MINOR, OLD, included_vat(OLD_MINOR, OLD))
    assert (month.total_minor, month.basis_points) == (NEW_MINOR, NEW)
    assert month.vat_minor == included_vat(NEW_MINOR, NEW) == NEW_MINOR - TOTAL_MINOR
    assert [line["price_minor"] for line in month.lines] == [PRICE_MINOR * 110 // 100, ADDON_MINOR * 110 // 100]

    change_rate(2_000, days=30)
    later = timezone.now() + timedelta(days=40)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert send_mail(mail=Mail.RENEWED, subject_id=Invoice.objects.latest("period_start").id)
    assert "VAT 10%: 1.900 OMR" in mail.outbox[-1].body


def test_a_bundle_keeps_its_discount_under_the_new_rate(stripe: Stripe) -> None:
    AppFactory.create(slug="ghost")
    BundleFactory.create(slug="both", apps=["ghost"], discount_percent=15)
    buyer = new_buyer(credit_minor=0, voucher_minor=0).wanting(plan=PlanFactory.create(price_minor=9_000))
    request = replace(buyer.request, apps=("ghost",), bundle="both")
    order_id = place_order(request=request, by=acting(buyer.customer)).order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    assert charged(stripe) == [8_030 + 2_680]
    issue()
    change_rate()
    follow(stripe)
    advance_a_month(stripe)
    issue()
    assert charged(stripe)[1:] == [8_420 + 2_810]
    month = Document.objects.latest("supplied_at")
    assert [line["price_minor"] for line in month.lines] == [8_420, 2_810]
    assert_books_agree(stripe)


def test_a_rate_that_begins_after_the_next_month_waits_for_its_month(stripe: Stripe) -> None:
    subscribe(stripe)
    change_rate(days=40)
    with nothing_changes():
        follow_vat_rate(0)
    advance_a_month(stripe)
    follow(stripe)
    advance_a_month(stripe)
    assert charged(stripe) == [OLD_MINOR, OLD_MINOR, NEW_MINOR]
    assert break_kinds() == []


@pytest.mark.parametrize("effect", [{"effect": "drop"}, {"effect": "drop", "when": "after"}])
def test_an_answer_that_never_came_is_asked_for_again(stripe: Stripe, effect: dict[str, str]) -> None:
    subscribe(stripe)
    change_rate()
    stripe.fault(**UPDATE, **effect, count=None)
    follow_vat_rate(0)
    with pytest.raises(gateway.Unanswered):
        send_prices(subscription_id=Subscription.objects.get().id)
    assert Subscription.objects.get().amount_minor == OLD_MINOR
    stripe.heal()
    run_until_idle(stripe)
    assert unfinished_jobs() == []
    assert (Subscription.objects.get().amount_minor, sum(prices_at_stripe(stripe))) == (NEW_MINOR, NEW_MINOR)
    advance_a_month(stripe)
    assert (charged(stripe), break_kinds()) == ([OLD_MINOR, NEW_MINOR], [])


def test_a_crash_after_stripes_answer_gives_stripe_the_prices_once(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(stripe)
    change_rate()

    def crash(**_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as broken:
        broken.setattr(following, "lock_subscription", crash)
        with pytest.raises(SystemExit):
            send_prices(subscription_id=Subscription.objects.get().id)
    follow(stripe)
    assert (Subscription.objects.get().amount_minor, len(updates(stripe))) == (NEW_MINOR, 1)


def test_a_subscription_that_fails_stops_no_other(stripe: Stripe) -> None:
    first, second = subscribe(stripe), subscribe(stripe)
    change_rate()
    failing = Subscription.objects.get(organization=first.organization)
    path = f"/v1/subscriptions/{failing.stripe_subscription_id}"
    stripe.fault(method="POST", path=path, effect="answer", status=503, count=None)
    follow_vat_rate(0)
    assert run_waiting_jobs() == 1
    assert Subscription.objects.get(organization=second.organization).amount_minor == NEW_MINOR
    assert find_repriced_subscriptions() == [failing.id]
    # Its job waits, and another round does not add a second one.
    follow_vat_rate(0)
    assert ProcrastinateJob.objects.filter(task_name="send_prices", status="todo").count() == 1


def test_a_price_that_was_changed_at_stripe_is_left_to_staff(stripe: Stripe) -> None:
    subscribe(stripe)
    subscription = Subscription.objects.get()
    items = {item["price"]["unit_amount"]: item for item in stripe.subscriptions()[0]["items"]["data"]}
    other = gateway.call_stripe(
        lambda client: client.v1.prices.create(
            {"currency": "omr", "unit_amount": 100, "recurring": {"interval": "month"}, "product_data": {"name": "x"}}
        )
    )
    changed: Any = {"items": [{"id": min(items.items())[1]["id"], "price": other.id}], "proration_behavior": "none"}
    gateway.call_stripe(lambda client: client.v1.subscriptions.update(subscription.stripe_subscription_id, changed))
    run_until_idle(stripe)
    assert break_kinds() == ["subscription_changed"]
    change_rate()
    assert send_prices(subscription_id=subscription.id) == "changed_at_stripe"
    assert prices_at_stripe(stripe) == [100, PRICE_MINOR * 105 // 100]
    assert break_kinds() == ["subscription_changed"]


def test_a_month_that_began_before_stripe_had_the_price_is_shown_to_staff(stripe: Stripe) -> None:
    subscribe(stripe)
    change_rate()
    advance_a_month(stripe)
    assert charged(stripe) == [OLD_MINOR, OLD_MINOR]
    found = Break.objects.get(closed_at=None)
    assert (found.kind, found.details) == ("subscription_changed", {"stripe": OLD_MINOR, "ours": NEW_MINOR})


def test_a_price_with_vat_in_it_stays(stripe: Stripe, settings: Settings) -> None:
    settings.PRICES_INCLUDE_VAT = True
    subscribe(stripe)
    settings.PRICES_INCLUDE_VAT = False
    change_rate()
    with nothing_changes():
        follow_vat_rate(0)
    assert send_prices(subscription_id=Subscription.objects.get().id) == "unchanged"
    advance_a_month(stripe)
    assert (charged(stripe), break_kinds()) == ([TOTAL_MINOR, TOTAL_MINOR], [])


def test_a_subscription_that_ended_at_stripe_gets_no_price(stripe: Stripe) -> None:
    subscribe(stripe)
    stripe.delete(f"subscriptions/{Subscription.objects.get().stripe_subscription_id}")
    change_rate()
    assert send_prices(subscription_id=Subscription.objects.get().id) == "ended"


def test_a_declined_month_that_credit_pays_has_the_price_that_it_was_billed_at(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    change_rate(days=45)
    stripe.do("cards", behaviour="declines")
    advance_a_month(stripe)
    follow(stripe)
    assert Subscription.objects.get().amount_minor == NEW_MINOR
    give_credit(buyer.customer, OLD_MINOR)
    run_pay_stripe_months(subscription_id=str(Subscription.objects.get().id))
    paid = Order.objects.get(kind=Order.Kind.RENEWAL)
    assert paid.total_minor == sum(line.price_minor for line in paid.lines.all()) == OLD_MINOR
