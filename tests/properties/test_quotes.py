"""The quote of a checkout equals what the checkout then does, to the last digit."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import DomainError
from billing.models import Account
from orders.errors import PaymentProcessorNotConfigured
from orders.models import Order
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.checkout.quote_checkout import quote_checkout
from promos.errors import PromoProblem
from tests.database import restore_pristine
from tests.factories import (
    AddOnFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    forget_prices,
    give_credit,
)
from tests.snapshot import nothing_changes

START = datetime(2027, 1, 31, 9, 30, tzinfo=UTC)
PRICE = st.integers(0, 60_000)


@pytest.fixture(scope="module", autouse=True)
def database(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        restore_pristine()


class Undo(Exception):
    """Ends an example without a trace."""


@dataclass(frozen=True)
class Case:
    """Prices in the smallest unit; `old` is the price of the plan that the organization has, if it has one."""

    old: int | None
    new: int
    addon: int | None
    credit: int
    code: str
    code_credit: int
    used: timedelta
    prorates: bool


CASES = st.builds(
    Case,
    old=st.none() | PRICE,
    new=PRICE,
    addon=st.none() | PRICE,
    credit=st.integers(0, 90_000),
    code=st.sampled_from(["", "GIFT", "NEVER", "PAUSED"]),
    code_credit=st.integers(1, 60_000),
    used=st.timedeltas(timedelta(), timedelta(days=40)),
    prorates=st.booleans(),
)


@given(case=CASES)
def test_a_quote_equals_the_checkout(case: Case) -> None:
    forget_prices()
    with override_settings(PRORATION=case.prorates, INITIAL_STRIPE_SECRET_KEY=""):
        try:
            with transaction.atomic():
                _compare(case, now=START + case.used)
                raise Undo
        except Undo:
            pass


def _compare(case: Case, *, now: datetime) -> None:
    organization = OrganizationFactory.create()
    by = acting(organization.customer)
    if case.old is not None:
        PlanFactory.create(slug="old", price_minor=case.old)
        if case.old:
            give_credit(organization.customer, case.old)
        place_order(request=CheckoutRequest(tenant_id=organization.id, plan="old"), by=by, now=START)
    if case.credit:
        give_credit(organization.customer, case.credit)
    PlanFactory.create(slug="new", price_minor=case.new)
    if case.addon is not None:
        AddOnFactory.create(slug="addon", price_minor=case.addon)
    for name in ("GIFT", "PAUSED"):
        PromoCodeFactory.create(code=name, credit_minor=case.code_credit, active=name == "GIFT")
    request = CheckoutRequest(
        tenant_id=organization.id, plan="new", addons=() if case.addon is None else ("addon",), promo_code=case.code
    )

    with nothing_changes():
        quote = quote_checkout(request=request, by=by, now=now)
    assert quote.total_minor == quote.credit_applied_minor + quote.amount_due_minor == case.new + (case.addon or 0)
    assert quote.total_minor == quote.next_month_minor == sum(line.price_minor for line in quote.lines)
    before = Account.objects.get(customer=organization.customer).balance_minor
    granted = quote.promo.credit_minor if quote.promo else 0
    assert before + granted + quote.proration_minor - quote.credit_applied_minor == quote.credit_left_minor
    try:
        with transaction.atomic():
            placed = place_order(request=request, by=by, now=now)
    except DomainError as refusal:
        expected = quote.promo.problem if quote.promo and quote.promo.problem else quote.refusal
        assert type(refusal) is type(expected)
        assert isinstance(refusal, PromoProblem | PaymentProcessorNotConfigured)
        return
    assert quote.refusal is None and (quote.promo is None or quote.promo.problem is None)
    order = Order.objects.get(id=placed.order_id)
    assert quote.amount_due_minor == order.amount_due_minor == 0
    assert quote.credit_applied_minor == order.credit_applied_minor
    assert quote.credit_left_minor == placed.balance_minor
