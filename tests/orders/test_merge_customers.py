"""A merge makes everything of one customer another one's, and leaves history as it is."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from django.db import IntegrityError, connection, transaction

from billing.actor import SUPERADMIN
from billing.errors import (
    CustomerHasOpenPayment,
    CustomerIsStaff,
    CustomerMerged,
    CustomerNotFound,
    DomainError,
    EntryNotReversible,
    InsufficientCredit,
    InvalidBatch,
    ReasonRequired,
    SameCustomer,
    TwoCardSubscribers,
)
from billing.models import (
    Account,
    AuditEntry,
    Customer,
    Invoice,
    LedgerEntry,
    Organization,
    OrganizationMember,
    ProviderAccount,
    Subscription,
    User,
)
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.identity.sessions import open_session
from billing.use_cases.identity.users import find_user
from billing.use_cases.ledger.grant_many import grant_many
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import adjust_credit, reverse_entry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import Order
from orders.use_cases.customers.merge_customers import merge_customers
from orders.use_cases.customers.plan_merge import MergePlan, plan_merge
from promos.errors import PromoAlreadyRedeemed, PromoCustomerLimit
from promos.models import Redemption
from promos.use_cases.redeem_code import redeem, release
from promos.use_cases.redeem_many import redeem_many
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.factories import (
    CustomerFactory,
    OrganizationFactory,
    PromoCodeFactory,
    UserFactory,
    acting,
    actor,
    give_credit,
)
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = actor(SUPERADMIN, user_id="root")
AN_ORDER = UUID(int=1)


@pytest.fixture
def eve() -> Customer:
    return CustomerFactory.create(user_id="eve", email="eve@example.org")


@pytest.fixture
def bob() -> Customer:
    return CustomerFactory.create(user_id="bob", email="bob@example.org")


@pytest.fixture(autouse=True)
def books_balance() -> Iterator[None]:
    yield
    assert verify_ledger().wrong == ""
    assert verify_redemptions() is None


def merge(merged: Customer, into: Customer, reason: str = "one person") -> MergePlan:
    return merge_customers(merged_user_id=merged.user_id, into_user_id=into.user_id, reason=reason, by=ROOT)


def balance(customer: Customer) -> int:
    return Account.objects.get(customer=customer).balance_minor


def test_everything_becomes_the_survivors(ada: Customer, eve: Customer, acme: Organization, buy: Buy) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000)
    redeem(code="GIFT", user_id="ada", by=acting(ada))
    order_id = buy("m").order_id
    left = balance(ada)

    plan = merge(ada, eve)

    assert (plan.organizations, plan.codes, plan.credit_minor, plan.orders) == (["acme"], ["GIFT"], left, 1)
    for model in (Organization, Subscription, Invoice, Order, Redemption):
        assert set(model._default_manager.values_list("customer", flat=True)) == {eve.pk}, model
    assert (balance(ada), balance(eve)) == (0, left)
    ada.refresh_from_db()
    assert (ada.merged_into, ada.merged_at is not None) == (eve, True)
    # Its own entries stay, with the order that they paid.
    spend = LedgerEntry.objects.get(order_id=order_id, kind="spend")
    assert spend.account_id == ada.pk
    legs = LedgerEntry.objects.filter(reason__startswith="transfer:").order_by("amount_minor")
    assert [(leg.account_id, leg.amount_minor, leg.note) for leg in legs] == [
        (ada.pk, -left, "one person"),
        (eve.pk, left, "one person"),
    ]
    assert len({leg.reason for leg in legs}) == 1
    # Ids of the same millisecond have no order.
    trail = sorted(AuditEntry.objects.filter(action="customer.merged"), key=lambda each: int(each.object_id))
    assert [(each.object_id, each.reason, each.actor_id) for each in trail] == [
        (str(ada.pk), "one person", "root"),
        (str(eve.pk), "one person", "root"),
    ]
    assert trail[0].changes["merged_into"] == [None, "eve"]
    assert trail[1].changes["organizations"] == [None, ["acme"]]


def test_the_merged_customer_can_no_longer_act(ada: Customer, eve: Customer) -> None:
    PromoCodeFactory.create(code="GIFT")
    merge(ada, eve)
    refused: list[Any] = [
        lambda: redeem(code="GIFT", user_id="ada", by=acting(ada)),
        lambda: ensure_customer(user_id="ada"),
        lambda: adjust_credit(customer_id=ada.pk, amount_minor=5, why="no", by=ROOT),
        lambda: hold_credit(customer_id=ada.pk, amount_minor=5, order_id=AN_ORDER),
        lambda: merge(ada, eve),
        lambda: merge(eve, ada),
    ]
    for act in refused:
        with nothing_changes(), pytest.raises(CustomerMerged):
            act()
    batches: list[Any] = [
        lambda: grant_many(user_ids=["bob", "ada"], amount_minor=5, name="all-of-them", why="no", by=ROOT),
        lambda: redeem_many(code="GIFT", user_ids=["bob", "ada"], why="no", by=ROOT),
    ]
    for act in batches:
        with nothing_changes(), pytest.raises(InvalidBatch):
            act()


def test_a_code_stays_redeemed_once(ada: Customer, eve: Customer) -> None:
    for code in ("MINE", "BOTH"):
        PromoCodeFactory.create(code=code, credit_minor=1_000, max_redemptions=5)
        redeem(code=code, user_id="ada", by=acting(ada))
    redeem(code="BOTH", user_id="eve", by=acting(eve))

    plan = merge(ada, eve)

    assert (plan.codes, plan.kept_codes, balance(eve)) == (["MINE"], ["BOTH"], 3_000)
    for code in ("MINE", "BOTH"):
        with pytest.raises(PromoAlreadyRedeemed):
            redeem(code=code, user_id="eve", by=acting(eve))
    # Credit of either is still taken back, from the survivor.
    for redemption in Redemption.objects.order_by("id"):
        release(redemption=redemption, reason="mistake", by=ROOT)
    assert (balance(ada), balance(eve)) == (0, 0)


def test_the_uses_of_a_repeatable_voucher_are_added_up(ada: Customer, eve: Customer) -> None:
    code = PromoCodeFactory.create(code="BOTH", credit_minor=1_000, restrictions={"uses_per_customer": 5})
    for user in (ada, ada, eve, eve):
        redeem(code="BOTH", user_id=user.user_id, by=acting(user))

    plan = merge(ada, eve)

    assert (plan.codes, plan.kept_codes, balance(eve)) == (["BOTH", "BOTH"], [], 4_000)
    redeem(code="BOTH", user_id="eve", by=acting(eve))
    with pytest.raises(PromoCustomerLimit):
        redeem(code="BOTH", user_id="eve", by=acting(eve))
    assert Redemption.objects.filter(promo_code=code, customer=eve).count() == 5
    assert verify_redemptions() is None


def test_an_entry_of_the_merged_customer_is_reversed_for_the_survivor(ada: Customer, eve: Customer) -> None:
    plus = adjust_credit(customer_id=ada.pk, amount_minor=9_000, why="a gift", by=ROOT)
    minus = adjust_credit(customer_id=ada.pk, amount_minor=-2_000, why="a fee", by=ROOT)
    merge(ada, eve)
    reverse_entry(entry_id=minus.pk, why="no fee", by=ROOT)
    assert (balance(ada), balance(eve)) == (0, 9_000)
    reverse_entry(entry_id=plus.pk, why="no gift", by=ROOT)
    assert (balance(ada), balance(eve)) == (0, 0)
    more = adjust_credit(customer_id=eve.pk, amount_minor=1, why="a gift", by=ROOT)
    assert more.account_id == eve.pk
    for leg in LedgerEntry.objects.filter(reason__startswith="transfer:"):
        with nothing_changes(), pytest.raises(EntryNotReversible):
            reverse_entry(entry_id=leg.pk, why="no", by=ROOT)


def test_credit_that_the_survivor_has_spent_is_not_taken_back(ada: Customer, eve: Customer) -> None:
    plus = adjust_credit(customer_id=ada.pk, amount_minor=9_000, why="a gift", by=ROOT)
    merge(ada, eve)
    adjust_credit(customer_id=eve.pk, amount_minor=-1, why="spent", by=ROOT)
    with nothing_changes(), pytest.raises(InsufficientCredit):
        reverse_entry(entry_id=plus.pk, why="no gift", by=ROOT)


def test_the_stronger_role_counts_and_an_owner_is_no_member(ada: Customer, eve: Customer, acme: Organization) -> None:
    def join(organization: Organization, customer: Customer, role: str) -> None:
        OrganizationMember.objects.create(
            organization=organization, customer=customer, email=customer.email, role=role
        )

    eves, weaker, stronger, only = OrganizationFactory.create(customer=eve), *OrganizationFactory.create_batch(3)
    join(acme, eve, "admin")
    join(eves, ada, "viewer")
    for organization, of_ada, of_eve in ((weaker, "viewer", "admin"), (stronger, "admin", "viewer")):
        join(organization, ada, of_ada)
        join(organization, eve, of_eve)
    join(only, ada, "member")

    merge(ada, eve)

    rows = OrganizationMember.objects.order_by("organization").values_list("organization", "customer", "role")
    assert list(rows) == [(weaker.pk, eve.pk, "admin"), (stronger.pk, eve.pk, "admin"), (only.pk, eve.pk, "member")]


def user_of(customer: Customer) -> User:
    user = UserFactory.create(sub=customer.user_id, username=customer.email, email=customer.email)
    EmailAddress.objects.create(user=user, email=customer.email, verified=True, primary=True)
    return user


def test_every_way_to_sign_in_leads_to_the_survivor(ada: Customer, eve: Customer, acme: Organization) -> None:
    old, new = user_of(ada), user_of(eve)
    ProviderAccount.objects.create(user=old, issuer="https://id.example", subject="1")
    OrganizationMember.objects.create(
        organization=OrganizationFactory.create(), customer=None, email=ada.email, role="viewer"
    )
    open_session(user=old, method="code")

    plan = merge(ada, eve)

    assert (plan.emails, plan.provider_accounts, plan.sessions) == ([ada.email], 1, 1)
    assert find_user(address=ada.email) == find_user(address=eve.email) == new
    assert ProviderAccount.objects.get().user == new
    old.refresh_from_db()
    assert (old.is_active, old.session_version) == (False, 1)
    assert not old.signinsession_set.filter(ended_at=None).exists()
    assert OrganizationMember.objects.get().customer == eve


def test_the_only_user_becomes_the_survivors(ada: Customer, eve: Customer) -> None:
    old = user_of(ada)
    merge(ada, eve)
    old.refresh_from_db()
    assert (old.sub, old.is_active) == ("eve", True)


def test_customers_merged_before_follow(ada: Customer, bob: Customer, eve: Customer) -> None:
    give_credit(ada, 5_000)
    merge(ada, bob)
    merge(bob, eve)
    assert set(Customer.objects.exclude(merged_into=None).values_list("user_id", "merged_into__user_id")) == {
        ("ada", "eve"),
        ("bob", "eve"),
    }
    assert balance(eve) == 5_000


def test_the_stripe_customer_that_pays_is_kept(ada: Customer, eve: Customer, bob: Customer) -> None:
    Customer.objects.filter(pk=ada.pk).update(stripe_customer_id="cus_ada")
    merge(ada, eve)
    eve.refresh_from_db()
    ada.refresh_from_db()
    assert (ada.stripe_customer_id, eve.stripe_customer_id) == ("", "cus_ada")
    Customer.objects.filter(pk=bob.pk).update(stripe_customer_id="cus_bob")
    merge(eve, bob)
    eve.refresh_from_db()
    bob.refresh_from_db()
    assert (eve.stripe_customer_id, bob.stripe_customer_id) == ("cus_ada", "cus_bob")


def test_the_card_that_pays_a_subscription_goes_with_it(
    ada: Customer, eve: Customer, acme: Organization, buy: Buy
) -> None:
    give_credit(ada, 50_000)
    buy("m")
    Subscription.objects.update(stripe_subscription_id="sub_1", paid_by="stripe")
    for customer in (ada, eve):
        Customer.objects.filter(pk=customer.pk).update(stripe_customer_id=f"cus_{customer.user_id}")
    merge(ada, eve)
    eve.refresh_from_db()
    assert eve.stripe_customer_id == "cus_ada"


@pytest.mark.parametrize(
    ("prepare", "refusal"),
    [
        ("same", SameCustomer),
        ("staff", CustomerIsStaff),
        ("hold", CustomerHasOpenPayment),
        ("unknown", CustomerNotFound),
        ("reason", ReasonRequired),
        ("cards", TwoCardSubscribers),
    ],
)
def test_a_merge_is_refused(
    ada: Customer, eve: Customer, buy: Buy, *, prepare: str, refusal: type[DomainError]
) -> None:
    give_credit(ada, 50_000)
    into = eve
    if prepare == "staff":
        UserFactory.create(sub="eve", is_staff=True)
    elif prepare == "hold":
        hold_credit(customer_id=ada.pk, amount_minor=5, order_id=AN_ORDER)
    elif prepare == "unknown":
        into = Customer(user_id="nobody")
    elif prepare == "cards":
        buy("m")
        first = Subscription.objects.get()
        first.stripe_subscription_id = "sub_1"
        first.save()
        first.pk, first.customer, first.organization = None, eve, OrganizationFactory.create(customer=eve)
        first.order_id, first.stripe_subscription_id = AN_ORDER, "sub_2"
        first.save(force_insert=True)
        for customer in (ada, eve):
            Customer.objects.filter(pk=customer.pk).update(stripe_customer_id=f"cus_{customer.user_id}")
    elif prepare == "same":
        into = ada
    with nothing_changes(), pytest.raises(refusal):
        merge(ada, into, reason=" " if prepare == "reason" else "one person")


def test_a_plan_writes_nothing(ada: Customer, eve: Customer) -> None:
    give_credit(ada, 5_000)
    merged = Customer.objects.select_related("account").get(pk=ada.pk)
    with nothing_changes():
        assert plan_merge(merged=merged, survivor=eve).credit_minor == 5_000


def test_a_closed_account_is_empty_when_a_transaction_ends(ada: Customer, eve: Customer) -> None:
    give_credit(ada, 5_000)
    with pytest.raises(IntegrityError, match="stays empty"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_customer SET merged_into_id = %s, merged_at = now() WHERE id = %s", [eve.pk, ada.pk]
        )
    assert balance(ada) == 5_000
