"""Top-ups at the same moment: one redemption for one intent, and never more than the cap."""

from functools import partial

import pytest

from billing.errors import IdempotencyMismatch
from billing.models import Account, IdempotencyKey, LedgerEntry
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.use_cases.top_up import ToppedUp, top_up
from promos.errors import PromoAlreadyRedeemed, PromoExhausted
from promos.models import Redemption
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup
from tests.factories import PromoCodeFactory, actor

THREADS = 32
ROUNDS = 4
CREDIT_MINOR = 10_000

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])
known_or_new = pytest.mark.parametrize("known", [True, False], ids=["known", "first act"])


def redeem_as(user_id: str, code: str, key: str = "", fingerprint: str = "") -> ToppedUp:
    return top_up(
        code=code, by=actor("customer", user_id=user_id), idempotency_key=key, fingerprint=fingerprint or code
    )


def assert_sound() -> None:
    assert verify_ledger().sound
    assert verify_redemptions() is None


@either_code
@known_or_new
def test_one_customer_and_one_key_in_32_threads_have_one_redemption_and_one_answer(known: bool, hot: bool) -> None:
    with ThreadGroup(THREADS) as threads:
        for number in range(ROUNDS):
            user = f"ada-{number}"
            code = PromoCodeFactory.create(max_redemptions=9, hot=hot, credit_minor=CREDIT_MINOR)
            if known:
                ensure_customer(user_id=user)
            outcome = threads.race([partial(redeem_as, user, code.code, "k")] * THREADS)
            assert outcome.refusals == {}
            assert {each.balance_minor for each in outcome.values} == {CREDIT_MINOR}
            assert [each.replayed for each in outcome.values].count(False) == 1
            redemption = Redemption.objects.get(promo_code=code)
            assert LedgerEntry.objects.get(redemption_id=redemption.id).amount_minor == CREDIT_MINOR
            assert IdempotencyKey.objects.filter(customer=redemption.customer).count() == 1
    assert_sound()


@either_code
@known_or_new
def test_one_customer_and_one_code_in_32_threads_have_one_redemption(known: bool, hot: bool) -> None:
    with ThreadGroup(THREADS) as threads:
        for number in range(ROUNDS):
            user = f"ada-{number}"
            code = PromoCodeFactory.create(max_redemptions=THREADS, hot=hot)
            if known:
                ensure_customer(user_id=user)
            # Half of them under keys of their own.
            calls = [partial(redeem_as, user, code.code, f"k{n}" if n % 2 else "") for n in range(THREADS)]
            outcome = threads.race(calls)
            assert len(outcome.values) == 1
            assert outcome.refusals == {PromoAlreadyRedeemed: THREADS - 1}
            assert Redemption.objects.filter(promo_code=code).count() == 1
    assert_sound()


@either_code
@pytest.mark.parametrize("key", ["", "k"], ids=["no key", "a key each"])
def test_of_32_customers_exactly_the_cap_redeem(key: str, hot: bool) -> None:
    cap = 11
    with ThreadGroup(THREADS) as threads:
        for number in range(ROUNDS):
            code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
            calls = [partial(redeem_as, f"user-{number}-{n}", code.code, key) for n in range(THREADS)]
            outcome = threads.race(calls)
            assert len(outcome.values) == cap
            assert outcome.refusals == {PromoExhausted: THREADS - cap}
            assert Redemption.objects.filter(promo_code=code).count() == cap
            assert IdempotencyKey.objects.count() == (cap * (number + 1) if key else 0)
    assert_sound()


@known_or_new
def test_different_codes_under_one_key_have_one_redemption(known: bool) -> None:
    with ThreadGroup(THREADS) as threads:
        for number in range(ROUNDS):
            user = f"ada-{number}"
            codes = [PromoCodeFactory.create(credit_minor=CREDIT_MINOR).code for _ in range(THREADS)]
            if known:
                ensure_customer(user_id=user)
            outcome = threads.race([partial(redeem_as, user, code, "k") for code in codes])
            assert len(outcome.values) == 1
            assert outcome.refusals == {IdempotencyMismatch: THREADS - 1}
            assert Redemption.objects.filter(customer__user_id=user).count() == 1
            assert Account.objects.get(customer__user_id=user).balance_minor == CREDIT_MINOR
    assert_sound()
