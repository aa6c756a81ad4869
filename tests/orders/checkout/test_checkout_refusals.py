"""A checkout that cannot be completed changes nothing at all, and says why."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from billing.errors import DomainError, OrganizationNotFound
from billing.models import Customer, LedgerEntry, Organization
from billing.queries import balance_of
from billing.use_cases.ledger.hold_credit import hold_credit
from orders.errors import PaymentProcessorNotConfigured, UnknownAddOn, UnknownApp, UnknownPlan
from orders.models import AddOn, Order, Plan
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.organizations.delete_organization import delete_organization
from promos.errors import (
    PromoAlreadyRedeemed,
    PromoExhausted,
    PromoExpired,
    PromoInactive,
    PromoNotFound,
    PromoNotStarted,
    PromoProblem,
)
from promos.models import Redemption
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.redeem_code import redeem
from tests.consistency import ledger_and_redemptions_agree, times_redeemed
from tests.factories import (
    CustomerFactory,
    OrganizationFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
MONTH_LATER = datetime(2026, 12, 30, 12, 30, tzinfo=UTC)


def test_ten_omr_voucher_is_not_spent_by_a_fifty_omr_order_and_then_pays_nine(buy: Buy, ada: Customer) -> None:
    PromoCodeFactory.create(code="TEN", credit_minor=10_000, max_redemptions=1)
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured, match="payment processor is not configured"):
        buy("huge", promo_code="TEN")
    assert times_redeemed("TEN") == 0
    assert Redemption.objects.count() == LedgerEntry.objects.count() == Order.objects.count() == 0

    assert buy("m", promo_code="TEN").balance_minor == 1_000
    assert times_redeemed("TEN") == 1
    assert [(entry.amount_minor, entry.reason) for entry in balance_of(user_id="ada").entries] == [
        (-9_000, "order-payment"),
        (10_000, "promo:TEN"),
    ]
    assert Order.objects.get().status == "completed"
    assert ledger_and_redemptions_agree()


def test_another_customer_can_redeem_the_voucher_of_a_refused_order(buy: Buy) -> None:
    PromoCodeFactory.create(code="TEN", credit_minor=10_000, max_redemptions=1)
    with pytest.raises(PaymentProcessorNotConfigured):
        buy("huge", promo_code="TEN")
    other = OrganizationFactory.create()
    assert buy("m", tenant=other, promo_code="TEN").balance_minor == 1_000


@pytest.mark.parametrize("hot", [False, True])
def test_a_refused_order_does_not_take_the_last_slot(buy: Buy, hot: bool) -> None:
    PromoCodeFactory.create(code="TEN", credit_minor=10_000, max_redemptions=1, hot=hot)
    for _ in range(3):
        with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
            buy("huge", promo_code="TEN")
    buy("m", promo_code="TEN")
    other = OrganizationFactory.create()
    with nothing_changes(), pytest.raises(PromoExhausted):
        buy("m", tenant=other, promo_code="TEN")


def test_credit_that_is_one_baisa_short_does_not_pay_for_an_order(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 8_999)
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
        buy("m")


def test_credit_that_is_held_does_not_pay_for_another_order(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 9_000)
    hold_credit(customer_id=ada.pk, amount_minor=1, order_id=uuid4())
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
        buy("m")


@pytest.mark.parametrize(
    ("request_fields", "error", "named"),
    [
        ({"plan": "nosuch"}, UnknownPlan, {"plan_id": ["nosuch"]}),
        ({"plan": ""}, UnknownPlan, {"plan_id": [""]}),
        ({"plan": str(UUID(int=7))}, UnknownPlan, {"plan_id": [str(UUID(int=7))]}),
        ({"plan": "backup"}, UnknownPlan, {"plan_id": ["backup"]}),
        ({"plan": "m", "addons": ("backup", "nosuch")}, UnknownAddOn, {"addons": ["nosuch"]}),
        ({"plan": "m", "addons": ("m",)}, UnknownAddOn, {"addons": ["m"]}),
        ({"plan": "m", "apps": ("nosuch", "wordpress", "gone")}, UnknownApp, {"apps": ["nosuch", "gone"]}),
    ],
)
def test_an_unknown_item_is_refused_by_name(
    buy: Buy, ada: Customer, request_fields: dict[str, object], error: type[DomainError], named: dict[str, list[str]]
) -> None:
    give_credit(ada, 50_000)
    with nothing_changes(), pytest.raises(error) as caught:
        buy(**request_fields)
    assert caught.value.fields == named


def test_item_that_is_no_longer_offered_is_unknown(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    Plan.objects.filter(slug="l").update(active=False)
    AddOn.objects.filter(slug="backup").update(active=False)
    with nothing_changes(), pytest.raises(UnknownPlan):
        buy("l")
    with nothing_changes(), pytest.raises(UnknownAddOn):
        buy("m", addons=("backup",))


def test_another_customers_organization_is_not_found(buy: Buy, acme: Organization) -> None:
    eve = CustomerFactory.create(user_id="eve")
    give_credit(eve, 50_000)
    for tenant_id in (acme.id, uuid4()):
        with nothing_changes(), pytest.raises(OrganizationNotFound):
            place_order(request=CheckoutRequest(tenant_id=tenant_id, plan="m"), by=acting(eve))


def test_a_superadmin_cannot_buy_for_a_customer(acme: Organization) -> None:
    with nothing_changes(), pytest.raises(OrganizationNotFound):
        place_order(request=CheckoutRequest(tenant_id=acme.id, plan="flexi"), by=actor())


def test_deleted_organization_is_not_found(buy: Buy, ada: Customer, acme: Organization) -> None:
    give_credit(ada, 50_000)
    delete_organization(organization_id=acme.id, by=acting(ada))
    with nothing_changes(), pytest.raises(OrganizationNotFound):
        buy("m")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("NOSUCH", PromoNotFound),
        ("RETIRED", PromoNotFound),
        ("PAUSED", PromoInactive),
        ("SOON", PromoNotStarted),
        ("OVER", PromoExpired),
        ("FULL", PromoExhausted),
        ("MINE", PromoAlreadyRedeemed),
    ],
)
def test_promo_problem_refuses_the_whole_order(buy: Buy, ada: Customer, code: str, error: type[PromoProblem]) -> None:
    give_credit(ada, 50_000)
    PromoCodeFactory.create(code="RETIRED")
    retire_code(code="RETIRED", by=actor())
    PromoCodeFactory.create(code="PAUSED")
    pause_code(code="PAUSED", by=actor())
    PromoCodeFactory.create(code="SOON", starts_at=MONTH_LATER)
    PromoCodeFactory.create(code="OVER", expires_at=NOW)
    PromoCodeFactory.create(code="FULL", max_redemptions=1)
    other = CustomerFactory.create()
    redeem(code="FULL", user_id=other.user_id, by=acting(other))
    PromoCodeFactory.create(code="MINE")
    redeem(code="MINE", user_id="ada", by=acting(ada))
    with nothing_changes(), pytest.raises(PromoProblem) as caught:
        buy("m", promo_code=code, now=NOW)
    assert caught.type is error


def test_a_promo_problem_is_reported_before_the_missing_credit(buy: Buy) -> None:
    with nothing_changes(), pytest.raises(PromoNotFound):
        buy("huge", promo_code="NOSUCH")
