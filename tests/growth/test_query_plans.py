"""Every frequent query reads by its index, and never scans a growing table; nested statements included."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from billing.models import Organization
from billing.queries import balance_of, invoices_of, slug_is_free, subscription_of
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit, release_hold
from billing.use_cases.ledger.post_entry import adjust_credit, reverse_entry
from orders.models import Break, StripeEvent
from orders.models.payment import MIRROR_KEY
from orders.queries.orders import find_open_order, open_payment_of
from orders.use_cases.events.deliver_events import events_to_deliver
from orders.use_cases.organizations.list_organizations import list_organizations
from orders.use_cases.payments.sweep_payments import sweep_payments
from orders.use_cases.prune_expired import prune_expired
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from promos.models import PromoCode
from promos.queries import codes_with_use, find_code
from promos.use_cases import redeem_code
from tests.contract.api_client import by_token
from tests.factories import acting
from tests.factories import actor as staff
from tests.large_history import Connection
from tests.query_plans import record_plans

from .conftest import SMALL
from .customer_actions import buy, next_customer, redeem_in_a_batch, redeem_voucher

pytestmark = pytest.mark.usefixtures("grown")


def _release() -> None:
    customer = next_customer()
    code = PromoCode.objects.get(code="HOT")
    redemption = redeem_code.reserve(promo_code=code, customer_id=customer.pk, order_id=uuid4())
    redeem_code.confirm(redemption=redemption, by=acting(customer))
    redeem_code.release(redemption=redemption, reason="by mistake", by=staff())


def _correct() -> None:
    entry = adjust_credit(customer_id=next_customer().pk, amount_minor=5_000, why="by mistake", by=staff())
    reverse_entry(entry_id=entry.id, why="undone", by=staff())


def _hold() -> None:
    customer, first, second = next_customer(), uuid4(), uuid4()
    hold_credit(customer_id=customer.pk, amount_minor=500, order_id=first)
    hold_credit(customer_id=customer.pk, amount_minor=500, order_id=second)
    capture_hold(order_id=first, by=acting(customer))
    release_hold(order_id=second)


def _read_own_records() -> None:
    customer = next_customer()
    organization = Organization.objects.get(customer=customer)
    subscription_of(user_id=customer.user_id)
    subscription_of(user_id=customer.user_id, organization_id=organization.id)
    list(invoices_of(user_id=customer.user_id)[:51])
    list_organizations(by=acting(customer), limit=51)
    slug_is_free("o-7")
    find_open_order(organization_id=organization.id)
    open_payment_of(organization_id=organization.id)


def _replay() -> None:
    customer = next_customer()
    assert buy(customer).order_id == buy(customer).order_id


def _redeem_batch(code: str) -> None:
    assert None not in redeem_in_a_batch([next_customer() for _ in range(3)], code)


def _preview() -> None:
    answer = by_token("customer", "c-3").post("billing/vouchers/redeem-preview", {"code": "GROWN-9"})
    assert answer.status == 200, answer.content


def test_redemptions_of_an_uncapped_code_are_counted_by_an_index_only_scan(grown: Connection) -> None:
    grown.execute("VACUUM promos_redemption")
    plan = codes_with_use().filter(code="GROWN-9").explain()
    assert "Index Only Scan using promos_redemption_once_per_customer" in plan


CHECKOUT = {
    "billing_account_pkey",
    "billing_customer_user_id_key",
    "billing_organization_pkey",
    "billing_subscription_one_live_per_organization",
    "billing_subscription_pkey",
    "billing_idempotencykey_once",
    "orders_order_one_open_per_organization",
    "promos_promocode_code_key",
    "promos_promocode_pkey",
    "promos_promocounter_promo_code_id_c2658b8e",
    "promos_redemption_once_per_customer",
}
COUNTER = "promos_promocounter_promo_code_id_c2658b8e"
BATCHED_CHECKOUT = CHECKOUT - {COUNTER} | {"orders_catalogversion_pkey"}
REDEMPTION = {
    "billing_account_pkey",
    "billing_customer_user_id_key",
    "promos_promocode_code_key",
    "promos_promocode_pkey",
    COUNTER,
}
BATCHED_REDEMPTION = REDEMPTION - {COUNTER} | {"promos_redemption_once_per_customer"}
ACTS: dict[str, tuple[Callable[[], object], set[str]]] = {
    "a checkout": (lambda: buy(next_customer()), CHECKOUT),
    "a checkout, hot code": (lambda: buy(next_customer(), code="HOT"), CHECKOUT),
    "a checkout, uncapped code": (lambda: buy(next_customer(), code="OPEN"), CHECKOUT),
    "a batched checkout": (lambda: buy(next_customer()), BATCHED_CHECKOUT | {COUNTER}),
    "a batched checkout, hot code": (
        lambda: buy(next_customer(), code="HOT"),
        BATCHED_CHECKOUT | {COUNTER, "promos_promocounter_pkey"},
    ),
    "a batched checkout, uncapped code": (lambda: buy(next_customer(), code="OPEN"), BATCHED_CHECKOUT),
    "a replay": (_replay, {"billing_idempotencykey_once"}),
    "a redemption": (lambda: redeem_voucher(next_customer(), "GIFT"), REDEMPTION),
    "a redemption, hot code": (
        lambda: redeem_voucher(next_customer(), "HOT"),
        REDEMPTION | {"promos_promocounter_pkey"},
    ),
    "a redemption, uncapped code": (lambda: redeem_voucher(next_customer(), "OPEN"), REDEMPTION - {COUNTER}),
    "batched redemptions": (lambda: _redeem_batch("GIFT"), BATCHED_REDEMPTION | {COUNTER}),
    "batched redemptions, hot code": (
        lambda: _redeem_batch("HOT"),
        BATCHED_REDEMPTION | {COUNTER, "promos_promocounter_pkey"},
    ),
    "batched redemptions, uncapped code": (lambda: _redeem_batch("OPEN"), BATCHED_REDEMPTION),
    "reserved, confirmed, released": (
        _release,
        {"promos_redemption_pkey", "billing_ledgerentry_one_grant_per_redemption", "promos_promocounter_pkey"},
    ),
    "a correction": (_correct, {"billing_account_pkey", "billing_ledgerentry_pkey"}),
    "holds": (_hold, {"billing_account_pkey", "billing_hold_once_per_order"}),
    "a balance and its newest entries": (
        lambda: balance_of(user_id="c-77"),
        {"billing_customer_user_id_key", "billing_account_pkey", "billing_ledgerentry_version_once"},
    ),
    "a customer's own records": (
        _read_own_records,
        {
            "billing_invoice_newest",
            "billing_organization_newest",
            "billing_organization_slug_once",
            "billing_subscription_newest",
            "billing_subscription_of_org",
            "orders_order_one_open_per_organization",
        },
    ),
    "a code, by a customer": (
        lambda: find_code("GROWN-9", customer_id=5),
        {"promos_promocode_code_key", "promos_redemption_once_per_customer"},
    ),
    "the uses of an uncapped code": (
        lambda: codes_with_use().get(code="GROWN-9"),
        {"promos_promocode_code_key", "promos_redemption_once_per_customer"},
    ),
    "a preview and its rate limit": (_preview, {"promos_promocode_code_key"}),
    "the sweeper": (
        sweep_payments,
        {
            "orders_payment_unanswered",
            "orders_payment_open",
            "orders_stripeevent_unsettled",
            "orders_stripeevent_unowned",
            "orders_refund_one_under_way",
        },
    ),
    "events of a customer to mirror": (
        lambda: list(
            StripeEvent.objects.annotate(mirror_key=MIRROR_KEY).filter(mirror_key="cus_1", mirrored_at__isnull=True)
        ),
        {"orders_stripeevent_unmirrored"},
    ),
    "subscriptions that are due": (find_due_subscriptions, {"billing_subscription_due"}),
    "events to deliver": (
        lambda: list(events_to_deliver()[:100]),
        {"orders_event_to_deliver"},
    ),
    "breaks that are open": (
        lambda: list(Break.objects.filter(closed_at=None, object_id="dp_1", kind=Break.Kind.DISPUTE)),
        {"orders_break_open_once"},
    ),
    "pruning": (
        lambda: prune_expired(now=timezone.now() - timedelta(days=10_000), batch_size=10),
        {
            "billing_formsubmission_pkey",
            "billing_idempotencykey_pkey",
            "billing_ratelimitwindow_ended",
            "billing_refreshtoken_expired",
            "billing_signincode_expired",
            "procrastinate_jobs_pkey",
            "promos_refused_in_order",
        },
    ),
}


def _prepare(name: str) -> None:
    """Buy the basket once if the act is a batched checkout, whose price must be cached."""
    if "batched checkout" in name:
        buy(next_customer())


@pytest.mark.parametrize("name", ACTS)
def test_frequent_acts_read_by_index(name: str) -> None:
    act, by_index = ACTS[name]
    _prepare(name)
    with record_plans() as made:
        act()
    assert made.sequential <= SMALL
    assert by_index <= made.indexes


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in ACTS
        if name.startswith(("a checkout", "a batched checkout", "a redemption", "batched redemptions"))
    ],
)
def test_generic_plans_read_by_index(name: str) -> None:
    act, by_index = ACTS[name]
    _prepare(name)
    with record_plans(generic=True) as made:
        act()
    assert made.sequential <= SMALL
    assert by_index <= made.indexes
