"""Fixtures: a shop with a catalog, its staff, and its customers Ada and Bob."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from billing.models import BulkGrant, BulkGrantRow, Proposal
from orders.models import AddOn, App, Bundle, Industry, Plan, WebhookEndpoint
from orders.use_cases.webhooks.endpoint_secrets import encrypt_secret, new_secret
from promos.models import Alert, Batch, Card, CardRange, Dealer, PromoCode
from tests.factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    CustomerFactory,
    IndustryFactory,
    OrganizationFactory,
    PlanFactory,
)
from tests.orders.domains.name_server import NameServer, running_name_server

from .api_client import Answer, Caller, anonymous_caller, by_token

Checkout = Callable[..., Answer]

PRICES = {"flexi": 0, "s": 5_000, "odd": 5_250, "m": 9_000, "l": 16_000, "xl": 35_000}
# Plan xl with these add-ons costs 50 OMR.
FIFTY_OMR: dict[str, Any] = {"plan_id": "xl", "addons": ["disaster-recovery", "backup"]}


# Items of the shop whose ids do not change: their kind in the API → their slug, and their id.
ITEM_SLUGS = {"plans": "l", "apps": "mariadb", "addons": "backup", "industries": "restaurant", "bundles": "starter"}
ITEM_IDS = {
    "plans": UUID("0f000000-0000-4000-8000-000000000001"),
    "apps": UUID("0f000000-0000-4000-8000-000000000002"),
    "addons": UUID("0f000000-0000-4000-8000-000000000003"),
    "industries": UUID("0f000000-0000-4000-8000-000000000004"),
    "bundles": UUID("0f000000-0000-4000-8000-000000000005"),
}
# A proposal of the shop's staff that was decided.
PROPOSAL_ID = UUID("0f000000-0000-4000-8000-000000000006")
# A batch that was voided, and the dealer of its first card.
BATCH_ID = UUID("0f000000-0000-4000-8000-000000000007")
DEALER_ID = UUID("0f000000-0000-4000-8000-000000000008")
# A subscriber's endpoint that was retired.
WEBHOOK_ID = UUID("0f000000-0000-4000-8000-000000000009")
# A bulk grant that was discarded.
GRANT_ID = UUID("0f000000-0000-4000-8000-000000000010")
# An alert that was closed.
ALERT_ID = UUID("0f000000-0000-4000-8000-000000000011")


def open_shop() -> None:
    plans = [
        PlanFactory.build(
            slug=slug,
            price_minor=price_minor,
            sort_order=order,
            features=["fast"],
            **({"id": ITEM_IDS["plans"]} if slug == "l" else {}),
        )
        for order, (slug, price_minor) in enumerate(PRICES.items())
    ]
    addons = [
        AddOnFactory.build(id=ITEM_IDS["addons"], slug="backup", price_minor=3_000),
        AddOnFactory.build(slug="disaster-recovery", price_minor=12_000),
        AddOnFactory.build(slug="waf", price_minor=0, included=True),
    ]
    apps = [
        AppFactory.build(slug="wordpress", dependencies=["mariadb"], features=["pages"]),
        AppFactory.build(id=ITEM_IDS["apps"], slug="mariadb", kind="database", system=True),
    ]
    industry = IndustryFactory.build(
        id=ITEM_IDS["industries"], slug="restaurant", suggested_apps=["wordpress"], bundle="starter"
    )
    bundle = BundleFactory.build(
        id=ITEM_IDS["bundles"], slug="starter", apps=["wordpress"], discount_percent=10, recommended_size="s"
    )
    Plan.objects.bulk_create(plans)
    AddOn.objects.bulk_create(addons)
    App.objects.bulk_create(apps)
    Industry.objects.bulk_create([industry])
    Bundle.objects.bulk_create([bundle])
    now = timezone.now()
    Proposal.objects.create(
        id=PROPOSAL_ID,
        kind="credit_adjustment",
        title="Adjust the credit of ada by 5.000 OMR",
        arguments={"customer_id": 1, "amount_minor": 5_000},
        changes=[["Credit", "0.000 OMR", "5.000 OMR"]],
        reason="an outage",
        proposer_id="proposer",
        proposer_role="superadmin",
        proposer_channel="api",
        expires_at=now + timedelta(days=14),
    )
    Proposal.objects.filter(id=PROPOSAL_ID).update(
        status="rejected", decider_id="decider", comment="too much", decided_at=now
    )

    Alert.objects.create(
        id=ALERT_ID, kind="address", subject="203.0.113.9", number=101, closed_at=now, closed_by="noor"
    )
    make_retired_endpoints(1)
    make_void_batch()
    make_discarded_grant()


def make_retired_endpoints(number: int) -> None:
    """Makes endpoints of subscribers that were retired; the first has WEBHOOK_ID."""
    shared = {"url": "https://shop.example.com/hooks", "status": "retired", "created_by": "root"}
    secret = encrypt_secret(new_secret())
    WebhookEndpoint.objects.create(id=WEBHOOK_ID, encrypted_secret=secret, **shared)
    for _ in range(number - 1):
        WebhookEndpoint.objects.create(encrypted_secret=secret, **shared)


def make_void_batch(size: int = 2) -> None:
    """Makes a batch of cards, one of each dealer."""
    terms = {"code": "VOIDED", "credit_minor": 5_000, "currency": "OMR", "issued_by": "noor"}
    PromoCode.objects.create(id=BATCH_ID, for_cards=True, active=False, **terms)
    batch = Batch.objects.create(
        promo_code_id=BATCH_ID, pattern="########", alphabet="letters", size=size, first_serial=1, created_by="noor"
    )
    made = Batch.objects.filter(pk=batch.pk)
    made.update(status="approved", approved_by="salma")
    Card.objects.bulk_create(
        Card(serial=serial, batch=batch, code=f"VOIDED{serial}") for serial in range(1, size + 1)
    )
    made.update(status="generated", generated=size)
    for serial in range(1, size + 1):
        user_id = {1: "dealer", 2: "dealer-of-the-pages"}.get(serial, f"dealer-{serial}")
        public_id = DEALER_ID if serial == 1 else uuid4()
        dealer = Dealer.objects.create(public_id=public_id, name=user_id.title(), user_id=user_id, created_by="noor")
        CardRange.objects.create(
            batch=batch, first_serial=serial, last_serial=serial, status="allocated", dealer=dealer
        )
    made.update(status="void")


def make_discarded_grant(size: int = 2) -> None:
    """Makes a bulk grant of so many rows that was never started."""
    terms = {"credit_class": "compensation", "reason": "an outage", "drafted_by": "noor"}
    made = BulkGrant.objects.create(
        id=GRANT_ID, name="discarded", rows=size, total_minor=size * 5_000, rows_hash="x", **terms
    )
    BulkGrantRow.objects.bulk_create(
        BulkGrantRow(bulk_grant=made, line=line, user_id=f"user-{line}", amount_minor=5_000)
        for line in range(1, size + 1)
    )
    BulkGrant.objects.filter(pk=made.pk).update(status="discarded")


def tenant_of(caller: Caller, slug: str) -> str:
    """Create an organization of the caller and return its id."""
    owner = CustomerFactory.create(user_id=caller.user_id)
    return str(OrganizationFactory.create(customer=owner, slug=slug, name=slug.title()).id)


@pytest.fixture
def shop(transactional_db: None) -> None:
    open_shop()


@pytest.fixture
def root() -> Caller:
    return by_token("superadmin")


@pytest.fixture
def noor() -> Caller:
    """A member of staff who issues vouchers."""
    return by_token("sovereign-admin", "noor")


@pytest.fixture
def salim() -> Caller:
    """An auditor."""
    return by_token("auditor", "salim")


@pytest.fixture
def anybody() -> Caller:
    """A caller without an identity."""
    return anonymous_caller()


@pytest.fixture
def ada(shop: None) -> Caller:
    return by_token("customer", "ada")


@pytest.fixture
def bob(shop: None) -> Caller:
    return by_token("customer", "bob")


@pytest.fixture
def acme(ada: Caller) -> str:
    """Ada's organization."""
    return tenant_of(ada, "acme")


@pytest.fixture
def bobs(bob: Caller) -> str:
    """Bob's organization."""
    return tenant_of(bob, "bobs")


@pytest.fixture
def checkout(ada: Caller, acme: str) -> Checkout:
    """Return a function with which Ada orders plan m for acme; its arguments change the body and the key."""

    def checkout(key: str = "", **body: Any) -> Answer:
        headers = {"Idempotency_Key": key} if key else {}
        return ada.post("billing/checkout", {"tenant_id": acme, "plan_id": "m", **body}, **headers)

    return checkout


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    with running_name_server() as server:
        yield server
