"""Attacks on the rules of bulk grants, for test_constraints.py, and a grant that has one row."""

from tests.rules import TRIGGERS_OFF, Attack, Attacks, inserting

GRANT = "(SELECT id FROM billing_bulkgrant)"
VALID_GRANT = {
    "name": "'outage-2026'",
    "rows": "1",
    "total_minor": "5",
    "rows_hash": "'first'",
    "credit_class": "'compensation'",
    "reason": "'why'",
    "drafted_by": "'ada'",
}
VALID_ROW = {"bulk_grant_id": GRANT, "line": "1", "user_id": "'ada'", "amount_minor": "5"}
DRAFTED = [inserting("billing_bulkgrant", VALID_GRANT), inserting("billing_bulkgrantrow", VALID_ROW)]
STARTED_BY = """started_by = '{"user_id": "ada"}', started_at = now()"""
STARTED = [*DRAFTED, f"UPDATE billing_bulkgrant SET status = 'running', {STARTED_BY}"]
ENTRY = "(SELECT id FROM billing_ledgerentry ORDER BY id LIMIT 1)"


def _grant(**wrong: str) -> str:
    return inserting("billing_bulkgrant", VALID_GRANT, **wrong)


def _changed(changes: str, *before: str) -> Attack:
    return Attack(f"UPDATE billing_bulkgrant SET {changes}", [*DRAFTED, *before])


def _row(**wrong: str) -> Attack:
    return Attack(inserting("billing_bulkgrantrow", VALID_ROW, **wrong), [DRAFTED[0], TRIGGERS_OFF])


def _row_changed(changes: str, *before: str) -> Attack:
    return Attack(f"UPDATE billing_bulkgrantrow SET {changes}", [*DRAFTED, *before])


BULK_GRANTS: Attacks = {
    "billing_bulkgrant_status_known": [_changed(f"status = 'lost', {STARTED_BY}", TRIGGERS_OFF)],
    "billing_bulkgrant_name_form": [_grant(name="'X'"), _grant(name="'a b c'"), _grant(name="''")],
    "billing_bulkgrant_grants_something": [_grant(rows="0", total_minor="0"), _grant(rows="6")],
    "billing_bulkgrant_progress_within_rows": [_changed("progress = 2"), _changed("progress = -1")],
    "billing_bulkgrant_credit_class_known": [_grant(credit_class="'free'")],
    "billing_bulkgrant_drafter_and_reason_given": [_grant(reason="''"), _grant(drafted_by="''")],
    "billing_bulkgrant_starter_given": [
        _changed("status = 'running'"),
        _changed("status = 'running', started_at = now()"),
    ],
    "billing_bulkgrant_undoer_given": [
        Attack(
            "UPDATE billing_bulkgrant SET status = 'undoing'",
            [*STARTED, "UPDATE billing_bulkgrant SET status = 'done'"],
        )
    ],
    "billing_bulkgrant_list_once": [Attack(_grant(), DRAFTED)],
    "billing_bulkgrant_never_deleted": ["DELETE FROM billing_bulkgrant", "TRUNCATE billing_bulkgrant CASCADE"],
    "billing_bulkgrant_starts_draft": [_grant(status="'running'"), _grant(progress="1")],
    "billing_bulkgrant_content_fixed": [
        *(
            _changed(f"{column} = {value}")
            for column, value in {
                "name": "'other'",
                "rows": "2",
                "total_minor": "6",
                "rows_hash": "'other'",
                "credit_class": "'sold'",
                "expires_at": "now()",
                "reason": "'other'",
                "drafted_by": "'bob'",
            }.items()
        ),
        Attack("UPDATE billing_bulkgrant SET started_at = started_at + interval '1 s'", STARTED),
        Attack("""UPDATE billing_bulkgrant SET undone_by = '{"user_id": "eve"}'""", STARTED),
    ],
    "billing_bulkgrant_transition_known": [_changed("status = 'done'")],
    "billing_bulkgrantrow_user_once": [
        Attack(inserting("billing_bulkgrantrow", VALID_ROW), [*DRAFTED, TRIGGERS_OFF])
    ],
    "billing_bulkgrantrow_line_once": [
        Attack(inserting("billing_bulkgrantrow", VALID_ROW, user_id="'bob'"), [*DRAFTED, TRIGGERS_OFF])
    ],
    "billing_bulkgrantrow_status_known": [_row_changed("status = 'lost'", TRIGGERS_OFF)],
    "billing_bulkgrantrow_complete": [_row(amount_minor="0"), _row(line="0"), _row(user_id="''")],
    "billing_bulkgrantrow_entry_follows_status": [
        _row_changed("status = 'granted'"),
        _row_changed(f"status = 'skipped', why = 'merged', entry_id = {ENTRY}"),
    ],
    "billing_bulkgrantrow_says_why": [
        _row_changed("status = 'skipped'"),
        _row_changed(f"status = 'granted', why = 'spent', entry_id = {ENTRY}"),
    ],
    "billing_bulkgrantrow_why_known": [_row_changed("status = 'skipped', why = 'luck'")],
    "billing_bulkgrantrow_never_deleted": ["DELETE FROM billing_bulkgrantrow", "TRUNCATE billing_bulkgrantrow"],
    "billing_bulkgrantrow_starts_pending": [
        Attack(inserting("billing_bulkgrantrow", VALID_ROW, status="'skipped'", why="'spent'"), DRAFTED[:1])
    ],
    "billing_bulkgrantrow_content_fixed": [
        *(
            _row_changed(f"{column} = {value}")
            for column, value in {"line": "2", "user_id": "'bob'", "amount_minor": "6"}.items()
        ),
        _row_changed("why = 'spent'"),
    ],
    "billing_bulkgrantrow_transition_known": [_row_changed(f"status = 'undone', entry_id = {ENTRY}")],
    "billing_bulkgrantrow_as_counted": [
        Attack(inserting("billing_bulkgrantrow", VALID_ROW, user_id="'bob'", line="2"), DRAFTED),
        Attack(inserting("billing_bulkgrantrow", VALID_ROW, amount_minor="6"), DRAFTED[:1]),
    ],
}
