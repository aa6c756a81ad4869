"""A card is redeemed once, by one customer, and only while its batch is active."""

from collections.abc import Callable

import pytest

from billing.models import LedgerEntry
from billing.queries import balance_of
from promos.errors import (
    CardNotActive,
    PromoAlreadyRedeemed,
    PromoExhausted,
    PromoNotFound,
)
from promos.models import Batch, PromoCode, Redemption
from promos.queries import find_code
from promos.use_cases.cards.change_batch import activate_batch, close_batch, stop_batch, void_batch
from promos.use_cases.redeem_code import release
from promos.use_cases.redeem_many import redeem_many
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.factories import CustomerFactory, PromoCodeFactory, actor
from tests.snapshot import nothing_changes

from .make_batch import DRAFTER, active, codes_of, redeem_for, released

pytestmark = pytest.mark.django_db(transaction=True)


def test_card_grants_the_credit_of_its_batch_and_names_itself() -> None:
    ada, batch = CustomerFactory.create(), active()
    first, *_ = codes_of(batch)
    redeem_for(ada, first)
    redemption = Redemption.objects.get()
    assert (redemption.promo_code_id, redemption.card_serial) == (batch.promo_code_id, batch.first_serial)
    assert balance_of(user_id=ada.user_id).credit_minor == 5_000
    assert LedgerEntry.objects.get().reason == "promo:SHOPS-1"
    assert verify_redemptions() is None


@pytest.mark.parametrize("write", [str.lower, lambda code: code.replace("-", ""), lambda code: f"  {code} "])
def test_card_is_found_however_its_code_is_typed(write: Callable[[str], str]) -> None:
    ada, batch = CustomerFactory.create(), active()
    redeem_for(ada, write(codes_of(batch)[1]))
    assert Redemption.objects.get().card_serial == batch.first_serial + 1


def test_customer_redeems_several_cards_of_a_batch() -> None:
    ada, batch = CustomerFactory.create(), active()
    for code in codes_of(batch):
        redeem_for(ada, code)
    assert balance_of(user_id=ada.user_id).credit_minor == 15_000
    assert verify_redemptions() is None


def test_card_is_redeemed_once() -> None:
    ada, bob, batch = CustomerFactory.create(), CustomerFactory.create(), active()
    code = codes_of(batch)[0]
    redeem_for(ada, code)
    with nothing_changes(), pytest.raises(PromoAlreadyRedeemed):
        redeem_for(ada, code)
    with pytest.raises(PromoExhausted):
        redeem_for(bob, code)
    assert balance_of(user_id=bob.user_id).credit_minor == 0


def test_released_card_can_be_redeemed_by_another_customer() -> None:
    ada, bob, batch = CustomerFactory.create(), CustomerFactory.create(), active()
    code = codes_of(batch)[0]
    redeem_for(ada, code)
    release(redemption=Redemption.objects.get(), reason="wrong customer", by=actor())
    redeem_for(bob, code)
    assert balance_of(user_id=ada.user_id).credit_minor == 0
    assert balance_of(user_id=bob.user_id).credit_minor == 5_000
    assert verify_redemptions() is None


def test_card_of_a_batch_that_is_not_active_looks_unknown() -> None:
    ada, batch = CustomerFactory.create(), released()
    code = codes_of(batch)[0]
    with nothing_changes(), pytest.raises(CardNotActive) as refused:
        redeem_for(ada, code)
    with pytest.raises(PromoNotFound) as unknown:
        redeem_for(ada, "NOSUCHCARD")
    assert (refused.value.code, refused.value.text) == (unknown.value.code, unknown.value.text)


@pytest.mark.parametrize("act", [stop_batch, close_batch, void_batch])
def test_card_is_refused_once_its_batch_is_not_active_any_more(act: Callable[..., Batch]) -> None:
    ada, batch = CustomerFactory.create(), active()
    act(batch=batch, by=DRAFTER, reason="stolen")
    with nothing_changes(), pytest.raises(CardNotActive):
        redeem_for(ada, codes_of(batch)[0])


def test_locked_batch_is_redeemed_again_after_its_next_activation() -> None:
    ada, batch = CustomerFactory.create(), active()
    stop_batch(batch=batch, by=DRAFTER, reason="a box is missing")
    activate_batch(batch=batch, by=DRAFTER, reason="found")
    redeem_for(ada, codes_of(batch)[0])


def test_name_of_a_batch_is_no_code() -> None:
    ada, batch = CustomerFactory.create(), active()
    assert find_code(batch.promo_code.code) is None
    with nothing_changes(), pytest.raises(PromoNotFound):
        redeem_for(ada, batch.promo_code.code)


def test_card_is_not_for_a_list_of_users() -> None:
    batch = active()
    with nothing_changes(), pytest.raises(PromoNotFound):
        redeem_many(code=codes_of(batch)[0], user_ids=["ada", "bob"], why="x", by=actor())


def test_voucher_is_redeemed_as_before_beside_cards() -> None:
    ada = CustomerFactory.create()
    active()
    voucher: PromoCode = PromoCodeFactory.create(code="WELCOME", credit_minor=700)
    redeem_for(ada, "welcome")
    assert Redemption.objects.get().promo_code_id == voucher.id
    with pytest.raises(PromoAlreadyRedeemed):
        redeem_for(ada, "welcome")
