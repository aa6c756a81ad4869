"""Lists of codes show their use, exactly, and cost one query whatever their number."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from promos.queries import codes_with_use, find_code, live_codes, normal_code
from promos.use_cases.change_code import retire_code
from promos.use_cases.redeem_code import redeem, release
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor

pytestmark = pytest.mark.django_db(transaction=True)


def listed() -> dict[str, int]:
    return {code.code: int(getattr(code, "times_redeemed", -1)) for code in live_codes()}


def test_list_of_codes_is_one_query_at_one_code_and_at_fifty() -> None:
    customers = [CustomerFactory.create() for _ in range(3)]
    expected = {}
    for number in range(50):
        terms = ({}, {"max_redemptions": 5}, {"max_redemptions": 20, "hot": True})[number % 3]
        code = PromoCodeFactory.create(code=f"GIFT-{number}", **terms)
        for customer in customers[: number % 4]:
            redeem(code=code.code, user_id=customer.user_id, by=acting(customer))
        expected[code.code] = number % 4
        if number == 0:
            with CaptureQueriesContext(connection) as at_one:
                assert listed() == {"GIFT-0": 0}
    with CaptureQueriesContext(connection) as at_fifty:
        assert listed() == expected
    assert (len(at_one), len(at_fifty)) == (1, 1)


def test_live_codes_are_listed_newest_first_without_the_retired() -> None:
    for text in ("FIRST", "SECOND", "THIRD"):
        PromoCodeFactory.create(code=text)
    retire_code(code="SECOND", by=actor())
    assert list(listed()) == ["THIRD", "FIRST"]
    assert sorted(code.code for code in codes_with_use()) == ["FIRST", "SECOND", "THIRD"]


@pytest.mark.parametrize("terms", [{}, {"max_redemptions": 5}, {"max_redemptions": 20, "hot": True}])
def test_released_redemptions_are_not_counted(terms: dict[str, int]) -> None:
    PromoCodeFactory.create(code="GIFT", **terms)
    for _ in range(3):
        customer = CustomerFactory.create()
        redemption = redeem(code="GIFT", user_id=customer.user_id, by=acting(customer))
    release(redemption=redemption, reason="by mistake", by=actor())
    assert listed() == {"GIFT": 2}


@pytest.mark.parametrize("text", ["GIFT", "NOSUCH"])
def test_code_is_looked_up_by_one_query_whether_it_exists_or_not(text: str) -> None:
    PromoCodeFactory.create(code="GIFT")
    with CaptureQueriesContext(connection) as queries:
        assert (find_code(text, customer_id=1) is not None) == (text == "GIFT")
    assert len(queries) == 1


def test_lookup_shows_free_slots_and_the_customers_own_redemption() -> None:
    ada, bob = CustomerFactory.create(), CustomerFactory.create()
    PromoCodeFactory.create(code="ONE", max_redemptions=1)
    PromoCodeFactory.create(code="OPEN")
    redeem(code="ONE", user_id=ada.user_id, by=acting(ada))

    def seen(text: str, customer_id: int) -> tuple[bool, bool]:
        found = find_code(text, customer_id=customer_id)
        return getattr(found, "has_free_slot", None) is True, getattr(found, "redeemed_by_customer", None) is True

    assert seen("ONE", ada.pk) == (False, True)
    assert seen("ONE", bob.pk) == (False, False)
    assert seen("OPEN", ada.pk) == (True, False)


def test_code_is_trimmed_and_upper_case() -> None:
    assert normal_code("  welcome-50_a\n") == "WELCOME-50_A"
