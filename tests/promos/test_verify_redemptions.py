"""verify_redemptions compares counts, caps, redemptions and credit, and names the first that disagrees."""

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from billing.models import LedgerEntry
from promos.models import PromoCounter, Redemption
from promos.use_cases.redeem_code import redeem, release, reserve
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.rules import code, corrupt, customer
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = UUID(int=1)
WRONG_CREDIT = "its credit in the ledger does not match its state"


@pytest.fixture(autouse=True)
def history() -> None:
    """GIFT (cap 5): Ada confirmed, Bob released, Carol reserved. OPEN (no cap): Ada confirmed. HOT (20): Bob."""
    ada, bob, carol = (CustomerFactory.create(user_id=name) for name in ("ada", "bob", "carol"))
    gift = PromoCodeFactory.create(code="GIFT", credit_minor=5_000, max_redemptions=5)
    PromoCodeFactory.create(code="OPEN")
    PromoCodeFactory.create(code="HOT", max_redemptions=20, hot=True)
    redeem(code="GIFT", user_id="ada", by=acting(ada))
    redeem(code="OPEN", user_id="ada", by=acting(ada))
    given_back = redeem(code="GIFT", user_id="bob", by=acting(bob))
    release(redemption=given_back, reason="by mistake", by=actor())
    reserve(promo_code=gift, customer_id=carol.pk, order_id=ORDER)
    redeem(code="HOT", user_id="bob", by=acting(bob))


def redemption(text: str, user_id: str) -> Redemption:
    return Redemption.objects.get(promo_code__code=text, customer__user_id=user_id)


def test_real_history_is_sound() -> None:
    with nothing_changes():
        assert verify_redemptions() is None


@pytest.mark.parametrize("used", [1, 3])
def test_count_that_differs_from_the_redemptions_is_named(used: int) -> None:
    corrupt(f"UPDATE promos_promocounter SET used = {used} WHERE promo_code_id = {code('GIFT')}")
    assert verify_redemptions() == ("GIFT", f"2 live redemptions, {used} counted, cap 5 of 5")


def test_a_further_use_without_a_first_one_is_named() -> None:
    ada = CustomerFactory.create(user_id="eve")
    PromoCodeFactory.create(code="TWICE", restrictions={"uses_per_customer": 2})
    redeem(code="TWICE", user_id="eve", by=acting(ada))
    corrupt(f"UPDATE promos_redemption SET use_number = 2 WHERE promo_code_id = {code('TWICE')}")
    assert verify_redemptions() == (
        f"redemption {redemption('TWICE', 'eve').id}",
        "a further use of a customer who has no first one",
    )


def test_slots_that_differ_from_the_cap_are_named() -> None:
    corrupt(f"UPDATE promos_promocounter SET quota = 6 WHERE promo_code_id = {code('GIFT')}")
    assert verify_redemptions() == ("GIFT", "2 live redemptions, 2 counted, cap 6 of 5")


def test_cap_that_differs_from_the_slots_is_named() -> None:
    corrupt("UPDATE promos_promocode SET max_redemptions = 1 WHERE code = 'GIFT'")
    assert verify_redemptions() == ("GIFT", "2 live redemptions, 2 counted, cap 5 of 1")


def test_capped_code_without_counter_is_named() -> None:
    corrupt(f"DELETE FROM promos_promocounter WHERE promo_code_id = {code('GIFT')}")
    assert verify_redemptions() == ("GIFT", "2 live redemptions, 0 counted, cap 0 of 5")


def test_uncapped_code_with_a_counter_is_named() -> None:
    corrupt(f"INSERT INTO promos_promocounter (promo_code_id, quota, used) VALUES ({code('OPEN')}, 5, 1)")
    assert verify_redemptions() == ("OPEN", "1 live redemptions, 1 counted, cap 5 of 0")


def test_missing_counter_of_a_hot_code_is_named() -> None:
    idle = PromoCounter.objects.filter(promo_code__code="HOT", used=0, quota=1).order_by("-id")[0]
    corrupt(f"DELETE FROM promos_promocounter WHERE id = {idle.pk}")
    assert verify_redemptions() == ("HOT", "1 live redemptions, 1 counted, cap 19 of 20")


def test_removed_redemption_is_named_by_its_code() -> None:
    corrupt(f"DELETE FROM promos_redemption WHERE id = '{redemption('GIFT', 'carol').id}'")
    assert verify_redemptions() == ("GIFT", "1 live redemptions, 2 counted, cap 5 of 5")


def test_redemption_released_without_its_credit_is_named_by_its_code() -> None:
    corrupt(
        "UPDATE promos_redemption SET status = 'released', released_at = now(), release_reason = 'x'"
        f" WHERE id = '{redemption('GIFT', 'carol').id}'"
    )
    assert verify_redemptions() == ("GIFT", "1 live redemptions, 2 counted, cap 5 of 5")


def test_confirmed_redemption_of_another_amount_than_was_granted_is_named() -> None:
    wrong = redemption("GIFT", "ada")
    corrupt(f"UPDATE promos_redemption SET credit_minor = 5001 WHERE id = '{wrong.id}'")
    assert verify_redemptions() == (f"redemption {wrong.id}", WRONG_CREDIT)


def test_confirmed_redemption_without_its_grant_is_named() -> None:
    wrong = redemption("OPEN", "ada")
    corrupt(f"DELETE FROM billing_ledgerentry WHERE redemption_id = '{wrong.id}'")
    assert verify_redemptions() == (f"redemption {wrong.id}", WRONG_CREDIT)


def test_reserved_redemption_with_credit_is_named() -> None:
    wrong = redemption("GIFT", "carol")
    granted = LedgerEntry.objects.get(redemption_id=redemption("OPEN", "ada").id)
    corrupt(f"UPDATE billing_ledgerentry SET redemption_id = '{wrong.id}' WHERE id = '{granted.id}'")
    corrupt(f"DELETE FROM promos_redemption WHERE id = '{redemption('OPEN', 'ada').id}'")
    assert verify_redemptions() == (f"redemption {wrong.id}", WRONG_CREDIT)


def test_released_redemption_whose_credit_was_kept_is_named() -> None:
    wrong = redemption("GIFT", "bob")
    corrupt(f"DELETE FROM billing_ledgerentry WHERE kind = 'reversal' AND account_id = {customer('bob')}")
    assert verify_redemptions() == (f"redemption {wrong.id}", WRONG_CREDIT)


def test_codes_are_named_before_redemptions_in_order() -> None:
    corrupt(f"DELETE FROM promos_promocounter WHERE promo_code_id = {code('GIFT')}")
    corrupt(f"INSERT INTO promos_promocounter (promo_code_id, quota, used) VALUES ({code('OPEN')}, 5, 1)")
    found = verify_redemptions()
    assert found is not None
    assert found[0] == "GIFT"


def test_command_says_that_all_is_sound_or_fails_with_the_first_that_is_not() -> None:
    out = StringIO()
    call_command("verify_redemptions", stdout=out)
    assert out.getvalue() == "sound: every code's count, redemptions and credit agree\n"
    corrupt(f"DELETE FROM promos_promocounter WHERE promo_code_id = {code('GIFT')}")
    with pytest.raises(CommandError) as caught:
        call_command("verify_redemptions")
    assert str(caught.value) == "GIFT: 2 live redemptions, 0 counted, cap 0 of 5"
