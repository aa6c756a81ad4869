"""Attacks on the rules of proposals, for test_constraints.py."""

from tests.rules import TRIGGERS_OFF, Attack, Attacks, inserting

VALID_PROPOSAL = {
    "kind": "'credit_adjustment'",
    "title": "'Adjust'",
    "arguments": "'{}'",
    "state": "'{}'",
    "changes": "'[]'",
    "fingerprint": "'first'",
    "reason": "'why'",
    "proposer_id": "'ada'",
    "proposer_role": "'superadmin'",
    "proposer_email": "'ada@example.org'",
    "proposer_channel": "'admin'",
    "expires_at": "now() + interval '1 day'",
}
PROPOSED = inserting("billing_proposal", VALID_PROPOSAL)
APPROVED = "status = 'approved', decided_at = now()"


def proposal(**wrong: str) -> str:
    return inserting("billing_proposal", VALID_PROPOSAL, **wrong)


def changing(changes: str) -> str:
    return f"UPDATE billing_proposal SET {changes} WHERE fingerprint = 'first'"


def changed(changes: str, *before: str) -> Attack:
    return Attack(changing(changes), [PROPOSED, *before])


PROPOSALS: Attacks = {
    "billing_proposal_status_known": [changed("status = 'lost', decided_at = now()", TRIGGERS_OFF)],
    "billing_proposal_proposer_and_reason_given": [
        proposal(kind="''"),
        proposal(title="''"),
        proposal(reason="''"),
        proposal(proposer_id="''"),
    ],
    "billing_proposal_decided_at_follows_status": [
        proposal(decided_at="now()"),
        changed("status = 'withdrawn'"),
        changed("status = 'approved', decider_id = 'bob'"),
    ],
    "billing_proposal_decided_by_another": [
        changed(APPROVED),
        changed(f"{APPROVED}, decider_id = 'ada'"),
        changed(f"{APPROVED}, decider_id = 'another', decider_email = 'ada@example.org'"),
        changed("status = 'rejected', decided_at = now(), decider_id = 'ada'"),
        changed("status = 'failed', decided_at = now(), decider_id = 'ada'"),
    ],
    "billing_proposal_emails_lower_case": [
        proposal(proposer_email="'Ada@example.org'"),
        changed(f"{APPROVED}, decider_id = 'bob', decider_email = 'ADA@example.org'"),
    ],
    "billing_proposal_expires_later": [proposal(expires_at="now()"), proposal(expires_at="now() - interval '1 s'")],
    "billing_proposal_proposed_once": [Attack(PROPOSED, [PROPOSED])],
    "billing_proposal_never_deleted": [
        "DELETE FROM billing_proposal",
        "DELETE FROM billing_proposal WHERE false",
        "TRUNCATE billing_proposal",
    ],
    "billing_proposal_starts_proposed": [
        proposal(status="'approved'", decided_at="now()", decider_id="'bob'"),
        proposal(status="'expired'", decided_at="now()"),
    ],
    "billing_proposal_content_fixed": [
        *(
            changed(f"{column} = {value}")
            for column, value in {
                "kind": "'other'",
                "title": "'other'",
                "arguments": "'[]'",
                "state": "'[]'",
                "changes": "'{}'",
                "fingerprint": "'other'",
                "reason": "'other'",
                "proposer_id": "'bob'",
                "proposer_role": "'auditor'",
                "proposer_email": "''",
                "proposer_channel": "'api'",
                "proposer_address": "'10.0.0.1'",
                "created_at": "now() - interval '1 day'",
                "expires_at": "now() + interval '1 year'",
            }.items()
        ),
        changed("comment = 'other'", changing(f"{APPROVED}, decider_id = 'bob'")),
    ],
    "billing_proposal_transition_known": [
        changed("status = 'rejected'", changing(f"{APPROVED}, decider_id = 'bob'")),
    ],
}
