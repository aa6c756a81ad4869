"""Random games of vouchers, credit and checkouts, each step compared with the plain model in model.py.

A step calls one use case, which commits to PostgreSQL, and one action of the model. They must agree on the
refusal, and after every step on all counts, balances, redemptions, orders and subscriptions. At the end of
each game the ledger and the redemptions must verify.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID, uuid4

import pytest
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing.errors import DomainError
from billing.models import Customer, LedgerEntry, Organization
from billing.use_cases.ledger import hold_credit
from billing.use_cases.ledger.post_entry import adjust_credit, reverse_entry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.models import PromoCode
from promos.models import Redemption as RedemptionRow
from promos.queries import codes_with_use
from promos.use_cases.change_code import pause_code, resume_code, retire_code
from promos.use_cases.issue_code import Terms as TermsGiven
from promos.use_cases.issue_code import issue_code
from promos.use_cases.redeem_code import confirm, redeem, release, reserve
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.database import restore_pristine
from tests.factories import AddOnFactory, CustomerFactory, OrganizationFactory, PlanFactory, acting, actor

from .model import START, Answer, Basket, Model, Refusals, Terms

EVERYTHING = {
    *("issue", "pause", "resume", "retire", "redeem", "reserve", "confirm", "release", "checkout"),
    *("adjust", "reverse", "hold", "capture"),
}
Choice = TypeVar("Choice")

STAFF = actor()
PLANS = {"flexi": 0, "m": 9_000, "huge": 50_000}
ADDONS = {"backup": 3_000, "waf": 0}
OWNERS = {"ada-one": "ada", "ada-two": "ada", "bob-one": "bob"}

users = st.sampled_from(["ada", "bob", "cleo"])
tenants = st.sampled_from(list(OWNERS))
codes = st.sampled_from(["GIFT", "RARE", "RUSH"])
credits = st.sampled_from([1_000, 9_000, 9_000, 50_000])
indexes = st.integers(min_value=0, max_value=10**6)
# Mostly without a window, so that most codes can be redeemed; hours on the model's clock.
windows = st.sampled_from([(None, None)] * 6 + [(0, 24), (12, None), (None, 12), (24, 48)])
all_terms = st.builds(
    lambda credit, cap, active, window, uses: Terms(credit, cap, active, window[0], window[1], uses),
    credits,
    st.sampled_from([0, 1, 1, 2, 3, 20]),
    st.sampled_from([True, True, True, False]),
    windows,
    st.sampled_from([1, 1, 2, 3]),
)
hold_verbs = st.sampled_from(["hold", "hold again", "capture", "release"])
keys = st.sampled_from(["", "key-1", "key-1", "key-2"])
baskets = st.builds(
    lambda plan, addons: Basket(plan, addons, PLANS[plan] + sum(ADDONS[name] for name in addons)),
    st.sampled_from(["m", "m", "flexi", "huge"]),
    st.sampled_from([frozenset[str](), frozenset({"waf", "backup"})]),
)


# The stored state, in one query; of several holds of an order, the newest.
STATE = """
SELECT json_build_object(
  'accounts', (SELECT json_object_agg(user_id, json_build_array(balance_minor, held_minor, version))
                 FROM billing_account JOIN billing_customer ON id = customer_id),
  'redemptions', (SELECT coalesce(json_object_agg(r.id, json_build_array(code, user_id, r.credit_minor, status)),
                                   '{}')
                    FROM promos_redemption r JOIN promos_promocode p ON p.id = promo_code_id
                    JOIN billing_customer c ON c.id = customer_id),
  'orders', (SELECT coalesce(json_object_agg(id, json_build_array(status, total_minor, credit_applied_minor)), '{}')
               FROM orders_order),
  'announced', (SELECT coalesce(json_agg(order_id ORDER BY order_id::text), '[]') FROM orders_outboxevent
            WHERE type = 'order.placed'),
  'live', (SELECT coalesce(json_object_agg(slug, amount_minor), '{}')
             FROM billing_subscription s JOIN billing_organization o ON o.id = organization_id
            WHERE s.status = 'active'),
  'holds', (SELECT coalesce(json_object_agg(order_id, json_build_array(amount_minor, status)), '{}')
              FROM (SELECT DISTINCT ON (order_id) * FROM billing_hold ORDER BY order_id, created_at DESC, id DESC) h))
"""

# Codes as the service lists them; compiled once, since every step runs it.
CODES = (
    cast(Any, codes_with_use())
    .values_list("code", "times_redeemed", "credit_minor", "max_redemptions", "active", "retired_at")
    .query.sql_with_params()
)


def pick(choices: Sequence[Choice], index: int) -> Choice:
    return choices[index % len(choices)]


class Vouchers(RuleBasedStateMachine):
    # The number of successes by action, in all games.
    done: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        restore_pristine()
        for slug, price_minor in PLANS.items():
            PlanFactory.create(slug=slug, price_minor=price_minor)
        for slug, price_minor in ADDONS.items():
            AddOnFactory.create(slug=slug, price_minor=price_minor)
        self.customers: dict[str, Customer] = {
            name: CustomerFactory.create(user_id=name) for name in ("ada", "bob", "cleo")
        }
        self.tenants: dict[str, Organization] = {
            slug: OrganizationFactory.create(slug=slug, customer=self.customers[owner])
            for slug, owner in OWNERS.items()
        }
        self.model = Model(owners=dict(OWNERS))
        self.redemption_ids: list[UUID] = []
        self.order_ids: list[UUID] = []
        self.held_order_ids: list[UUID] = []

    def play(self, name: str, expected: Refusals, action: Callable[[], object]) -> None:
        """Assert that the service refuses for one of the expected reasons, or succeeds if there is none."""
        refusal = ""
        try:
            action()
        except DomainError as error:
            refusal = type(error).__name__
        if expected or refusal:
            assert refusal in expected, f"{refusal or 'done'}, expected {sorted(expected) or 'done'}"
        else:
            self.done[name] += 1

    @property
    def now(self) -> datetime:
        return START + timedelta(hours=self.model.hour)

    def at(self, hour: int | None) -> datetime | None:
        return None if hour is None else START + timedelta(hours=hour)

    # --- codes ---

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        for user in self.customers:
            self.adjust(user, data.draw(st.sampled_from([9_000, 12_000, 50_000])))
        for code, cap, uses in (("GIFT", 0, 2), ("RARE", 1, 1), ("RUSH", 20, 1)):
            terms = Terms(data.draw(credits), cap, active=True, starts=None, ends=None, uses=uses)
            self.issue(code, terms, hot=code == "RUSH")

    @rule(code=codes, terms=all_terms, hot=st.booleans())
    def issue(self, code: str, terms: Terms, hot: bool) -> None:
        given = TermsGiven(
            credit_minor=terms.credit,
            max_redemptions=terms.cap,
            hot=hot,
            active=terms.active,
            starts_at=self.at(terms.starts),
            expires_at=self.at(terms.ends),
            restrictions={"uses_per_customer": terms.uses} if terms.uses > 1 else None,
        )
        self.play("issue", self.model.issue(code, terms), lambda: issue_code(code=code, terms=given, by=STAFF))

    @rule(code=codes, verb=st.sampled_from(["pause", "resume", "resume", "retire"]))
    def change(self, code: str, verb: str) -> None:
        use_case = {"pause": pause_code, "resume": resume_code, "retire": retire_code}[verb]
        self.play(verb, self.model.change(code, verb), lambda: use_case(code=code, by=STAFF))

    @rule(number=st.sampled_from([1, 12, 24, 24]))
    def wait(self, number: int) -> None:
        self.model.hour += number

    # --- redemptions ---

    @rule(user=users, code=codes, written=st.sampled_from([str.upper, str.lower, " {} ".format]))
    def redeem(self, user: str, code: str, written: Callable[[str], str]) -> None:
        text = written(code)

        def play() -> None:
            made = redeem(code=text, user_id=user, by=acting(self.customers[user]), now=self.now)
            self.redemption_ids.append(made.id)

        self.play("redeem", self.model.redeem(code, user), play)

    @rule(user=users, code=codes)
    def reserve(self, user: str, code: str) -> None:
        promo_code = PromoCode.objects.get(code=code)

        def play() -> None:
            made = reserve(
                promo_code=promo_code,
                customer_id=self.customers[user].pk,
                order_id=uuid4(),
                now=self.now,
            )
            self.redemption_ids.append(made.id)

        self.play("reserve", self.model.reserve(code, user), play)

    @precondition(lambda self: self.redemption_ids)
    @rule(index=indexes, verb=st.sampled_from(["confirm", "release", "release", "release nothing"]))
    def settle(self, index: int, verb: str) -> None:
        number = index % len(self.redemption_ids)
        made = RedemptionRow.objects.get(id=self.redemption_ids[number])
        if verb == "confirm":
            expected = self.model.confirm(number)
            self.play(verb, expected, lambda: confirm(redemption=made, by=STAFF))
        elif verb == "release":
            expected = self.model.release(number)
            self.play(verb, expected, lambda: release(redemption=made, reason="a game", by=STAFF))
        else:
            assert release(redemption=None, reason="a game", by=STAFF) is None

    # --- credit ---

    @rule(user=users, amount=st.sampled_from([-50_000, -9_000, -1, 0, 1, 9_000, 12_000, 12_000, 50_000]))
    def adjust(self, user: str, amount: int) -> None:
        pk = self.customers[user].pk
        expected = self.model.adjust(user, amount)
        self.play(
            "adjust", expected, lambda: adjust_credit(customer_id=pk, amount_minor=amount, why="a game", by=STAFF)
        )

    @rule(user=users, amount=st.sampled_from([1, 2, 1_000, 9_000]), verb=hold_verbs, index=indexes)
    def hold(self, user: str, amount: int, verb: str, index: int) -> None:
        if self.held_order_ids and verb != "hold":
            self.settle_hold(verb, index % len(self.held_order_ids))
            return
        order_id = uuid4()
        expected = self.model.hold(user, amount)
        self.play("hold", expected, lambda: self.play_hold(user, amount, order_id))
        if not expected:
            self.held_order_ids.append(order_id)

    def play_hold(self, user: str, amount: int, order_id: UUID) -> None:
        hold_credit.hold_credit(customer_id=self.customers[user].pk, amount_minor=amount, order_id=order_id)

    def settle_hold(self, verb: str, number: int) -> None:
        order_id, former = self.held_order_ids[number], self.model.holds[number]
        if verb == "capture":
            by = acting(self.customers[former.user])
            expected = self.model.capture(number)
            self.play("capture", expected, lambda: hold_credit.capture_hold(order_id=order_id, by=by))
        elif verb == "release":
            was_active = former.status == "active"
            self.model.release_hold(number)
            assert (hold_credit.release_hold(order_id=order_id) is not None) == was_active
        else:
            expected = self.model.hold_again(number)
            self.play("hold again", expected, lambda: self.play_hold(former.user, former.amount, order_id))

    @precondition(lambda self: any(self.model.entries.values()))
    @rule(index=indexes)
    def reverse(self, index: int) -> None:
        numbered = [(user, n) for user, entries in sorted(self.model.entries.items()) for n in range(len(entries))]
        user, number = pick(numbered, index)
        entry = LedgerEntry.objects.get(account_id=self.customers[user].pk, version=number + 1)
        expected = self.model.reverse(user, number)
        self.play("reverse", expected, lambda: reverse_entry(entry_id=entry.id, why="a game", by=STAFF))

    # --- checkout ---

    @rule(tenant=tenants, basket=baskets, key=keys)
    def checkout(self, tenant: str, basket: Basket, key: str) -> None:
        self.play_checkout(OWNERS[tenant], tenant, basket, "", key)

    @rule(tenant=tenants, basket=baskets, code=codes, key=keys)
    def checkout_with_voucher(self, tenant: str, basket: Basket, code: str, key: str) -> None:
        self.play_checkout(OWNERS[tenant], tenant, basket, code, key)

    @rule(user=users, tenant=tenants, basket=baskets, code=codes)
    def checkout_for_anyones_organization(self, user: str, tenant: str, basket: Basket, code: str) -> None:
        self.play_checkout(user, tenant, basket, code, "")

    def play_checkout(self, user: str, tenant: str, basket: Basket, code: str, key: str) -> None:
        request = CheckoutRequest(
            tenant_id=self.tenants[tenant].id,
            plan=basket.plan,
            addons=tuple(sorted(basket.addons)),
            promo_code=code,
            idempotency_key=key,
            fingerprint=f"{tenant} {basket.plan} {sorted(basket.addons)} {code}" if key else "",
        )
        orders_before = len(self.model.orders)
        redemptions_before = len(self.model.redemptions)
        expected, answer = self.model.checkout(user, tenant, basket, code, key)
        placed: list[PlacedOrder] = []
        by = acting(self.customers[user])
        self.play(
            "checkout",
            expected,
            lambda: placed.append(place_order(request=request, by=by, now=self.now)),
        )
        if answer is not None:
            self.compare_answer(answer, placed[0], is_new=len(self.model.orders) > orders_before)
        if len(self.model.redemptions) > redemptions_before:
            self.redemption_ids.append(RedemptionRow.objects.get(order_id=placed[0].order_id).id)

    def compare_answer(self, answer: Answer, placed: PlacedOrder, *, is_new: bool) -> None:
        if is_new:
            self.order_ids.append(placed.order_id)
        assert placed.order_id == self.order_ids[answer.order]
        assert placed.balance_minor == answer.balance
        assert placed.replayed != is_new

    # --- invariants after every step ---

    @invariant()
    def database_agrees_with_model(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(STATE)
            found = cursor.fetchone()[0]
        assert found["accounts"] == {
            user: [self.model.balance(user), self.model.held(user), len(self.model.entries.get(user, []))]
            for user in self.customers
        }
        redemptions = found["redemptions"]
        assert len(redemptions) == len(self.redemption_ids)
        assert [redemptions[str(redemption_id)] for redemption_id in self.redemption_ids] == [
            [made.code, made.user, made.credit, made.status] for made in self.model.redemptions
        ]
        orders = found["orders"]
        assert len(orders) == len(self.order_ids)
        assert [orders[str(order_id)] for order_id in self.order_ids] == [
            ["completed", basket.total, basket.total] for basket in self.model.orders
        ]
        assert found["announced"] == sorted(map(str, self.order_ids))
        assert found["live"] == {slug: paid.basket.total for slug, paid in self.model.subscriptions.items()}
        assert [found["holds"][str(order_id)] for order_id in self.held_order_ids] == [
            [hold.amount, hold.status] for hold in self.model.holds
        ]

    @invariant()
    def codes_agree_with_model(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(*CODES)
            found = cursor.fetchall()
        assert {
            code: (used, credit, cap, active, gone is not None) for code, used, credit, cap, active, gone in found
        } == {
            code: (self.model.used(code), made.terms.credit, made.terms.cap, made.active, made.retired)
            for code, made in self.model.codes.items()
        }

    def teardown(self) -> None:
        verdict = verify_ledger()
        assert verdict.sound, verdict
        assert verify_redemptions() is None


@pytest.mark.django_db(transaction=True)
def test_the_service_agrees_with_the_model_in_random_games() -> None:
    Vouchers.done.clear()
    run_state_machine_as_test(Vouchers)
    # Every action must have succeeded in some game.
    assert set(Vouchers.done) >= EVERYTHING
