"""A slot reserved for a payment counts, and grants its credit when it is confirmed."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from billing.errors import CustomerNotFound
from billing.models import Customer, LedgerEntry
from billing.queries import balance_of
from promos.errors import (
    PromoAlreadyRedeemed,
    PromoExhausted,
    PromoExpired,
    PromoInactive,
    PromoNotFound,
    PromoNotStarted,
    PromoProblem,
    RedemptionNotReserved,
)
from promos.models import PromoCode, Redemption
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import confirm, redeem, release, reserve
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.consistency import times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = UUID(int=1)


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada")


@pytest.fixture(params=[{"max_redemptions": 1}, {"max_redemptions": 20, "hot": True}, {}], ids=["one", "hot", "open"])
def code(request: pytest.FixtureRequest) -> PromoCode:
    return PromoCodeFactory.create(code="LATER", credit_minor=5_000, **request.param)


def reserved(code: PromoCode, customer: Customer) -> Redemption:
    return reserve(promo_code=code, customer_id=customer.pk, order_id=ORDER)


def test_reservation_takes_a_slot_and_grants_nothing(ada: Customer, code: PromoCode) -> None:
    redemption = reserved(code, ada)
    assert (redemption.status, redemption.order_id, redemption.confirmed_at) == ("reserved", ORDER, None)
    assert times_redeemed("LATER") == 1
    assert balance_of(user_id="ada").entries == ()
    assert verify_redemptions() is None


def test_confirmed_reservation_is_credited_once(ada: Customer, code: PromoCode) -> None:
    redemption = reserved(code, ada)
    confirm(redemption=redemption, by=acting(ada))
    with nothing_changes():
        again = confirm(redemption=redemption, by=acting(ada))
    assert (again.status, again.confirmed_at is not None) == ("confirmed", True)
    entry = LedgerEntry.objects.get()
    assert (entry.amount_minor, entry.reason, entry.order_id) == (5_000, "promo:LATER", ORDER)
    assert entry.redemption_id == redemption.id
    assert times_redeemed("LATER") == 1
    assert verify_redemptions() is None


def test_confirmation_grants_the_credit_that_was_reserved(ada: Customer, code: PromoCode) -> None:
    redemption = reserved(code, ada)
    issue_code(code="LATER", terms=Terms(credit_minor=1), by=actor())
    retire_code(code="LATER", by=actor())
    confirm(redemption=redemption, by=acting(ada))
    assert balance_of(user_id="ada").credit_minor == 5_000


def test_released_reservation_returns_its_slot_and_is_not_confirmed(ada: Customer, code: PromoCode) -> None:
    redemption = reserved(code, ada)
    release(redemption=redemption, reason="payment failed", by=acting(ada))
    assert times_redeemed("LATER") == 0
    assert balance_of(user_id="ada").entries == ()
    with nothing_changes(), pytest.raises(RedemptionNotReserved):
        confirm(redemption=redemption, by=acting(ada))


def test_customer_reserves_once(ada: Customer, code: PromoCode) -> None:
    reserved(code, ada)
    with nothing_changes(), pytest.raises(PromoAlreadyRedeemed):
        reserved(code, ada)
    with nothing_changes(), pytest.raises(PromoAlreadyRedeemed):
        redeem(code="LATER", user_id="ada", by=acting(ada))


def test_a_second_reservation_is_refused_before_the_codes_own_state_is_checked(
    ada: Customer, code: PromoCode
) -> None:
    reserved(code, ada)
    pause_code(code="LATER", by=actor())
    with nothing_changes(), pytest.raises(PromoAlreadyRedeemed):
        redeem(code="LATER", user_id="ada", by=acting(ada))


def test_reservations_take_slots_up_to_the_cap(ada: Customer) -> None:
    code = PromoCodeFactory.create(code="LATER", max_redemptions=1)
    reserved(code, CustomerFactory.create())
    with nothing_changes(), pytest.raises(PromoExhausted):
        reserved(code, ada)


@pytest.mark.parametrize(("change", "refusal"), [(pause_code, PromoInactive), (retire_code, PromoNotFound)])
def test_code_that_changed_since_it_was_read_is_not_reserved(
    ada: Customer, code: PromoCode, change: Callable[..., PromoCode], refusal: type[PromoProblem]
) -> None:
    change(code="LATER", by=actor())
    with nothing_changes(), pytest.raises(PromoProblem) as caught:
        reserved(code, ada)
    assert caught.type is refusal


def test_new_terms_since_the_code_was_read_are_the_terms_of_its_reservation(ada: Customer, code: PromoCode) -> None:
    issue_code(code="LATER", terms=Terms(credit_minor=8, max_redemptions=50, hot=not code.hot), by=actor())
    assert reserved(code, ada).credit_minor == 8
    assert times_redeemed("LATER") == 1
    assert verify_redemptions() is None


def test_code_outside_its_window_is_not_reserved(ada: Customer) -> None:
    now = timezone.now()
    code = PromoCodeFactory.create(code="LATER", starts_at=now, expires_at=now + timedelta(days=1))
    for moment, refusal in (
        (now - timedelta(microseconds=1), PromoNotStarted),
        (now + timedelta(days=1), PromoExpired),
    ):
        with nothing_changes(), pytest.raises(refusal):
            reserve(promo_code=code, customer_id=ada.pk, order_id=ORDER, now=moment)
    with only_changes("promos_redemption"):
        reserve(promo_code=code, customer_id=ada.pk, order_id=ORDER, now=now)


def test_unknown_customer_reserves_nothing(code: PromoCode) -> None:
    with nothing_changes(), pytest.raises(CustomerNotFound):
        reserve(promo_code=code, customer_id=-1, order_id=ORDER)
