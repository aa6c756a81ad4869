"""Every rule of promos' tables and functions is attacked with raw SQL; what a rule is, tests/rules.py says."""

from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg.errors import ForeignKeyViolation
from pytest_django import DjangoDbBlocker

from tests.rules import (
    Attack,
    Attacks,
    assert_accepted,
    assert_left_out,
    assert_refused,
    code,
    customer,
    each,
    inserting,
    rules_of,
    triggers_without_rule,
)
from tests.sample_history import RESERVED, committed_sample_history
from tests.snapshot import nothing_changes

from .cards.attacks import BATCHES, CARDS, NO_CARD, PRINTER_FILES
from .ranges.attacks import DEALERS, RANGES

pytestmark = pytest.mark.django_db

ADA, BOB, CAROL, DAVE = (customer(name) for name in ("ada", "bob", "carol", "dave"))
WELCOME, OPEN, FULL = code("WELCOME"), code("OPEN"), code("FULL")
SPRING = "(SELECT id FROM promos_campaign WHERE name = 'Spring')"

_CREDIT = {
    **dict.fromkeys(("redemptions", "customers"), "1"),
    "paying_customers": "0",
    "granted_minor": "6",
    "spent_minor": "1",
    "expired_minor": "2",
    "left_minor": "3",
    "last_used_at": "now()",
    "as_of": "now()",
}
VALID = {
    "promos_promocode": {
        "code": "'NEW_1-X'",
        "credit_minor": "100",
        "currency": "'OMR'",
        "issued_by": "'root'",
    },
    "promos_campaign": {"name": "'New'", "drafted_by": "'ada'"},
    "promos_budgetcounter": {"campaign_id": "'00000000-0000-7000-8000-000000000001'", "quota": "5", "used": "0"},
    "promos_refusedattempt": {"act": "'preview'", "rule": "'promo_expired'", "code_hash": "'x'", "channel": "'api'"},
    "promos_alert": {"kind": "'customer'", "subject": "'ada'", "number": "101"},
    "promos_codefigures": {"promo_code_id": OPEN, **_CREDIT},
    "promos_campaignfigures": {"campaign_id": "'00000000-0000-7000-8000-000000000001'", **_CREDIT},
    "promos_usesnapshot": {
        "promo_code_id": OPEN,
        "at": "'2026-01-01'",
        **dict.fromkeys(("redemptions", "customers"), "1"),
        "granted_minor": "6",
        "taken_back_minor": "0",
        "left_minor": "5",
        "held_minor": "2",
    },
    "promos_promocounter": {"promo_code_id": WELCOME, "quota": "5", "used": "0"},
    "promos_redemption": {
        "promo_code_id": OPEN,
        "customer_id": ADA,
        "credit_minor": "100",
        "status": "'reserved'",
    },
}
_CONFIRMED = {**VALID["promos_redemption"], "status": "'confirmed'", "confirmed_at": "now()"}


def promo_code(**wrong: str) -> str:
    return inserting("promos_promocode", VALID["promos_promocode"], **wrong)


_OF_SPRING = {"promo_code_id": "NULL", "campaign_id": SPRING}


def snapshot(**wrong: str) -> str:
    return inserting("promos_usesnapshot", VALID["promos_usesnapshot"], **wrong)


def campaign(**wrong: str) -> str:
    return inserting("promos_campaign", VALID["promos_campaign"], **wrong)


def budget(**wrong: str) -> str:
    return inserting("promos_budgetcounter", VALID["promos_budgetcounter"], **wrong)


def counter(**wrong: str) -> str:
    return inserting("promos_promocounter", VALID["promos_promocounter"], **wrong)


def figures(table: str, **wrong: str) -> str:
    return inserting(table, VALID[table], **wrong)


def alert(**wrong: str) -> str:
    return inserting("promos_alert", VALID["promos_alert"], **wrong)


def refused_attempt(**wrong: str) -> str:
    return inserting("promos_refusedattempt", VALID["promos_refusedattempt"], **wrong)


def redemption(**wrong: str) -> str:
    return inserting("promos_redemption", VALID["promos_redemption"], **wrong)


def confirmed(**wrong: str) -> str:
    return inserting("promos_redemption", _CONFIRMED, **wrong)


def changing(owner: str, changes: str) -> str:
    return f"UPDATE promos_redemption SET {changes} WHERE customer_id = {owner}"


def redeeming(text: str, user: str = "dave", *, email: str = "", wait: bool = True) -> str:
    request = (
        f"ROW(gen_random_uuid(), gen_random_uuid(), '{text}', '{user}', '{email}', '', 'dave', 'customer', 'api',"
        " NULL, now(), NULL, NULL, NULL)::promos_redemption_request"
    )
    return f"SELECT id FROM promos_redeem(ARRAY[{request}], {wait})"


def writing(promo: str, owner: str, status: str) -> str:
    actor = "ROW('dave', 'customer', 'api', NULL)::billing_actor"
    fields = f"gen_random_uuid(), gen_random_uuid(), {promo}, NULL, {owner}, NULL, '', {actor}, now()"
    wanted = f"ARRAY[ROW({fields})::promos_redemption_to_write]"
    return f"SELECT id FROM unnest(promos_write_redemptions({wanted}, '{status}'))"


def claiming(promo: str, slots: int, *, hot: bool = False) -> str:
    """The last statement of a transaction that has written this many redemptions of the code."""
    fields = f"gen_random_uuid(), {promo}, {DAVE}, NULL, 100, true, {hot}, NULL, false"
    written = f"ROW({fields})::promos_written_redemption"
    return f"SELECT promos_claim_slots_of_redemptions(array_fill({written}, ARRAY[{slots}]))"


def claiming_budget(redemptions: int) -> str:
    """The last statement of a transaction that has written this many redemptions of SPRING."""
    fields = f"gen_random_uuid(), {code('SPRING')}, {DAVE}, NULL, 10000, false, false, {SPRING}, false"
    written = f"ROW({fields})::promos_written_redemption"
    return f"SELECT promos_claim_slots_of_redemptions(array_fill({written}, ARRAY[{redemptions}]))"


def with_terms(changes: str) -> list[str]:
    return [f"UPDATE promos_promocode SET {changes} WHERE code = 'OPEN'"]


CLAIMS_NOTHING = """
CREATE OR REPLACE FUNCTION promos_claim_slots_of_code(promo uuid, wanted bigint, hot boolean) RETURNS boolean
LANGUAGE sql AS $$ SELECT false $$
"""
CLAIMS_NO_BUDGET = """
CREATE OR REPLACE FUNCTION promos_claim_budget(campaign uuid, wanted bigint, rush boolean) RETURNS boolean
LANGUAGE sql AS $$ SELECT false $$
"""
RELEASE = "status = 'released', released_at = now(), release_reason = 'x'"

CODES: Attacks = {
    "promos_promocode_code_key": [promo_code(code="'WELCOME'"), promo_code(code="'RETIRED'")],
    "promos_promocode_code_form": [
        promo_code(code=text)
        for text in (
            "'AB'",
            "''",
            "'welcome'",
            "'NEW CODE'",
            "' NEW'",
            "E'NEW\\n'",
            "'N\u00c9W'",
            "'A.B.C'",
            "'AB\u0416'",
        )
    ],
    "promos_promocode_credit_positive": [promo_code(credit_minor="0"), promo_code(credit_minor="-1")],
    "promos_promocode_cap_not_negative": [promo_code(max_redemptions="-1")],
    "promos_promocode_window_forward": [
        promo_code(starts_at="now()", expires_at="now()"),
        promo_code(starts_at="now()", expires_at="now() - interval '1 second'"),
    ],
    "promos_promocode_restrictions_say_one": [promo_code(restrictions="'{}'"), *with_terms("restrictions = '{}'")],
    "promos_promocode_credit_days_in_bounds": [
        promo_code(credit_days="0"),
        promo_code(credit_days="3651"),
    ],
    "promos_promocode_never_deleted": [
        "DELETE FROM promos_promocode",
        "DELETE FROM promos_promocode WHERE code = 'RETIRED'",
        "TRUNCATE promos_promocode CASCADE",
    ],
    "promos_promocode_identity_fixed": [
        "UPDATE promos_promocode SET code = 'OTHER' WHERE code = 'OPEN'",
        "UPDATE promos_promocode SET id = gen_random_uuid() WHERE code = 'OPEN'",
        "UPDATE promos_promocode SET currency = 'USD' WHERE code = 'OPEN'",
        f"UPDATE promos_promocode SET campaign_id = {SPRING} WHERE code = 'OPEN'",
    ],
    # Slots that were free when they were counted, and that are gone when they are claimed.
    "promos_promocode_exhausted": [
        Attack(redeeming("WELCOME"), [CLAIMS_NOTHING]),
        Attack(redeeming("WELCOME", wait=False), [CLAIMS_NOTHING]),
        claiming(FULL, 1),
        claiming(WELCOME, 5),
        claiming(code("HOT"), 21, hot=True),
    ],
    "promos_promocounter_used_within_quota": [
        f"UPDATE promos_promocounter SET used = used + 1 WHERE promo_code_id = {FULL}",
        f"UPDATE promos_promocounter SET quota = 0 WHERE promo_code_id = {FULL}",
        f"UPDATE promos_promocounter SET used = -1 WHERE promo_code_id = {WELCOME}",
        counter(used="-1"),
        counter(used="6"),
        counter(quota="-1"),
        f"SELECT promos_return_slot({code('HOT')})",
        Attack(f"SELECT promos_return_slot({FULL})", [f"SELECT promos_return_slot({FULL})"]),
    ],
}

# Ada confirmed WELCOME, Bob reserved LATER, Carol confirmed FULL, Dave released WELCOME.
REDEMPTIONS: Attacks = {
    "promos_redemption_once_per_customer": [
        redemption(promo_code_id=WELCOME),
        confirmed(promo_code_id=WELCOME),
        confirmed(promo_code_id=code("LATER"), customer_id=BOB),
    ],
    "promos_redemption_once_per_use": [
        Attack(
            confirmed(promo_code_id=WELCOME, use_number="2"),
            [
                f"UPDATE promos_promocode SET restrictions = '{{\"uses_per_customer\": 9}}' WHERE id = {WELCOME}",
                confirmed(promo_code_id=WELCOME, use_number="2"),
            ],
        ),
    ],
    "promos_redemption_use_number_fits": [
        confirmed(promo_code_id=WELCOME, use_number="1"),
        confirmed(promo_code_id=WELCOME, use_number="-2"),
        confirmed(promo_code_id=WELCOME, use_number="2"),
        Attack(
            confirmed(promo_code_id=OPEN, use_number="2"),
            [f"UPDATE promos_promocode SET restrictions = '{{\"uses_per_day\": 9}}' WHERE id = {OPEN}"],
        ),
    ],
    "promos_redemption_status_known": [
        Attack(
            redemption(status=status),
            ["ALTER TABLE promos_redemption DROP CONSTRAINT promos_redemption_confirmed_at_fits"],
        )
        for status in ("'lost'", "''", "'RESERVED'")
    ],
    "promos_redemption_confirmed_at_fits": [
        redemption(confirmed_at="now()"),
        confirmed(confirmed_at="NULL"),
        changing(BOB, "status = 'confirmed'"),
    ],
    "promos_redemption_credit_positive": [redemption(credit_minor="0"), redemption(credit_minor="-1")],
    "promos_redemption_release_says_why": [
        changing(CAROL, "status = 'released', released_at = now()"),
        changing(CAROL, "status = 'released', release_reason = 'x'"),
        redemption(release_reason="'x'"),
        redemption(released_at="now()"),
    ],
    "promos_redemption_never_deleted": [
        "DELETE FROM promos_redemption",
        "DELETE FROM promos_redemption WHERE status = 'released'",
        "TRUNCATE promos_redemption",
    ],
    "promos_redemption_promo_code_exists": [redemption(promo_code_id="gen_random_uuid()"), *NO_CARD],
    "promos_redemption_starts_live": [
        redemption(status="'released'", released_at="now()", release_reason="'x'"),
    ],
    "promos_redemption_identity_fixed": [
        changing(CAROL, f"{RELEASE}, credit_minor = 1"),
        changing(CAROL, f"{RELEASE}, credit_expires_at = now()"),
        changing(CAROL, f"{RELEASE}, customer_id = {BOB}"),
        changing(CAROL, f"{RELEASE}, promo_code_id = {OPEN}"),
        changing(CAROL, f"{RELEASE}, order_id = '{RESERVED}'"),
        changing(CAROL, f"{RELEASE}, id = gen_random_uuid()"),
    ],
    "promos_redemption_transition_known": [
        changing(DAVE, "status = 'confirmed', released_at = NULL, release_reason = ''"),
        changing(DAVE, "status = 'reserved', confirmed_at = NULL, released_at = NULL, release_reason = ''"),
        changing(DAVE, "release_reason = 'another'"),
        changing(CAROL, "status = 'reserved', confirmed_at = NULL"),
        changing(CAROL, "confirmed_at = now()"),
        changing(BOB, "reserved_at = now()"),
        changing(CAROL, "status = 'lost'"),
    ],
}

# Spring is active and has granted 10,000 of 25,000; Draft and Done are a draft and an ended campaign.
CAMPAIGNS: Attacks = {
    "promos_campaign_name_once": [campaign(name="'spring'"), campaign(name="'GENERAL'")],
    "promos_campaign_has_name": [campaign(name="''")],
    "promos_campaign_budget_not_negative": [campaign(budget_minor="-1")],
    "promos_campaign_window_forward": [
        campaign(starts_at="now()", ends_at="now()"),
        campaign(starts_at="now()", ends_at="now() - interval '1 second'"),
    ],
    "promos_campaign_status_known": [
        Attack(
            campaign(status=status),
            ["ALTER TABLE promos_campaign DROP CONSTRAINT promos_campaign_approved_by_another"],
        )
        for status in ("'lost'", "''", "'DRAFT'")
    ],
    "promos_campaign_credit_days_in_bounds": [
        campaign(credit_days="0"),
        campaign(credit_days="3651"),
    ],
    "promos_campaign_credit_class_known": [campaign(credit_class="'free'"), campaign(credit_class="''")],
    "promos_campaign_vat_treatment_fits_class": [
        campaign(vat_treatment=treatment, credit_class=credit_class, credit_days="30")
        for treatment, credit_class in (
            ("'single_purpose'", "'promotional'"),
            ("'single_purpose'", "'compensation'"),
            ("'no_consideration'", "'sold'"),
            ("'exempt'", "'sold'"),
            ("''", "'promotional'"),
        )
    ],
    "promos_campaign_vat_treatment_needs_life": [
        campaign(vat_treatment="'single_purpose'", credit_class="'sold'"),
        campaign(vat_treatment="'no_consideration'", credit_class="'promotional'"),
    ],
    "promos_campaign_approved_by_another": [
        *(campaign(status=status) for status in ("'approved'", "'active'", "'paused'")),
        campaign(status="'active'", approved_by="'ada'"),
        campaign(approved_by="'bob'"),
        "UPDATE promos_campaign SET status = 'approved' WHERE name = 'Draft'",
        "UPDATE promos_campaign SET status = 'approved', approved_by = drafted_by WHERE name = 'Draft'",
    ],
    "promos_campaign_restrictions_say_one": [campaign(restrictions="'{}'")],
    "promos_campaign_never_deleted": [
        "DELETE FROM promos_campaign",
        "DELETE FROM promos_campaign WHERE name = 'Draft'",
        "TRUNCATE promos_campaign CASCADE",
    ],
    "promos_campaign_default_fixed": [
        f"UPDATE promos_campaign SET {change} WHERE id = promos_default_campaign()"
        for change in ("status = 'paused'", "budget_minor = 1", "name = 'Other'", "ends_at = now()")
    ],
    "promos_campaign_unchanged_once_approved": [
        f"UPDATE promos_campaign SET {change} WHERE name = '{name}'"
        for name in ("Spring", "Done")
        for change in (
            "name = 'Other'",
            "credit_class = 'sold'",
            "vat_treatment = 'no_consideration', credit_days = 30",
            "drafted_by = 'eve'",
            "approved_by = 'eve'",
            "starts_at = now()",
            """restrictions = '{"uses_per_day": 1}'""",
            "credit_days = 1",
            "id = gen_random_uuid()",
        )
    ],
    "promos_campaign_transition_known": [
        "UPDATE promos_campaign SET status = 'active', approved_by = 'bob' WHERE name = 'Draft'",
        "UPDATE promos_campaign SET status = 'approved' WHERE name = 'Spring'",
        "UPDATE promos_campaign SET status = 'active' WHERE name = 'Done'",
    ],
    "promos_campaign_budget_exhausted": [
        Attack(redeeming("SPRING"), [CLAIMS_NO_BUDGET]),
        Attack(redeeming("SPRING", wait=False), [CLAIMS_NO_BUDGET]),
        claiming_budget(2),
    ],
    "promos_budgetcounter_used_within_quota": [
        f"UPDATE promos_budgetcounter SET used = used + 15001 WHERE campaign_id = {SPRING}",
        f"UPDATE promos_budgetcounter SET quota = 0 WHERE campaign_id = {SPRING}",
        f"UPDATE promos_budgetcounter SET used = -1 WHERE campaign_id = {SPRING}",
        budget(used="-1"),
        budget(used="6"),
        budget(quota="-1"),
        f"SELECT promos_return_budget({SPRING}, 10001)",
    ],
}

ATTEMPTS: Attacks = {
    "promos_alert_kind_known": [alert(kind="'other'", allowed="1"), alert(kind="''", allowed="1")],
    **{
        f"{table}_adds_up": [
            figures(table, granted_minor="7"),
            figures(table, spent_minor="-1", left_minor="5"),
            figures(table, expired_minor="-1", left_minor="6"),
            figures(table, left_minor="-1", spent_minor="5"),
        ]
        for table in ("promos_codefigures", "promos_campaignfigures")
    },
    "promos_usesnapshot_of_code_once": [Attack(snapshot(left_minor="4"), [snapshot()])],
    "promos_usesnapshot_of_campaign_once": [Attack(snapshot(**_OF_SPRING, left_minor="4"), [snapshot(**_OF_SPRING)])],
    "promos_usesnapshot_of_code_or_campaign": [snapshot(promo_code_id="NULL"), snapshot(campaign_id=SPRING)],
    "promos_usesnapshot_parts_fit": [
        snapshot(customers="2"),
        snapshot(customers="-1"),
        snapshot(granted_minor="4"),
        snapshot(taken_back_minor="-1"),
        snapshot(held_minor="6"),
        snapshot(held_minor="-1"),
    ],
    "promos_alert_allowed_of_limits": [
        alert(allowed="1"),
        alert(kind="'cap_80'"),
        alert(kind="'cap_80'", allowed="-1"),
    ],
    "promos_codepreviews_positive": [
        inserting("promos_codepreviews", {"promo_code_id": OPEN, "number": number}) for number in ("0", "-1")
    ],
    "promos_alert_closed_by_someone": [alert(closed_at="now()"), alert(closed_by="'noor'")],
    "promos_alert_open_once": [Attack(alert(number="5"), [alert()])],
    "promos_refusedattempt_act_known": [refused_attempt(act="'guess'"), refused_attempt(act="''")],
    "promos_refusedattempt_has_rule": [refused_attempt(rule="''")],
}
ATTACKS: Attacks = {
    **CODES,
    **REDEMPTIONS,
    **CAMPAIGNS,
    **BATCHES,
    **PRINTER_FILES,
    **CARDS,
    **DEALERS,
    **RANGES,
    **ATTEMPTS,
}

# What the functions of a redemption leave out, without an error: the others of its batch are redeemed.
LEFT_OUT: Attacks = {
    "a code that may not be redeemed": [
        redeeming("PAUSED"),
        redeeming("RETIRED"),
        redeeming("NOSUCH"),
        redeeming("open"),
        Attack(redeeming("OPEN"), with_terms("starts_at = now() + interval '1 second'")),
        Attack(redeeming("OPEN"), with_terms("expires_at = now()")),
        *(
            writing(promo, DAVE, status)
            for promo in (code("PAUSED"), code("RETIRED"), "gen_random_uuid()")
            for status in ("confirmed", "reserved")
        ),
    ],
    "a redemption that a restriction refuses": [
        Attack(redeeming("OPEN", wait=wait), with_terms(f"restrictions = '{rules}'"))
        for rules in ('{"only": "orders"}', '{"customers": ["ada"]}', '{"email_domains": ["bank.om"]}')
        for wait in (True, False)
    ],
    "a code of a campaign that is not active": [redeeming("DRAFT"), redeeming("DRAFT", wait=False)],
    "a code whose campaign's budget has no room": [redeeming("SPRING2"), redeeming("SPRING2", wait=False)],
    "a code without a free slot": [redeeming("FULL"), redeeming("FULL", wait=False)],
    "a customer with a live redemption of the code": [
        redeeming("WELCOME", "ada"),
        redeeming("LATER", "bob"),
        *(writing(WELCOME, ADA, status) for status in ("confirmed", "reserved")),
        *(writing(code("LATER"), BOB, status) for status in ("confirmed", "reserved")),
    ],
    "a user who is no customer yet": [redeeming("OPEN", "nobody")],
    "a customer with another e-mail address": [redeeming("OPEN", email="new@example.org")],
}


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with committed_sample_history(django_db_blocker):
        yield


@pytest.mark.parametrize(("rule", "attack"), each(ATTACKS))
def test_database_refuses(rule: str, attack: Attack) -> None:
    assert_refused(rule, attack)


@pytest.mark.parametrize(("why", "attack"), each(LEFT_OUT))
def test_redemption_leaves_out(why: str, attack: Attack) -> None:
    assert_left_out(attack)


@pytest.mark.parametrize("table", VALID)
def test_row_that_attacks_start_from_is_accepted(table: str) -> None:
    assert_accepted(inserting(table, VALID[table]))


@pytest.mark.parametrize(
    "statement",
    [
        confirmed(),
        changing(BOB, "status = 'confirmed', confirmed_at = now()"),
        changing(BOB, RELEASE),
        changing(CAROL, RELEASE),
        *(redeeming(text, wait=wait) for text in ("OPEN", "WELCOME", "HOT") for wait in (True, False)),
        redeeming("OPEN", email="dave@example.org"),
        *(writing(promo, DAVE, status) for promo in (OPEN, WELCOME) for status in ("confirmed", "reserved")),
        claiming_budget(1),
        redeeming("SPRING"),
        f"SELECT promos_return_budget({SPRING}, 10000)",
        f"UPDATE promos_campaign SET status = 'paused', budget_minor = 1 WHERE id = {SPRING}",
        "UPDATE promos_campaign SET status = 'approved', approved_by = 'eve', name = 'X' WHERE name = 'Draft'",
        claiming(WELCOME, 4),
        claiming(code("HOT"), 20, hot=True),
        f"UPDATE promos_promocounter SET used = quota WHERE promo_code_id = {WELCOME}",
    ],
)
def test_what_is_allowed_passes(statement: str) -> None:
    assert_accepted(statement)


def test_redemption_needs_a_customer() -> None:
    with nothing_changes(), pytest.raises(IntegrityError) as caught, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(redemption(customer_id="-1"))
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert isinstance(caught.value.__cause__, ForeignKeyViolation)


def test_every_rule_of_the_database_is_attacked() -> None:
    assert rules_of("promos") == set(ATTACKS)
    # These refuse nothing: one carries a batch's state to its terms, one renumbers the uses of a customer.
    assert triggers_without_rule("promos") == {"promos_batch_switches_terms", "promos_redemption_first_use_released"}
