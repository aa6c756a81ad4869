"""Every rule that card payments and renewals brought to the tables is attacked with raw SQL.

The rules of before are attacked in the apps' own tests; the two together must be all that the database has.
"""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.billing import test_constraints as of_billing
from tests.billing.bulk.attacks import BULK_GRANTS
from tests.billing.lot_attacks import LOTS
from tests.billing.merge_attacks import MERGES
from tests.orders import test_constraints as of_orders
from tests.rules import (
    ORDER,
    TRIGGERS_OFF,
    Attack,
    Attacks,
    assert_accepted,
    assert_refused,
    customer,
    each,
    inserting,
    rules_of,
)
from tests.sample_history import committed_sample_history

pytestmark = pytest.mark.django_db

SUBSCRIPTION = "(SELECT id FROM billing_subscription)"

VALID = {
    "orders_payment": {
        "order_id": ORDER,
        "status": "'requested'",
        "amount_minor": "6660",
        "currency": "'OMR'",
        "leased_until": "now()",
        "expires_at": "now()",
    },
    "orders_cardentry": {
        "kind": "'payment'",
        "amount_minor": "6660",
        "currency": "'OMR'",
        "order_id": ORDER,
        "stripe_object_id": "'cs_1'",
    },
    "orders_break": {"kind": "'dispute'", "object_id": "'dp_1'", "details": "'{}'"},
    "orders_stripeevent": {"id": "'evt_1'", "type": "'invoice.paid'", "payload": "'{}'", "occurred_at": "now()"},
}


def payment(**wrong: str) -> str:
    return inserting("orders_payment", VALID["orders_payment"], **wrong)


def refund(**wrong: str) -> str:
    valid = {
        "payment_id": ORDER,
        "amount_minor": "100",
        "reason": "'asked for'",
        "status": "'requested'",
        "requested_by": "'staff'",
    }
    return inserting("orders_refund", valid, **wrong)


# The entries of the transaction join the chain now, not at its end.
CHAINED = "SET CONSTRAINTS ALL IMMEDIATE"


def card(kind: str, amount_minor: int, **wrong: str) -> str:
    return inserting(
        "orders_cardentry",
        {
            **VALID["orders_cardentry"],
            "kind": f"'{kind}'",
            "amount_minor": str(amount_minor),
            **wrong,
        },
    )


def renewal(**wrong: str) -> str:
    valid = {**of_orders.VALID["orders_order"], "status": "'pending'", "kind": "'renewal'"}
    return inserting("orders_order", {**valid, "renews_id": SUBSCRIPTION, "period_start": "'2030-01-01'"}, **wrong)


def renewal_event(**wrong: str) -> str:
    data = """'{"subscription_id": "s", "period_start": "2030-01-01"}'"""
    valid = {**of_orders.VALID["orders_outboxevent"], "type": "'subscription.renewed'", "data": data}
    return inserting("orders_outboxevent", valid, **wrong)


def settings(**wrong: str) -> str:
    return inserting("billing_processorsettings", {"id": "1"}, **wrong)


def after(*prepare: str, attack: str) -> Attack:
    return Attack(attack, prepare)


ORDERS: Attacks = {
    "orders_payment_status_known": [payment(status="'lost'"), payment(status="''")],
    "orders_payment_amount_positive": [payment(amount_minor="0"), payment(amount_minor="0", currency="'USD'")],
    "orders_payment_amount_chargeable": [
        *(payment(amount_minor=str(amount)) for amount in (1, 6_655, 6_661, 6_669)),
        *(payment(amount_minor="6665", currency=f"'{each}'") for each in ("BHD", "JOD", "KWD", "TND")),
        after(payment(), attack="UPDATE orders_payment SET amount_minor = amount_minor + 1"),
    ],
    "orders_payment_refund_within_amount": [
        payment(refunded_minor="6661"),
        payment(refunded_minor="-1"),
        after(payment(refunded_minor="100"), attack="UPDATE orders_payment SET amount_minor = 90"),
    ],
    "orders_payment_session_once": [
        after(
            payment(session_id="'cs_1'"),
            renewal(),
            attack=payment(session_id="'cs_1'", order_id="(SELECT id FROM orders_order WHERE kind = 'renewal')"),
        ),
    ],
    "orders_payment_open_has_session": [payment(status="'open'"), payment(status="'processing'")],
    "orders_payment_paid_at_fits": [
        payment(status="'paid'", session_id="'cs_1'"),
        *(
            payment(status=f"'{status}'", session_id="'cs_1'", paid_at="now()")
            for status in ("requested", "open", "processing", "expired", "failed")
        ),
    ],
    "orders_payment_transition_known": [
        after(payment(), attack="UPDATE orders_payment SET status = 'paid', session_id = 'cs_1', paid_at = now()"),
        after(payment(), attack="UPDATE orders_payment SET status = 'lost'"),
    ],
    "orders_refund_amount_positive": [
        after(payment(), attack=refund(amount_minor="0")),
        after(payment(), attack=refund(amount_minor="-1")),
    ],
    "orders_refund_status_known": [after(payment(), attack=refund(status="'lost'"))],
    "orders_refund_one_under_way": [
        after(payment(), refund(), attack=refund()),
        after(payment(), refund(), refund(status="'done'"), attack=refund()),
    ],
    "orders_refund_transition_known": [
        after(payment(), refund(status="'done'"), attack="UPDATE orders_refund SET status = 'requested'"),
        after(payment(), refund(), attack="UPDATE orders_refund SET status = 'lost'"),
    ],
    "orders_break_open_once": [
        after(
            inserting("orders_break", VALID["orders_break"]), attack=inserting("orders_break", VALID["orders_break"])
        ),
        after(
            inserting("orders_break", VALID["orders_break"]),
            inserting("orders_break", VALID["orders_break"], closed_at="now()"),
            attack="UPDATE orders_break SET closed_at = NULL",
        ),
    ],
    "orders_cardentry_amount_fits_kind": [
        card("payment", 0),
        card("payment", -1),
        card("dispute", 1),
        card("fee", 0),
        card("payout", 1),
        card("payout_returned", -1),
        after(card("payment", 9), attack=card("refund", 1)),
        after(card("dispute", -9), attack=card("owed", -1)),
        after(card("dispute", -9), card("owed", 9), attack=card("written_off", 9)),
    ],
    "orders_cardentry_order_given": [card("payment", 9, order_id="NULL"), card("dispute", -9, order_id="NULL")],
    "orders_cardentry_object_given": [card("payment", 1, stripe_object_id="''")],
    "orders_cardentry_object_once_a_kind": [
        after(card("payment", 9), attack=card("payment", 9)),
        after(card("dispute", -9), attack=card("dispute", -1)),
        after(card("payout", -9, order_id="NULL"), attack=card("payout", -1, order_id="NULL")),
        after(card("fee", -9, order_id="NULL"), attack=card("fee", -1, order_id="NULL")),
    ],
    "orders_cardentry_total_once": [
        after(
            card("payment", 9),
            card("refund", -3),
            TRIGGERS_OFF,
            attack=card("refund", -3, total_minor="-3"),
        )
    ],
    "orders_cardentry_within_its_object": [
        card("refund", -1),
        card("owed", 1),
        after(card("payment", 9), attack=card("refund", -10)),
        after(card("payment", 9), attack=card("refund", -1, currency="'USD'")),
        after(card("payment", 9), card("refund", -5), attack=card("refund", -5)),
        after(card("dispute", -9), attack=card("dispute_won", 10)),
        after(card("dispute", -9), attack=card("owed", 10)),
        card("written_off", -1),
        after(card("dispute", -9), card("owed", 8), attack=card("written_off", -9)),
    ],
    "orders_cardentry_append_only": [
        after(card("payment", 9), attack="UPDATE orders_cardentry SET amount_minor = 8"),
        after(card("payment", 9), attack="DELETE FROM orders_cardentry"),
        "TRUNCATE orders_cardentry CASCADE",
    ],
    "orders_cardlink_append_only": [
        after(card("payment", 9), CHAINED, attack="UPDATE orders_cardlink SET number = 9"),
        after(card("payment", 9), CHAINED, attack="DELETE FROM orders_cardlink"),
        "TRUNCATE orders_cardlink CASCADE",
    ],
    "orders_cardlink_by_entries": [
        after(card("payment", 9), attack="INSERT INTO orders_cardlink SELECT 9, '1', id FROM orders_cardentry")
    ],
    "orders_cardlink_entry_id_key": [
        after(
            card("payment", 9),
            CHAINED,
            TRIGGERS_OFF,
            attack="INSERT INTO orders_cardlink SELECT 9, '1', id FROM orders_cardentry",
        )
    ],
    "orders_cardchain_moved_by_entries": [
        "INSERT INTO orders_cardchain (id, entries) VALUES (1, 9)",
        after(card("payment", 9), CHAINED, attack="UPDATE orders_cardchain SET entries = 9"),
    ],
    "orders_cardchain_one_row": [
        after(TRIGGERS_OFF, attack="INSERT INTO orders_cardchain (id, entries) VALUES (2, 9)")
    ],
    "orders_cardchain_never_deleted": ["DELETE FROM orders_cardchain", "TRUNCATE orders_cardchain CASCADE"],
    "orders_stripeevent_attempts_check": [
        inserting("orders_stripeevent", VALID["orders_stripeevent"], attempts="-1"),
    ],
    "orders_order_one_open_per_organization": [
        after(of_orders.order(status="'pending'"), attack=of_orders.order(status="'pending'")),
        after(renewal(), attack=of_orders.order(status="'pending'")),
    ],
    "orders_order_renewal_names_period": [
        renewal(renews_id="NULL"),
        renewal(period_start="NULL"),
        renewal(kind="'purchase'"),
        renewal(kind="'other'"),
        of_orders.order(kind="'renewal'"),
    ],
    "orders_order_one_renewal_a_period": [
        after(
            renewal(status="'completed'", completed_at="now()"),
            attack=renewal(status=f"'{status}'", completed_at=completed_at),
        )
        for status, completed_at in (("pending", "NULL"), ("completed", "now()"), ("refunded", "now()"))
    ],
    "orders_event_subscription_month_once": [
        after(renewal_event(type=f"'subscription.{what}'"), attack=renewal_event(type=f"'subscription.{what}'"))
        for what in ("renewed", "past_due", "canceled")
    ],
}

BILLING: Attacks = {
    "billing_customer_stripe_customer_once": [
        after(
            "UPDATE billing_customer SET stripe_customer_id = 'cus_1' WHERE user_id = 'ada'",
            attack="UPDATE billing_customer SET stripe_customer_id = 'cus_1' WHERE user_id = 'bob'",
        )
    ],
    "billing_subscription_stripe_once": [
        after(
            "UPDATE billing_subscription SET stripe_subscription_id = 'sub_1'",
            attack=inserting(
                "billing_subscription",
                of_billing.VALID["billing_subscription"],
                stripe_subscription_id="'sub_1'",
            ),
        )
    ],
    "billing_subscription_past_due_since_given": [
        "UPDATE billing_subscription SET status = 'past_due'",
        inserting("billing_subscription", of_billing.VALID["billing_subscription"], status="'past_due'"),
    ],
    "billing_subscription_active_is_not_past_due": ["UPDATE billing_subscription SET past_due_since = now()"],
    "billing_invoice_stripe_once": [
        after(
            "UPDATE billing_invoice SET stripe_invoice_id = 'in_1'",
            attack=inserting("billing_invoice", of_billing.VALID["billing_invoice"], stripe_invoice_id="'in_1'"),
        )
    ],
    "billing_invoice_period_once": [
        inserting(
            "billing_invoice",
            of_billing.VALID["billing_invoice"],
            subscription_id=SUBSCRIPTION,
            period_start="(SELECT period_start FROM billing_invoice)",
            period_end="(SELECT period_end FROM billing_invoice)",
        )
    ],
    "billing_processorsettings_one_row": [settings(id="2"), settings(id="0")],
    "billing_processorsettings_secret_key_encrypted": [
        settings(encrypted_secret_key="'sk_test_1'"),
        after(settings(), attack="UPDATE billing_processorsettings SET encrypted_secret_key = 'sk_live_1'"),
    ],
    "billing_processorsettings_webhook_secret_encrypted": [
        settings(encrypted_webhook_secret="'whsec_1'"),
        after(settings(), attack="UPDATE billing_processorsettings SET encrypted_webhook_secret = 'whsec_1'"),
    ],
}


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with committed_sample_history(django_db_blocker):
        yield


@pytest.mark.parametrize(("rule", "attack"), each({**ORDERS, **BILLING}))
def test_database_refuses(rule: str, attack: Attack) -> None:
    assert_refused(rule, attack)


@pytest.mark.parametrize("table", VALID)
def test_row_that_attacks_start_from_is_accepted(table: str) -> None:
    assert_accepted(inserting(table, VALID[table]))


@pytest.mark.parametrize(
    "statement", [renewal(), renewal_event(), settings(), of_orders.order(status="'pending'")], ids=str
)
def test_statement_that_attacks_vary_is_accepted(statement: str) -> None:
    assert_accepted(statement)


@pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
def test_month_whose_renewal_came_to_nothing_may_be_renewed_again(status: str) -> None:
    assert customer("ada") in renewal()
    assert_accepted(renewal(status=f"'{status}'"))


def test_every_new_rule_of_orders_is_attacked() -> None:
    known = {*of_orders.ATTACKS, "orders_cardentry_chained"}  # the latter is a trigger that refuses nothing
    assert rules_of("orders") - known == set(ORDERS) - set(of_orders.ATTACKS)


def test_every_new_rule_of_billing_is_attacked() -> None:
    known = set(of_billing.ATTACKS) | set(LOTS) | set(MERGES) | set(BULK_GRANTS) | of_billing.DJANGOS_OWN
    known |= {"billing_auditentry_chained", "billing_auditlink_moves_end"}  # triggers that refuse nothing
    assert rules_of("billing") - known == set(BILLING) - set(of_billing.ATTACKS)
