"""Every rule of billing's tables is attacked with raw SQL; what a rule is, tests/rules.py says."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import NotSupportedError, connection, transaction
from pytest_django import DjangoDbBlocker

from tests.billing.approvals.attacks import PROPOSALS
from tests.billing.bulk.attacks import BULK_GRANTS
from tests.billing.identity_attacks import SIGN_IN, VALID_CODE
from tests.billing.lot_attacks import LOTS
from tests.billing.merge_attacks import MERGES
from tests.billing.organization_attacks import ORGANIZATIONS, VALID_MEMBER, VALID_ORGANIZATION
from tests.factories import CustomerFactory
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
    organization,
    rules_of,
    triggers_without_rule,
)
from tests.sample_history import CAPTURED, FREED, HELD, committed_sample_history
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

ADA, BOB, CAROL = customer("ada"), customer("bob"), customer("carol")
SPEND = f"(SELECT id FROM billing_ledgerentry WHERE kind = 'spend' AND order_id = {ORDER})"
GRANT = f"(SELECT id FROM billing_ledgerentry WHERE kind = 'grant' AND order_id = {ORDER})"
REVERSAL = "(SELECT id FROM billing_ledgerentry WHERE kind = 'reversal' AND amount_minor = -7000)"
REVERSED = "(SELECT id FROM billing_ledgerentry WHERE kind = 'adjustment' AND amount_minor = 7000)"

_ENTRY = {"reason": "'test'", "actor_id": "'ada'", "actor_role": "'customer'", "channel": "'api'"}
VALID = {
    "billing_customer": {"user_id": "'eve'"},
    "billing_ledgerentry": {"account_id": BOB, "kind": "'grant'", "amount_minor": "100", **_ENTRY},
    "billing_hold": {"account_id": BOB, "order_id": "gen_random_uuid()", "amount_minor": "100"},
    "billing_organization": VALID_ORGANIZATION,
    "billing_organizationmember": VALID_MEMBER,
    "billing_signincode": VALID_CODE,
    "billing_subscription": {
        "customer_id": BOB,
        "organization_id": organization("bobs"),
        "order_id": "gen_random_uuid()",
        "plan_id": "gen_random_uuid()",
        "addon_ids": "'[]'",
        "amount_minor": "0",
        "currency": "'OMR'",
        "status": "'active'",
        "paid_by": "'credit'",
        "current_period_start": "now()",
        "current_period_end": "now() + interval '1 month'",
    },
    "billing_invoice": {
        "customer_id": ADA,
        "organization_id": organization("acme"),
        "subscription_id": "(SELECT id FROM billing_subscription)",
        "order_id": "gen_random_uuid()",
        "amount_minor": "0",
        "currency": "'OMR'",
        "status": "'open'",
        "period_start": "now()",
        "period_end": "now() + interval '1 month'",
    },
    "billing_auditentry": {
        "action": "'test'",
        "object_type": "'order'",
        "object_id": "'1'",
        "changes": "'{}'",
        "actor_id": "'ada'",
        "actor_role": "'customer'",
        "channel": "'api'",
    },
    "billing_ratelimitwindow": {"key": "'k'", "hits": "1", "ends_at": "now()"},
    "billing_restoration": {"restored_at": "now()"},
    "billing_verification": {"books": "'ledger'", "verified_at": "now()"},
    "billing_formsubmission": {"form_id": "gen_random_uuid()", "expires_at": "now() + interval '12 h'"},
    "billing_idempotencykey": {
        "customer_id": ADA,
        "key": "'second'",
        "request_hash": "'hash'",
        "result_id": ORDER,
        "expires_at": "now() + interval '1 day'",
    },
}


def form(**wrong: str) -> str:
    return inserting("billing_formsubmission", VALID["billing_formsubmission"], **wrong)


def key(**wrong: str) -> str:
    return inserting("billing_idempotencykey", VALID["billing_idempotencykey"], **wrong)


def entry(**wrong: str) -> str:
    return inserting("billing_ledgerentry", VALID["billing_ledgerentry"], **wrong)


def grants(*accounts: str, **wrong: str) -> str:
    """One grant for each of these accounts, in one statement."""
    given = {"amount_minor": "100", "reason": "'test'", "actor": "ROW('ada', 'customer', 'api', NULL)", **wrong}
    rows = [
        f"ROW(gen_random_uuid(), {account}, {given['amount_minor']}, {given['reason']}, '', NULL, NULL,"
        f" {given['actor']})"
        for account in accounts
    ]
    return f"INSERT INTO billing_grants VALUES (ARRAY[{', '.join(rows)}]::billing_grant[])"


def hold(**wrong: str) -> str:
    return inserting("billing_hold", VALID["billing_hold"], **wrong)


def subscription(**wrong: str) -> str:
    return inserting("billing_subscription", VALID["billing_subscription"], **wrong)


def invoice(**wrong: str) -> str:
    return inserting("billing_invoice", VALID["billing_invoice"], **wrong)


def audit(**wrong: str) -> str:
    return inserting("billing_auditentry", VALID["billing_auditentry"], **wrong)


def new_account(figure: str, value: int) -> str:
    return (
        "WITH eve AS (INSERT INTO billing_customer (user_id) VALUES ('eve') RETURNING id)"
        f" INSERT INTO billing_account (customer_id, currency, {figure}) SELECT id, 'OMR', {value} FROM eve"
    )


def closing(order_id: object, changes: str) -> str:
    return f"UPDATE billing_hold SET {changes} WHERE order_id = '{order_id}'"


def append_only(table: str, column: str) -> list[str]:
    return [
        f"UPDATE {table} SET {column} = 'changed'",
        f"UPDATE {table} SET {column} = {column} WHERE false",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    ]


# Two heads cover the same entry of Ada's, or one covers two of her entries.
_SEAL = "INSERT INTO billing_sealedaccount (head_id, account_id, version, hash) VALUES"
SEALED = (
    "WITH heads AS (INSERT INTO billing_ledgerhead (number, statement, signature)"
    "               VALUES (1, '1', '1'), (2, '2', '2')),"
    f" first AS ({_SEAL} (1, {ADA}, 1, '1')) {_SEAL} ({{head}}, {ADA}, {{version}}, '1')"
)

ERASING = "SET LOCAL qasima.erasing = 'on'"
_LINK = "INSERT INTO billing_auditlink (number, entry_id, hash) VALUES"

PEOPLE: Attacks = {
    "billing_user_sub_given": ["UPDATE billing_user SET sub = '' WHERE sub = 'first'"],
    "billing_user_sub_key": ["UPDATE billing_user SET sub = 'second' WHERE sub = 'first'"],
    "billing_user_username_key": [
        "UPDATE billing_user SET username = 'second@example.org' WHERE sub = 'first'",
    ],
    "billing_customer_user_id_given": ["UPDATE billing_customer SET user_id = '' WHERE user_id = 'ada'"],
    "billing_customer_user_id_key": [
        "UPDATE billing_customer SET user_id = 'bob' WHERE user_id = 'ada'",
        "INSERT INTO billing_customer (user_id) VALUES ('ada')",
    ],
    "billing_auditentry_append_only": append_only("billing_auditentry", "reason")[:2],
    "billing_auditentry_never_deleted": [
        *append_only("billing_auditentry", "reason")[2:],
        Attack("DELETE FROM billing_auditentry", [ERASING]),
        Attack("TRUNCATE billing_auditentry CASCADE", [ERASING]),
    ],
    "billing_auditentry_facts_fixed": [
        Attack(f"UPDATE billing_auditentry SET {changes}", [ERASING])
        for changes in ("action = 'changed'", "actor_id = 'eve'", "created_at = now() - interval '1 day'")
    ],
    "billing_auditlink_append_only": append_only("billing_auditlink", "hash"),
    "billing_auditlink_by_entries": [
        "INSERT INTO billing_auditlink (number, entry_id, hash) SELECT 9, id, '1' FROM billing_auditentry"
    ],
    "billing_auditchain_moved_by_entries": [
        "INSERT INTO billing_auditchain (id, entries) VALUES (1, 9)",
        "UPDATE billing_auditchain SET entries = 9",
    ],
    "billing_auditchain_one_row": [
        Attack("INSERT INTO billing_auditchain (id, entries) VALUES (2, 9)", prepare=(TRIGGERS_OFF,))
    ],
    "billing_auditlink_entry_id_key": [
        Attack(
            f"{_LINK} (2, '00000000-0000-0000-0000-000000000001', '1')",
            prepare=(
                TRIGGERS_OFF,
                "DELETE FROM billing_auditlink",
                f"{_LINK} (1, '00000000-0000-0000-0000-000000000001', '1')",
            ),
        )
    ],
    "billing_auditchain_never_deleted": ["DELETE FROM billing_auditchain", "TRUNCATE billing_auditchain CASCADE"],
    "billing_ledgerhead_append_only": append_only("billing_ledgerhead", "statement"),
    "billing_sealedaccount_append_only": append_only("billing_sealedaccount", "hash"),
    "billing_ledgercheck_append_only": append_only("billing_ledgercheck", "fault"),
    "billing_sealedaccount_version_once": [SEALED.format(head=2, version=1)],
    "billing_sealedaccount_once_a_head": [SEALED.format(head=1, version=2)],
    "billing_auditentry_actor_given": [audit(actor_id="''")],
    "billing_auditentry_action_given": [audit(action="''")],
    "billing_ratelimitwindow_hits_positive": [
        inserting("billing_ratelimitwindow", VALID["billing_ratelimitwindow"], hits=hits) for hits in ("0", "-1")
    ],
    "billing_restoration_released_by_someone": [
        inserting("billing_restoration", VALID["billing_restoration"], released_at="now()"),
        inserting("billing_restoration", VALID["billing_restoration"], released_by="'ops'"),
    ],
    "billing_verification_books_known": [
        inserting("billing_verification", VALID["billing_verification"], books="'novels'")
    ],
}

# Bob has 15.000 on his account, 5.000 of it held; Ada has 38.000.
ACCOUNTS: Attacks = {
    "billing_account_balance_covers_held": [
        entry(kind="'adjustment'", amount_minor="-10001", note="'below what is held'"),
        entry(kind="'spend'", amount_minor="-10001", order_id="gen_random_uuid()"),
        entry(kind="'adjustment'", amount_minor="-15001", note="'below zero'"),
        entry(account_id=CAROL, kind="'adjustment'", amount_minor="-10001", note="'below zero'"),
        hold(amount_minor="10001"),
        Attack(f"UPDATE billing_account SET balance_minor = -1 WHERE customer_id = {ADA}", [TRIGGERS_OFF]),
    ],
    "billing_account_held_not_negative": [
        Attack(f"UPDATE billing_account SET held_minor = -1 WHERE customer_id = {ADA}", [TRIGGERS_OFF]),
    ],
    "billing_account_version_not_negative": [
        Attack(f"UPDATE billing_account SET version = -1 WHERE customer_id = {ADA}", [TRIGGERS_OFF]),
    ],
    "billing_account_starts_empty": [
        new_account("balance_minor", 5),
        new_account("held_minor", -5),
        new_account("version", 1),
    ],
    "billing_account_moved_by_entries": [
        f"UPDATE billing_account SET {figure} = {figure} + 1 WHERE customer_id = {ADA}"
        for figure in ("balance_minor", "held_minor", "version", "customer_id")
    ]
    + ["UPDATE billing_account SET currency = 'USD'", "UPDATE billing_account SET version = version WHERE false"],
    "billing_account_never_deleted": [
        "DELETE FROM billing_account",
        f"DELETE FROM billing_account WHERE customer_id = {BOB}",
        "TRUNCATE billing_account CASCADE",
    ],
}

LEDGER: Attacks = {
    "billing_ledgerentry_append_only": [
        *append_only("billing_ledgerentry", "note"),
        f"UPDATE billing_ledgerentry SET amount_minor = 1 WHERE id = {GRANT}",
        f"UPDATE billing_ledgerentry SET balance_after_minor = 0, version = 9 WHERE id = {GRANT}",
    ],
    "billing_ledgerentry_version_once": [
        Attack(entry(version="1", balance_after_minor="100"), [TRIGGERS_OFF]),
    ],
    "billing_ledgerentry_account_exists": [entry(account_id="-1"), entry(account_id="-1", version="1")],
    "billing_grants_account_each": [grants("-1"), grants(ADA, "-1"), grants(ADA, BOB, ADA)],
    "billing_ledgerentry_amount_fits_kind": [
        grants(ADA, BOB, amount_minor="-1"),
        grants(ADA, amount_minor="0"),
        entry(kind="'grant'", amount_minor="-1"),
        entry(kind="'grant'", amount_minor="0"),
        entry(kind="'spend'", amount_minor="1", order_id="gen_random_uuid()"),
        entry(kind="'spend'", amount_minor="0", order_id="gen_random_uuid()"),
        entry(kind="'adjustment'", amount_minor="0", note="'nothing'"),
        entry(kind="'gift'"),
        entry(kind="''"),
    ],
    "billing_ledgerentry_reversal_names_entry": [
        entry(kind="'reversal'", note="'of nothing'"),
        entry(kind="'adjustment'", amount_minor="12000", account_id=ADA, note="'x'", reverses_id=SPEND),
        entry(kind="'grant'", amount_minor="12000", account_id=ADA, reverses_id=SPEND),
    ],
    "billing_ledgerentry_reversal_mirrors_entry": [
        entry(kind="'reversal'", account_id=ADA, amount_minor="11999", note="'less'", reverses_id=SPEND),
        entry(kind="'reversal'", account_id=ADA, amount_minor="12001", note="'more'", reverses_id=SPEND),
        entry(kind="'reversal'", account_id=ADA, amount_minor="-12000", note="'again'", reverses_id=SPEND),
        entry(kind="'reversal'", amount_minor="12000", note="'to another'", reverses_id=SPEND),
        entry(kind="'reversal'", amount_minor="7000", note="'of a reversal'", reverses_id=REVERSAL),
        entry(kind="'reversal'", note="'of nothing'", reverses_id="gen_random_uuid()"),
    ],
    "billing_ledgerentry_reversed_once": [
        entry(kind="'reversal'", amount_minor="-7000", note="'twice'", reverses_id=REVERSED),
    ],
    "billing_ledgerentry_one_spend_per_order": [
        entry(account_id=ADA, kind="'spend'", amount_minor="-1", order_id=ORDER),
        entry(kind="'spend'", amount_minor="-1", order_id=ORDER),
    ],
    "billing_ledgerentry_one_grant_per_redemption": [
        entry(account_id=ADA, redemption_id=f"(SELECT redemption_id FROM billing_ledgerentry WHERE id = {GRANT})"),
    ],
    "billing_ledgerentry_one_grant_per_reason": [
        Attack(entry(reason="'grant:gift'"), [entry(reason="'grant:gift'", amount_minor="1")]),
    ],
    "billing_ledgerentry_one_proration_a_subscription": [
        Attack(entry(reason="'proration:1'"), [entry(account_id=ADA, reason="'proration:1'", amount_minor="1")]),
    ],
    "billing_ledgerentry_moved_once": [
        Attack(
            entry(kind="'adjustment'", note="'x'", reason=f"'{reason}'"),
            [entry(kind="'adjustment'", note="'x'", account_id=ADA, reason=f"'{reason}'")],
        )
        for reason in ("moved-out:1", "moved-in:1:1")
    ],
    "billing_ledgerentry_spend_names_order": [entry(kind="'spend'", amount_minor="-1")],
    "billing_ledgerentry_correction_says_why": [
        entry(kind="'adjustment'"),
        entry(kind="'reversal'", account_id=ADA, amount_minor="12000", reverses_id=SPEND),
    ],
    "billing_ledgerentry_reason_given": [entry(reason="''"), grants(BOB, reason="''")],
    "billing_ledgerentry_actor_given": [
        entry(actor_id="''"),
        grants(BOB, actor="ROW('', 'customer', 'api', NULL)"),
    ],
}

HOLDS: Attacks = {
    "billing_hold_amount_positive": [hold(amount_minor="0"), hold(amount_minor="-1")],
    "billing_hold_starts_active": [
        hold(status="'captured'", closed_at="now()"),
        hold(status="'released'", closed_at="now()"),
    ],
    "billing_hold_closes_once": [
        closing(FREED, "status = 'active', closed_at = NULL"),
        closing(FREED, "status = 'captured'"),
        closing(CAPTURED, "status = 'released'"),
        closing(CAPTURED, "closed_at = now()"),
        closing(HELD, "amount_minor = 1"),
        closing(HELD, "amount_minor = 1, status = 'released', closed_at = now()"),
        closing(HELD, f"account_id = {ADA}, status = 'captured', closed_at = now()"),
        closing(HELD, "order_id = gen_random_uuid(), status = 'captured', closed_at = now()"),
    ],
    "billing_hold_status_known": [closing(HELD, "status = 'lost', closed_at = now()")],
    "billing_hold_closed_when_not_active": [
        closing(HELD, "status = 'released'"),
        closing(HELD, "status = 'captured'"),
        hold(closed_at="now()"),
    ],
    "billing_hold_once_per_order": [hold(order_id=f"'{HELD}'"), hold(order_id=f"'{CAPTURED}'")],
    "billing_hold_never_deleted": [
        "DELETE FROM billing_hold",
        "DELETE FROM billing_hold WHERE false",
        "TRUNCATE billing_hold CASCADE",
    ],
}

TENANTS: Attacks = {
    "billing_subscription_stays_canceled": [
        Attack(
            "UPDATE billing_subscription SET status = 'active'",
            ["UPDATE billing_subscription SET status = 'canceled', canceled_at = now()"],
        ),
    ],
    "billing_subscription_order_id_key": [subscription(order_id=ORDER)],
    "billing_subscription_one_live_per_organization": [
        subscription(organization_id=organization("acme"), status=status)
        for status in ("'active'", "'incomplete'", "'trialing'", "'unpaid'", "'paused'")
    ]
    + [subscription(organization_id=organization("acme"), status="'past_due'", past_due_since="now()")],
    "billing_subscription_status_known": [subscription(status="'lost'"), subscription(status="'cancelled'")],
    "billing_subscription_paid_by_known": [subscription(paid_by="'cash'"), subscription(paid_by="''")],
    "billing_subscription_period_forward": [
        subscription(current_period_end="now()"),
        subscription(current_period_end="now() - interval '1 second'"),
    ],
    "billing_subscription_amount_not_negative": [subscription(amount_minor="-1")],
    "billing_subscription_canceled_at_given": [subscription(status="'canceled'")],
    "billing_invoice_order_id_key": [invoice(order_id=ORDER)],
    "billing_invoice_status_known": [invoice(status="'lost'"), invoice(status="''")],
    "billing_invoice_amount_not_negative": [invoice(amount_minor="-1")],
    "billing_invoice_period_forward": [
        invoice(period_end="now()"),
        invoice(period_end="now() - interval '1 second'"),
    ],
    "billing_formsubmission_once": [
        "INSERT INTO billing_formsubmission (form_id, part, expires_at)"
        f" SELECT '{UUID(int=1)}', '{part}', now() + interval '1 day' FROM generate_series(1, 2)"
        for part in ("", "x")
    ],
    "billing_formsubmission_expires_later": [form(expires_at=each) for each in ("now()", "now() - interval '1 s'")],
    "billing_idempotencykey_once": [key(key="'first'")],
    "billing_idempotencykey_key_given": [key(key="''")],
    "billing_idempotencykey_expires_later": [key(expires_at=each) for each in ("now()", "now() - interval '1 s'")],
}

ATTACKS: Attacks = {**PEOPLE, **ACCOUNTS, **LEDGER, **HOLDS, **TENANTS, **ORGANIZATIONS, **PROPOSALS, **SIGN_IN}

# Not ours: the unique pairs of the two tables that Django makes of a user's groups and permissions.
DJANGOS_OWN = {
    "billing_user_groups_user_id_group_id_af6b9d11_uniq",
    "billing_user_user_permis_user_id_permission_id_78bf0dc2_uniq",
}


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with committed_sample_history(django_db_blocker):
        yield


@pytest.mark.parametrize(("rule", "attack"), [*each(ATTACKS), *each(LOTS), *each(MERGES), *each(BULK_GRANTS)])
def test_database_refuses(rule: str, attack: Attack) -> None:
    assert_refused(rule, attack)


@pytest.mark.parametrize("table", VALID)
def test_row_that_attacks_start_from_is_accepted(table: str) -> None:
    assert_accepted(inserting(table, VALID[table]))


def test_every_attacked_rule_is_in_the_database() -> None:
    """That no rule is left out is shown with those of card payments: tests/payments/test_constraints.py."""
    assert set(ATTACKS) | set(LOTS) | set(MERGES) | set(BULK_GRANTS) <= rules_of("billing")
    assert triggers_without_rule("billing") == {
        # Grants of the last release are passed on to the trigger of today's.
        "billing_grants_post",
        # They add each entry to the chain, and move the chain's end.
        "billing_auditentry_chained",
        "billing_auditlink_moves_end",
        "billing_invoice_posts_new_month",
        "billing_invoice_posts_paid_month",
    }


def test_customer_with_an_account_cannot_be_deleted() -> None:
    CustomerFactory.create(user_id="erin")
    assert_refused(
        "billing_account_customer_id_b6f1aa6f_fk_billing_customer_id",
        Attack("DELETE FROM billing_customer WHERE user_id = 'erin'"),
    )


@pytest.mark.parametrize(
    "conflict", ["DO NOTHING", "(id) DO NOTHING", "(id) DO UPDATE SET account_id = excluded.account_id"]
)
@pytest.mark.parametrize(
    "statement",
    [
        entry(),
        entry(account_id=ADA, redemption_id=f"(SELECT redemption_id FROM billing_ledgerentry WHERE id = {GRANT})"),
        hold(),
        hold(order_id=f"'{HELD}'"),
    ],
)
def test_no_account_is_moved_by_a_row_that_a_conflict_leaves_away(statement: str, conflict: str) -> None:
    """The triggers that move it run before PostgreSQL looks for a conflict."""
    with (
        nothing_changes(),
        pytest.raises(NotSupportedError, match="ON CONFLICT"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"{statement} ON CONFLICT {conflict}")
