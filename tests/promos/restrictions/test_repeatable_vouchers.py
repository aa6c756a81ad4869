"""A voucher that one customer redeems several times: as often as its own limits allow, and exactly counted."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from billing.models import Customer
from promos.errors import PromoAlreadyRedeemed, PromoCustomerLimit, PromoDailyLimit, PromoExhausted, PromoRepeatable
from promos.models import PromoCode, Redemption
from promos.models.restrictions import Restrictions, allow_repeats
from promos.use_cases.issue_code import issue_code
from promos.use_cases.redeem_code import redeem, release, reserve
from promos.use_cases.redeem_many import preview_redeem_many, redeem_many
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.consistency import times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada")


def issue(**limits: Any) -> PromoCode:
    return PromoCodeFactory.create(code="GIFT", credit_minor=1_000, max_redemptions=9, restrictions=limits or None)


def use(customer: Customer) -> Redemption:
    return redeem(code="GIFT", user_id=customer.user_id, by=acting(customer))


def give_back(redemption: Redemption) -> None:
    release(redemption=redemption, reason="by mistake", by=actor())


def live_numbers() -> list[int | None]:
    """Return the numbers of the live uses, the first one first."""
    live = Redemption.objects.exclude(status="released").order_by("reserved_at", "id")
    return list(live.values_list("use_number", flat=True))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (None, False),
        ({"only": "orders"}, False),
        ({"uses_per_customer": 1}, False),
        ({"uses_per_customer": 1, "uses_per_day": 3}, False),
        ({"uses_per_customer": 2}, True),
        ({"uses_per_day": 1}, True),
        ({"uses_per_week": 2, "uses_per_month": 3}, True),
    ],
)
def test_python_and_the_database_agree_on_repeatable(rules: Restrictions | None, expected: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT promos_allow_repeats(%s::jsonb)", [json.dumps(rules) if rules else None])
        assert (allow_repeats(rules), cursor.fetchone()[0]) == (expected, expected)


def test_a_customer_redeems_it_up_to_its_limit(ada: Customer) -> None:
    code = issue(uses_per_customer=3)
    for _ in range(2):
        use(ada)
    reserve(promo_code=code, customer_id=ada.pk, order_id=uuid4())
    with nothing_changes(), pytest.raises(PromoCustomerLimit):
        use(ada)
    with nothing_changes(), pytest.raises(PromoCustomerLimit):
        reserve(promo_code=code, customer_id=ada.pk, order_id=uuid4())
    use(CustomerFactory.create())
    assert (live_numbers(), times_redeemed("GIFT")) == ([None, 2, 3, None], 4)
    assert verify_redemptions() is None


def test_without_a_limit_in_all_it_is_redeemed_anew_each_day_up_to_its_cap(ada: Customer) -> None:
    issue(uses_per_day=9)
    for _ in range(9):
        use(ada)
    with nothing_changes(), pytest.raises((PromoExhausted, PromoDailyLimit)):
        use(ada)


@pytest.mark.parametrize("given_back", [0, 1, 2])
def test_a_use_that_is_given_back_is_free_again(ada: Customer, given_back: int) -> None:
    issue(uses_per_customer=3)
    uses = [use(ada) for _ in range(3)]
    give_back(uses[given_back])
    assert live_numbers().count(None) == 1
    use(ada)
    assert live_numbers().count(None) == 1
    with nothing_changes(), pytest.raises(PromoCustomerLimit):
        use(ada)
    assert times_redeemed("GIFT") == 3
    assert verify_redemptions() is None


def test_set_back_to_once_it_is_redeemed_by_all_who_have_a_use_left(ada: Customer) -> None:
    issue(uses_per_customer=3)
    uses = [use(ada) for _ in range(3)]
    issue_code(code="GIFT", terms={"restrictions": None}, by=actor())
    for each in uses:
        with nothing_changes(), pytest.raises(PromoAlreadyRedeemed):
            use(ada)
        give_back(each)
    assert times_redeemed("GIFT") == 0
    use(ada)
    issue_code(code="GIFT", terms={"restrictions": {"uses_per_customer": 2}}, by=actor())
    use(ada)
    assert live_numbers() == [None, 2]


def test_a_list_of_users_needs_a_voucher_that_is_redeemed_once(ada: Customer) -> None:
    issue(uses_per_customer=2)
    with nothing_changes():
        with pytest.raises(PromoRepeatable):
            preview_redeem_many(code="GIFT", user_ids=["ada"])
        with pytest.raises(PromoRepeatable):
            redeem_many(code="GIFT", user_ids=["ada"], why="a gift", by=actor())
