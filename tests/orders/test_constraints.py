"""Every rule of orders' tables and functions is attacked with raw SQL; what a rule is, tests/rules.py says."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.orders import deployment_attacks, document_attacks, month_attacks
from tests.rules import (
    ORDER,
    Attack,
    Attacks,
    assert_accepted,
    assert_left_out,
    assert_refused,
    customer,
    each,
    inserting,
    organization,
    rules_of,
    triggers_without_rule,
)
from tests.sample_history import committed_sample_history

from .domain_attacks import DOMAINS, VALID_DOMAIN
from .webhook_attacks import VALID_ENDPOINT, WEBHOOKS

pytestmark = pytest.mark.django_db

ADA = customer("ada")
ACME = organization("acme")

VALID = {
    "orders_order": {
        "customer_id": ADA,
        "organization_id": ACME,
        "plan_id": "gen_random_uuid()",
        "apps": "'[]'",
        "addons": "'[]'",
        "total_minor": "9000",
        "currency": "'OMR'",
        "status": "'pending'",
        "placed_by": "'ada'",
        "placed_by_role": "'customer'",
        "channel": "'api'",
    },
    "orders_orderline": {
        "order_id": ORDER,
        "position": "3",
        "kind": "'addon'",
        "item_id": "gen_random_uuid()",
        "slug": "'waf'",
        "name": "'WAF'",
        "price_minor": "0",
    },
    "orders_outboxevent": {
        "type": "'order.placed'",
        "topic": "'sme.order.events'",
        "source": "'qasima'",
        "tenant_id": ACME,
        "order_id": "gen_random_uuid()",
        "data": "'{}'",
        "metadata": "'{}'",
    },
    "orders_domain": VALID_DOMAIN,
    "orders_closedmonth": month_attacks.VALID_MONTH,
    "orders_vatrate": month_attacks.VALID_RATE,
    "orders_webhookendpoint": VALID_ENDPOINT,
    "orders_document": document_attacks.VALID_DOCUMENT,
}


def order(**wrong: str) -> str:
    return inserting("orders_order", VALID["orders_order"], **wrong)


def line(**wrong: str) -> str:
    return inserting("orders_orderline", VALID["orders_orderline"], **wrong)


def event(**wrong: str) -> str:
    return inserting("orders_outboxevent", VALID["orders_outboxevent"], **wrong)


def slug_taken(table: str, first: str, second: str) -> list[str]:
    return [f"UPDATE {table} SET slug = '{first}' WHERE slug = '{second}'"]


def placing(
    user: str = "ada",
    *,
    tenant: str = ACME,
    replaces: str = "(SELECT id FROM billing_subscription)",
    total: int = 9_000,
    code: str = "",
    key: str = "NULL",
    hash: str = "NULL",
    catalog: str = "(SELECT version FROM orders_catalogversion)",
    wait: bool = True,
) -> str:
    """The checkout of a basket without lines, at a price of its own."""
    request = (
        f"jsonb_build_object('id', gen_random_uuid(), 'organization', {tenant}, 'plan', gen_random_uuid(),"
        f" 'apps', '[]'::jsonb, 'addons', '[]'::jsonb, 'lines', '[]'::jsonb, 'total', {total},"
        f" 'credit_applied', {total}, 'currency', 'OMR', 'replaces', {replaces},"
        f" 'period_end', now() + interval '1 month', 'code', '{code}', 'redemption', gen_random_uuid(),"
        f" 'entry', gen_random_uuid(), 'catalog', {catalog}, 'key', {key}, 'hash', {hash},"
        f" 'key_expires_at', now() + interval '1 day', 'user', '{user}', 'role', 'customer', 'channel', 'api',"
        " 'address', NULL, 'at', now())"
    )
    return f"SELECT id FROM orders_place_orders(jsonb_build_array({request}), {wait})"


def placing_bobs(*, code: str = "", total: int = 9_000, replaces: str = "NULL", wait: bool = True) -> str:
    """A checkout of an organization that has no subscription."""
    return placing("bob", tenant=organization("bobs"), replaces=replaces, code=code, total=total, wait=wait)


CATALOG: Attacks = {
    "orders_plan_slug_key": slug_taken("orders_plan", "m", "l"),
    "orders_addon_slug_key": slug_taken("orders_addon", "backup", "waf"),
    "orders_app_slug_key": slug_taken("orders_app", "one", "two"),
    "orders_industry_slug_key": slug_taken("orders_industry", "one", "two"),
    "orders_bundle_slug_key": slug_taken("orders_bundle", "one", "two"),
    "orders_plan_price_not_negative": ["UPDATE orders_plan SET price_minor = -1"],
    "orders_addon_price_not_negative": ["UPDATE orders_addon SET price_minor = -1 WHERE slug = 'backup'"],
    "orders_addon_included_is_free": [
        "UPDATE orders_addon SET included = true WHERE slug = 'backup'",
        "UPDATE orders_addon SET price_minor = 1 WHERE slug = 'waf'",
    ],
    "orders_app_ram_mb_check": ["UPDATE orders_app SET ram_mb = -1"],
    "orders_app_cpu_milli_check": ["UPDATE orders_app SET cpu_milli = -1"],
    "orders_app_disk_gb_check": ["UPDATE orders_app SET disk_gb = -1"],
    "orders_bundle_discount_percent_check": ["UPDATE orders_bundle SET discount_percent = -1"],
    "orders_catalogversion_id_check": ["UPDATE orders_catalogversion SET id = -1"],
    "orders_catalogversion_one_row": [
        "INSERT INTO orders_catalogversion (id, version) VALUES (2, gen_random_uuid())",
        "UPDATE orders_catalogversion SET id = 0",
    ],
    "orders_bundle_discount_at_most_all": ["UPDATE orders_bundle SET discount_percent = 101"],
}

ORDERS: Attacks = {
    "orders_order_status_known": [order(status="'lost'"), order(status="''"), order(status="'complete'")],
    "orders_order_total_not_negative": [
        Attack(
            order(total_minor="-1"),
            ["ALTER TABLE orders_order DROP CONSTRAINT orders_order_credit_within_total"],
        )
    ],
    "orders_order_credit_within_total": [
        order(credit_applied_minor="9001"),
        order(credit_applied_minor="-1"),
        "UPDATE orders_order SET total_minor = total_minor - 1",
    ],
    "orders_order_proration_within_credit": [
        order(credit_applied_minor="1", proration_minor="2"),
        order(proration_minor="-1"),
    ],
    "orders_order_completed_at_fits": [
        order(status="'completed'"),
        order(status="'refunded'"),
        *(
            order(status=f"'{status}'", completed_at="now()")
            for status in ("pending", "failed", "expired", "cancelled")
        ),
        "UPDATE orders_order SET completed_at = NULL",
    ],
    "orders_order_transition_known": [
        "UPDATE orders_order SET status = 'pending'",
        "UPDATE orders_order SET status = 'pending', completed_at = NULL",
        "UPDATE orders_order SET status = 'lost'",
    ],
    "orders_order_promo_whole": [
        order(promo_code="'WELCOME'"),
        order(promo_code_id="gen_random_uuid()"),
        "UPDATE orders_order SET promo_code = ''",
    ],
    "orders_orderline_position_once": [line(position="1")],
    "orders_orderline_position_check": [line(position="-1")],
    "orders_orderline_kind_known": [line(kind="'app'"), line(kind="''")],
    "orders_orderline_price_not_negative": [line(price_minor="-1")],
    "orders_orderline_net_not_negative": [line(net_minor="-1")],
    "orders_orderline_discount_not_negative": [line(discount_minor="-1")],
}

EVENTS: Attacks = {
    "orders_event_order_placed_once": [event(order_id=ORDER)],
    "orders_event_tenant_once": [
        event(type="'tenant.created'"),
        event(type="'tenant.deleted'", tenant_id=organization("gone")),
    ],
    "orders_event_refused_or_delivered": [
        event(refusal="'too large'"),
        event(refused_at="now()"),
        event(refused_at="now()", refusal="'too large'", delivered_at="now()"),
    ],
    "orders_event_order_placed_names_order": [event(order_id="NULL"), event(tenant_id="NULL")],
    "orders_event_tenant_named": [
        event(type="'tenant.created'", tenant_id="NULL"),
        event(type="'tenant.deleted'", tenant_id="NULL"),
    ],
}

WRITES_NO_REDEMPTION = """
CREATE OR REPLACE FUNCTION promos_write_redemptions(wanted promos_redemption_to_write[], as_status text)
RETURNS promos_written_redemption[] LANGUAGE sql AS $$ SELECT NULL::promos_written_redemption[] $$
"""
CLAIMS_NO_SLOT = """
CREATE OR REPLACE FUNCTION promos_claim_slots_of_code(promo uuid, wanted bigint, hot boolean) RETURNS boolean
LANGUAGE sql AS $$ SELECT false $$
"""
PLACING: Attacks = {
    # Without its redemption an order would be paid by credit that nobody granted.
    "orders_place_orders_redeems_each_code": [
        Attack(placing_bobs(code="OPEN", wait=wait), [WRITES_NO_REDEMPTION]) for wait in (True, False)
    ],
}

ATTACKS: Attacks = {
    **CATALOG,
    **ORDERS,
    **EVENTS,
    **PLACING,
    **deployment_attacks.ATTACKS,
    **document_attacks.ATTACKS,
    **DOMAINS,
    **month_attacks.ATTACKS,
    **WEBHOOKS,
}

# A rule of another app that the function of a checkout must keep too.
KEPT_BY_A_CHECKOUT: Attacks = {
    "promos_promocode_exhausted": [
        Attack(placing_bobs(code="WELCOME", wait=wait), [CLAIMS_NO_SLOT]) for wait in (True, False)
    ],
}

# What it leaves out, without an error: the other orders of its batch are placed. Ada's 38.000 and Bob's free 10.000,
# with what a code grants, are all the credit there is.
LEFT_OUT: Attacks = {
    "more than the credit covers": [
        placing(total=38_001),
        placing_bobs(total=10_001),
        placing_bobs(total=20_001, code="OPEN"),
        placing_bobs(total=10_001, wait=False),
    ],
    "an organization that is not the customer's": [
        placing(tenant=organization("bobs"), replaces="NULL"),
        placing(tenant="gen_random_uuid()", replaces="NULL"),
        placing("bob", tenant=organization("gone"), replaces="NULL"),
        placing("nobody", tenant=organization("bobs"), replaces="NULL"),
    ],
    "another subscription than the caller saw": [
        placing(replaces="NULL"),
        placing(replaces="gen_random_uuid()"),
        placing_bobs(replaces="(SELECT id FROM billing_subscription)"),
    ],
    "a subscription that is replaced, in a batch": [placing(wait=False)],
    "an organization with an open payment": [Attack(placing(), [order()])],
    "a code that may not be redeemed": [
        placing_bobs(code=text) for text in ("PAUSED", "RETIRED", "NOSUCH", "open", "FULL")
    ],
    "a customer with a live redemption of the code": [placing(code="WELCOME"), placing_bobs(code="LATER")],
    "a key that is in use": [placing(key="'first'", hash="'hash'"), placing(key="'first'", hash="'another'")],
    "another catalog": [placing(catalog="gen_random_uuid()")],
}


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with committed_sample_history(django_db_blocker):
        yield


@pytest.mark.parametrize(("rule", "attack"), each(ATTACKS))
def test_database_refuses(rule: str, attack: Attack) -> None:
    assert_refused(rule, attack)


@pytest.mark.parametrize(("rule", "attack"), each(KEPT_BY_A_CHECKOUT))
def test_checkout_cannot_break(rule: str, attack: Attack) -> None:
    assert_refused(rule, attack)


@pytest.mark.parametrize(("why", "attack"), each(LEFT_OUT))
def test_checkout_leaves_out(why: str, attack: Attack) -> None:
    assert_left_out(attack)


@pytest.mark.parametrize("table", VALID)
def test_row_that_attacks_start_from_is_accepted(table: str) -> None:
    assert_accepted(inserting(table, VALID[table]))


@pytest.mark.parametrize(
    "statement",
    [
        placing(total=38_000),
        placing(total=0),
        placing(key="'second'", hash="'hash'"),
        *(placing_bobs(total=10_000, wait=wait) for wait in (True, False)),
        *(placing_bobs(total=20_000, code="OPEN", wait=wait) for wait in (True, False)),
    ],
)
def test_what_is_allowed_passes(statement: str) -> None:
    assert_accepted(statement)


def test_every_attacked_rule_is_in_the_database() -> None:
    """That no rule is left out is shown with those of card payments: tests/payments/test_constraints.py."""
    assert set(ATTACKS) <= rules_of("orders")
    # These refuse nothing. What they do is shown in test_catalog_version.py, in test_deliver_webhooks.py and by the
    # tests of the proof.
    assert triggers_without_rule("orders") == {
        "orders_plan_changes_catalog",
        "orders_plan_altered_changes_catalog",
        "orders_addon_changes_catalog",
        "orders_addon_altered_changes_catalog",
        "orders_app_changes_catalog",
        "orders_app_altered_changes_catalog",
        "orders_industry_changes_catalog",
        "orders_industry_altered_changes_catalog",
        "orders_vatrate_changes_catalog",
        "orders_bundle_changes_catalog",
        "orders_bundle_altered_changes_catalog",
        "orders_cardentry_chained",
        "orders_payment_posts_paid",
        "orders_payment_posts_change",
        "orders_outboxevent_queued",
    }
