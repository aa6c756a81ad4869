"""Scenarios of redemptions, releases, codes, holds and ledger entries, inside a checkout and beside one."""

from collections.abc import Callable
from functools import partial
from itertools import count
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit
from billing.use_cases.ledger.post_entry import grant_credit
from promos.errors import CapBelowUsed, CreditSpent
from promos.models import PromoCode, Redemption
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import redeem, release, reserve
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor, give_credit
from tests.faults.scenarios import CREDIT_MINOR, Scenario, shop

_numbers = count()


def redeemed_outside_an_order() -> Scenario:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create(max_redemptions=2)
    act = partial(redeem, code=promo_code.code, user_id=customer.user_id, by=acting(customer))
    return Scenario(act=act, ends=Redemption)


def redeemed_inside_a_transaction(*, hot: bool = False) -> Scenario:
    """In a transaction a redemption joins no batch."""
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create(max_redemptions=20, hot=hot)

    def redeem_in_a_transaction() -> Redemption:
        with transaction.atomic():
            return redeem(
                code=promo_code.code, user_id=customer.user_id, by=acting(customer), key="key", fingerprint="body"
            )

    return Scenario(act=redeem_in_a_transaction, ends=Redemption)


def redeemed_a_hot_code_inside_a_transaction() -> Scenario:
    return redeemed_inside_a_transaction(hot=True)


def redeemed_by_a_newcomer() -> Scenario:
    user_id = f"newcomer-{next(_numbers)}"
    act = partial(redeem, code=PromoCodeFactory.create().code, user_id=user_id, by=actor(user_id=user_id))
    return Scenario(act=act, ends=Redemption)


def redeemed_with_a_new_email() -> Scenario:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create()
    act = partial(
        redeem, code=promo_code.code, user_id=customer.user_id, email="new@example.org", by=acting(customer)
    )
    return Scenario(act=act, ends=Redemption)


def reserved_for_an_order() -> Scenario:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create(max_redemptions=2)
    act = partial(reserve, promo_code=promo_code, customer_id=customer.pk, order_id=uuid4())
    return Scenario(act=act, ends=Redemption)


def _redeemed(**terms: object) -> Redemption:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create(**terms)
    return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))


def released() -> Scenario:
    redemption = _redeemed(max_redemptions=2)
    return Scenario(act=partial(release, redemption=redemption, reason="test", by=actor()), ends=Redemption)


def released_of_a_hot_code() -> Scenario:
    redemption = _redeemed(max_redemptions=20, hot=True)
    return Scenario(act=partial(release, redemption=redemption, reason="test", by=actor()), ends=Redemption)


def released_after_it_was_spent() -> Scenario:
    shopping = shop()
    placed = shopping.buy()()
    redemption = Redemption.objects.get(order_id=placed.order_id)
    return Scenario(act=partial(release, redemption=redemption, reason="test", by=actor()), ends=CreditSpent)


def _issue(code: str, cap: int) -> Callable[[], PromoCode]:
    terms = Terms(credit_minor=CREDIT_MINOR, max_redemptions=cap, hot=True)
    return partial(issue_code, code=code, terms=terms, by=actor())


def cap_changed() -> Scenario:
    return Scenario(act=_issue(_redeemed(max_redemptions=3).promo_code.code, 30), ends=PromoCode)


def cap_below_use() -> Scenario:
    redemption = _redeemed(max_redemptions=3)
    other = CustomerFactory.create()
    redeem(code=redemption.promo_code.code, user_id=other.user_id, by=acting(other))
    return Scenario(act=_issue(redemption.promo_code.code, 1), ends=CapBelowUsed)


def code_issued() -> Scenario:
    return Scenario(act=_issue(f"FRESH-{next(_numbers)}", 5), ends=PromoCode)


def held_and_captured() -> Scenario:
    customer, order_id = CustomerFactory.create(), uuid4()
    give_credit(customer, CREDIT_MINOR)
    hold_credit(customer_id=customer.pk, amount_minor=CREDIT_MINOR, order_id=order_id)
    return Scenario(act=partial(capture_hold, order_id=order_id, by=actor()), ends=LedgerEntry)


def _post_raw(*, account_id: int, reverses: LedgerEntry | None = None, amount_minor: int = 1) -> Callable[[], object]:
    entry = LedgerEntry(
        account_id=account_id,
        kind="reversal" if reverses else "grant",
        amount_minor=amount_minor,
        reason="test",
        note="test",
        reverses=reverses,
        actor_id="test",
        actor_role="system",
        channel="command",
    )
    return partial(entry.save, force_insert=True)


def reversal_of_another_amount() -> Scenario:
    customer = CustomerFactory.create()
    entry = grant_credit(customer_id=customer.pk, amount_minor=CREDIT_MINOR, reason="test", by=actor())
    return Scenario(act=_post_raw(account_id=customer.pk, reverses=entry), ends=IntegrityError)


def entry_without_an_account() -> Scenario:
    return Scenario(act=_post_raw(account_id=-1), ends=IntegrityError)


def entry_of_a_merged_customer() -> Scenario:
    merged, survivor = CustomerFactory.create_batch(2)
    Customer.objects.filter(pk=merged.pk).update(merged_into=survivor, merged_at=timezone.now())
    return Scenario(act=_post_raw(account_id=merged.pk), ends=IntegrityError)


def grant_of_a_negative_amount() -> Scenario:
    customer = CustomerFactory.create()
    return Scenario(act=_post_raw(account_id=customer.pk, amount_minor=-1), ends=IntegrityError)


ENTRIES_OF_A_CHECKOUT: tuple[Callable[[], Scenario], ...] = (
    redeemed_outside_an_order,
    redeemed_inside_a_transaction,
    redeemed_a_hot_code_inside_a_transaction,
    # Late, because a newcomer whose redemption fails is a customer nevertheless, and a new email is kept.
    redeemed_with_a_new_email,
    redeemed_by_a_newcomer,
    reserved_for_an_order,
    released,
    reversal_of_another_amount,
    entry_without_an_account,
    entry_of_a_merged_customer,
    grant_of_a_negative_amount,
)
BESIDE_A_CHECKOUT: tuple[Callable[[], Scenario], ...] = (
    released,
    released_of_a_hot_code,
    released_after_it_was_spent,
    cap_changed,
    cap_below_use,
    code_issued,
    held_and_captured,
)
