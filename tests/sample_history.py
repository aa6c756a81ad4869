"""A small history with every kind of record, made through use cases. Constraint tests attack its rows.

Ada bought plan `m` with a backup, with the voucher WELCOME and the idempotency key `first`; her organization is
active. Bob has holds in all three states, reserved LATER, deleted one organization and has another. Carol took the
only slot of FULL, and Dave's redemption of WELCOME was released. Erin redeemed SPRING of the campaign Spring.
Draft is a campaign that was not approved, and Done one that has ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection
from pytest_django import DjangoDbBlocker

from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit, release_hold
from billing.use_cases.ledger.post_entry import adjust_credit, reverse_entry
from orders import tasks
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.organizations.delete_organization import delete_organization
from promos.models import Campaign
from promos.use_cases import redeem_code
from promos.use_cases.change_code import pause_code, retire_code

from .factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    CampaignFactory,
    CustomerFactory,
    IndustryFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    UserFactory,
    acting,
    actor,
    give_credit,
)

HELD, FREED, CAPTURED, RESERVED = (UUID(int=number) for number in range(1, 5))


@contextmanager
def committed_sample_history(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Keep the history in the database for the tests of one module, each of which rolls back its changes."""
    with blocker.unblock():
        create_sample_history()
    yield
    with blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT pristine.restore()")


def create_sample_history() -> None:
    """Create the history in this process's database."""
    _make_catalog()
    _make_codes()
    _ada_buys()
    _bob_holds_credit()
    _others_redeem()
    UserFactory.create(username="first@example.org", sub="first")
    UserFactory.create(username="second@example.org", sub="second")


def _make_catalog() -> None:
    PlanFactory.create(slug="m", price_minor=9_000)
    PlanFactory.create(slug="l", price_minor=16_000)
    AddOnFactory.create(slug="backup", price_minor=3_000)
    AddOnFactory.create(slug="waf", price_minor=0, included=True)
    for made in (AppFactory, IndustryFactory, BundleFactory):
        made.create(slug="one")
        made.create(slug="two")


def _make_codes() -> None:
    PromoCodeFactory.create(code="WELCOME", credit_minor=50_000, max_redemptions=5)
    PromoCodeFactory.create(code="HOT", max_redemptions=20, hot=True)
    PromoCodeFactory.create(code="OPEN")
    PromoCodeFactory.create(code="FULL", max_redemptions=1)
    spring = CampaignFactory.create(name="Spring", budget_minor=25_000)
    PromoCodeFactory.create(code="SPRING", campaign_id=spring.pk)
    PromoCodeFactory.create(code="SPRING2", campaign_id=spring.pk, credit_minor=15_001)
    draft = CampaignFactory.create(name="Draft", status=Campaign.Status.DRAFT)
    PromoCodeFactory.create(code="DRAFT", campaign_id=draft.pk)
    CampaignFactory.create(name="Done", status=Campaign.Status.ENDED)
    PromoCodeFactory.create(code="PAUSED")
    pause_code(code="PAUSED", by=actor())
    PromoCodeFactory.create(code="RETIRED")
    retire_code(code="RETIRED", by=actor())


def _ada_buys() -> None:
    ada = CustomerFactory.create(user_id="ada")
    acme = OrganizationFactory.create(customer=ada, slug="acme")
    request = CheckoutRequest(
        tenant_id=acme.id,
        plan="m",
        addons=("backup",),
        promo_code="WELCOME",
        idempotency_key="first",
        fingerprint="hash",
    )
    placed = place_order(request=request, by=acting(ada))
    tasks.provision_organization(str(placed.order_id))


def _bob_holds_credit() -> None:
    bob = CustomerFactory.create(user_id="bob")
    give_credit(bob, 20_000)
    mistake = adjust_credit(customer_id=bob.pk, amount_minor=7_000, why="meant for Ada", by=actor())
    reverse_entry(entry_id=mistake.id, why="wrong customer", by=actor())
    for order_id in (HELD, FREED, CAPTURED):
        hold_credit(customer_id=bob.pk, amount_minor=5_000, order_id=order_id)
    release_hold(order_id=FREED)
    capture_hold(order_id=CAPTURED, by=acting(bob))
    code = PromoCodeFactory.create(code="LATER")
    redeem_code.reserve(promo_code=code, customer_id=bob.pk, order_id=RESERVED)
    gone = OrganizationFactory.create(customer=bob, slug="gone")
    delete_organization(organization_id=gone.id, by=acting(bob))
    OrganizationFactory.create(customer=bob, slug="bobs")


def _others_redeem() -> None:
    carol = CustomerFactory.create(user_id="carol")
    redeem_code.redeem(code="FULL", user_id="carol", by=acting(carol))
    erin = CustomerFactory.create(user_id="erin")
    redeem_code.redeem(code="SPRING", user_id="erin", by=acting(erin))
    dave = CustomerFactory.create(user_id="dave")
    given_back = redeem_code.redeem(code="WELCOME", user_id="dave", by=acting(dave))
    redeem_code.release(redemption=given_back, reason="by mistake", by=actor())
