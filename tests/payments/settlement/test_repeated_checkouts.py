"""Checkouts of a customer who has an open session: in a second tab, or with another basket."""

from dataclasses import replace

import pytest

from orders.errors import PaymentInProgress, UnknownAddOn, UnknownApp, UnknownPlan
from orders.models import AddOn, App, Order, Payment, Plan
from orders.models.catalog import CatalogItem
from orders.use_cases.catalog.change_catalog import remove_item
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.checkout.quote_checkout import quote_checkout
from tests.factories import AppFactory, PlanFactory, acting, actor
from tests.payments.buyer import (
    BALANCE_BEFORE_MINOR,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_second_tab_resumes_the_open_session_without_a_call_to_stripe(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    requests_before = len(stripe.requests())
    for other in (buyer, buyer.wanting(key="second tab"), buyer.wanting(key="")):
        again = other.check_out()
        assert (again.order_id, again.session_url) == (first.order_id, first.session_url)
        assert again.balance_minor == BALANCE_BEFORE_MINOR
    assert len(stripe.requests()) == requests_before
    assert Order.objects.count() == 1
    assert_books_agree(stripe)


def test_another_basket_closes_the_open_session_before_it_opens_its_own(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    second = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), key="second").check_out()

    assert (order_status(first.order_id), order_status(second.order_id)) == (
        Order.Status.EXPIRED,
        Order.Status.PENDING,
    )
    assert [session["status"] for session in stripe.sessions()] == ["expired", "open"]
    calls = [each["path"].rpartition("/")[2] for each in stripe.requests(method="POST", path="*sessions*")]
    assert calls == ["sessions", "expire", "sessions"]
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_another_basket_is_refused_while_the_paid_session_is_settled(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    stripe.pay(session_id_of(first.order_id))
    other = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), promo_code=None, key="second")
    with pytest.raises(PaymentInProgress):
        other.check_out()
    assert order_status(first.order_id) == Order.Status.COMPLETED
    run_until_idle(stripe)
    assert_books_agree(stripe)


@pytest.mark.parametrize("retired", [Plan, AddOn, App], ids=lambda model: model.__name__)
def test_a_retired_item_resumes_the_payment_that_sells_it(stripe: Stripe, retired: type[CatalogItem]) -> None:
    buyer, app = new_buyer(), AppFactory.create()
    request = replace(buyer.request, apps=(app.slug,), idempotency_key="")
    first = place_order(request=request, by=acting(buyer.customer))
    item = retired._default_manager.get()
    remove_item(retired, item_id=item.pk, by=actor())

    for again in (request, replace(request, promo_code=""), replace(request, plan=str(buyer.plan.id))):
        resumed = place_order(request=again, by=acting(buyer.customer))
        assert (resumed.order_id, resumed.session_url) == (first.order_id, first.session_url)
    quote = quote_checkout(request=request, by=acting(buyer.customer))
    assert quote.amount_due_minor == Payment.objects.get().amount_minor
    assert [session["status"] for session in stripe.sessions()] == ["open"]
    assert_books_agree(stripe)


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ({"plan": "never-was"}, UnknownPlan),
        ({"addons": ("never-was",)}, UnknownAddOn),
        ({"apps": ("never-was",)}, UnknownApp),
        ({"addons": ()}, UnknownPlan),
    ],
    ids=["plan", "add-on", "app", "another basket of the retired plan"],
)
def test_another_basket_of_a_retired_plan_is_refused_and_closes_nothing(
    stripe: Stripe, wanted: dict[str, object], refusal: type[Exception]
) -> None:
    buyer = new_buyer()
    buyer.check_out()
    remove_item(Plan, item_id=buyer.plan.id, by=actor())
    request: CheckoutRequest = replace(buyer.request, idempotency_key="", **wanted)  # type: ignore[arg-type]
    with pytest.raises(refusal):
        place_order(request=request, by=acting(buyer.customer))
    assert [session["status"] for session in stripe.sessions()] == ["open"]
