"""A code whose credit changes while a checkout by card is on its way."""

import pytest
from django.utils import timezone

from orders.errors import OrderStale
from orders.models import Order
from orders.use_cases.checkout.checkout_context import load_checkout_context
from orders.use_cases.checkout.place_order import CheckoutRequest
from orders.use_cases.payments.open_payment import open_payment
from promos.models import Redemption
from promos.use_cases.issue_code import Terms, issue_code
from tests.consistency import ledger_and_redemptions_agree
from tests.factories import OrganizationFactory, PlanFactory, PromoCodeFactory, acting, actor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("changed_minor", [1_000, 6_000], ids=["less", "more"])
def test_a_payment_is_not_opened_by_a_credit_that_the_code_no_longer_grants(changed_minor: int) -> None:
    plan, organization = PlanFactory.create(price_minor=9_000), OrganizationFactory.create()
    code = PromoCodeFactory.create(credit_minor=5_000, max_redemptions=3)
    request = CheckoutRequest(tenant_id=organization.id, plan=plan.slug, promo_code=code.code)
    by, now = acting(organization.customer), timezone.now()
    context = load_checkout_context(request=request, user_id=by.user_id, now=now)
    basket = context.price_basket()
    seen = context.find_promo_code(basket, by=by)
    issue_code(code=code.code, terms=Terms(credit_minor=changed_minor, max_redemptions=3), by=actor())

    with pytest.raises(OrderStale):
        open_payment(
            organization=organization,
            request=request,
            basket=basket,
            catalog=context.catalog,
            replaces=None,
            promo_code=seen,
            by=by,
            now=now,
        )

    assert not Order.objects.exists()
    assert not Redemption.objects.exists()
    assert ledger_and_redemptions_agree()
