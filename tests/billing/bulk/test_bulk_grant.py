"""A bulk grant: a draft, exact credit once a row, resumed and undone as a whole where it is not spent."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.errors import BulkGrantStateRefuses, DomainError, InvalidBatch, ProposalStale, ReasonRequired
from billing.models import AuditEntry, BulkGrant, BulkGrantRow, Customer, LedgerEntry, Lot, Proposal
from billing.queries import balance_of
from billing.use_cases.bulk.draft_bulk_grant import Preview, discard_bulk_grant, preview_draft
from billing.use_cases.bulk.propose_bulk_grant import start_or_propose
from billing.use_cases.bulk.run_bulk_grant import continue_bulk_grants, run_bulk_grant, run_in_chunks
from billing.use_cases.bulk.start_bulk_grant import start_bulk_grant, undo_bulk_grant
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from billing.use_cases.proposals.decide import approve_proposal
from tests.factories import CustomerFactory, acting, actor, give_credit
from tests.snapshot import nothing_changes

from .make_grants import STAFF, done, draft, running

pytestmark = pytest.mark.django_db(transaction=True)


def balance(user_id: str) -> int:
    return balance_of(user_id=user_id).credit_minor


def results(found: BulkGrant) -> dict[str, tuple[str, str]]:
    rows = found.entries.values_list("user_id", "status", "why")
    return {user_id: (status, why) for user_id, status, why in rows}


def undo(found: BulkGrant) -> BulkGrant:
    undo_bulk_grant(bulk_grant_id=found.pk, by=STAFF, reason="the wrong list")
    run_bulk_grant(bulk_grant_id=found.pk)
    found.refresh_from_db()
    return found


def test_draft_says_what_it_would_do_and_changes_no_balance() -> None:
    CustomerFactory.create(user_id="ada")
    done("ada,1", name="outage-2026")
    found = draft("ada,5", "new,1.250")
    expected = Preview(rows=2, total_minor=6_250, already=1, already_minor=5_000, unknown=1, same_list=[])
    assert preview_draft(found) == expected
    assert (found.status, found.rows, found.total_minor, balance("new")) == ("draft", 2, 6_250, 0)
    assert preview_draft(draft("ada,5", "new,1.250", name="again")).same_list == ["outage-2026"]


def test_each_row_has_one_entry_that_names_everything() -> None:
    ends = timezone.now() + timedelta(days=90)
    found = done("ada,5", "bob,1.250", expires_at=ends)
    assert (found.status, found.progress, balance("ada"), balance("bob")) == ("done", 2, 5_000, 1_250)
    entry = LedgerEntry.objects.get(account__customer__user_id="bob")
    assert (entry.reason, entry.note, entry.credit_class) == (
        "grant:outage-2026",
        "the outage of May",
        "compensation",
    )
    assert (entry.actor_id, entry.expires_at) == (STAFF.user_id, ends)
    assert Lot.objects.get(entry=entry).left_minor == 1_250
    assert found.entries.get(user_id="bob").entry_id == entry.pk
    audited = AuditEntry.objects.filter(object_type="bulk_grant").order_by("pk").values_list("action", flat=True)
    assert list(audited) == ["bulk_grant.drafted", "bulk_grant.started", "bulk_grant.finished"]
    end = AuditEntry.objects.get(action="bulk_grant.finished")
    assert (end.actor_id, end.reason) == (STAFF.user_id, "the outage of May")
    assert end.changes == {
        "rows_hash": [None, found.rows_hash],
        "granted_rows": [None, 2],
        "granted_total_minor": [None, 6_250],
    }
    assert verify_ledger().sound


def test_same_list_under_its_name_is_the_same_grant_and_nobody_has_it_twice() -> None:
    found = done("ada,5", "bob,5")
    with nothing_changes():
        assert draft("bob,5", "ada,5").pk == found.pk
        run_bulk_grant(bulk_grant_id=found.pk)
    other = done("ada,5", "carol,5")
    assert results(other) == {"ada": ("skipped", "had_it"), "carol": ("granted", "")}
    assert [balance(user) for user in ("ada", "bob", "carol")] == [5_000] * 3


def test_run_that_stops_between_chunks_is_continued() -> None:
    found = running(*(f"user-{number},1" for number in range(5)))
    chunks = run_in_chunks(bulk_grant_id=found.pk, size=2)
    assert next(chunks) == ["granted", "granted"]
    found.refresh_from_db()
    assert (found.status, found.progress, LedgerEntry.objects.count()) == ("running", 2, 2)
    ProcrastinateJob.objects.all().delete()
    for _ in range(2):
        continue_bulk_grants()
    assert ProcrastinateJob.objects.filter(task_name="run_bulk_grant").count() == 1
    run_bulk_grant(bulk_grant_id=found.pk, size=2)
    found.refresh_from_db()
    assert (found.status, found.progress, LedgerEntry.objects.count()) == ("done", 5, 5)


def test_undo_takes_back_what_is_all_there_and_says_what_is_not() -> None:
    for name in ("whole", "spent", "sold-later", "held", "reversed", "old-first"):
        CustomerFactory.create(user_id=name)
    customers = {each.user_id: each for each in Customer.objects.all()}
    give_credit(customers["old-first"], 3_000)
    found = done(*(f"{name},5" for name in customers))
    for name in ("spent", "sold-later", "old-first"):
        spend_credit(customer_id=customers[name].pk, amount_minor=3_000, order_id=uuid4(), by=acting(customers[name]))
    give_credit(customers["sold-later"], 9_000)
    hold_credit(customer_id=customers["held"].pk, amount_minor=1, order_id=UUID(int=1))
    entry_id = found.entries.get(user_id="reversed").entry_id
    assert entry_id
    reverse_entry(entry_id=entry_id, why="by hand", by=STAFF)
    undo(found)
    assert results(found) == {
        "whole": ("undone", ""),
        "spent": ("kept", "spent"),
        "sold-later": ("kept", "spent"),
        "held": ("kept", "held"),
        "reversed": ("kept", "reversed"),
        "old-first": ("undone", ""),
    }
    end = AuditEntry.objects.get(action="bulk_grant.undo_finished")
    totals = {"kept_rows": 4, "kept_total_minor": 20_000, "undone_rows": 2, "undone_total_minor": 10_000}
    assert end.changes == {name: [None, each] for name, each in {"rows_hash": found.rows_hash, **totals}.items()}
    assert (found.status, found.progress, balance("whole"), balance("old-first")) == ("undone", 6, 0, 0)
    assert (balance("spent"), balance("sold-later"), balance("held")) == (2_000, 11_000, 5_000)
    reversal = LedgerEntry.objects.get(account=customers["whole"].pk, kind="reversal")
    assert (reversal.note, reversal.actor_id, reversal.reason) == (
        "the wrong list",
        STAFF.user_id,
        "reversal:grant:outage-2026",
    )
    assert verify_ledger().sound


def test_undo_of_expiring_credit_takes_its_own_lot() -> None:
    soon, later = timezone.now() + timedelta(days=1), timezone.now() + timedelta(days=9)
    ada = CustomerFactory.create(user_id="ada")
    grant_credit(customer_id=ada.pk, amount_minor=4_000, reason="gift", by=STAFF, expires_at=later)
    found = done("ada,5", "bob,5", expires_at=soon)
    bob = Customer.objects.get(user_id="bob")
    spend_credit(customer_id=bob.pk, amount_minor=1, order_id=uuid4(), by=acting(bob))
    undo(found)
    assert results(found) == {"ada": ("undone", ""), "bob": ("kept", "spent")}
    assert sorted(Lot.objects.filter(account=ada.pk).values_list("left_minor", flat=True)) == [0, 4_000]
    assert verify_ledger().sound


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"name": "X"}, InvalidBatch),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, InvalidBatch),
    ],
)
def test_terms_that_are_refused_change_nothing(wrong: dict[str, Any], refusal: type[DomainError]) -> None:
    with nothing_changes(), pytest.raises(refusal):
        draft("ada,5", **wrong)


def test_acts_need_their_state_and_a_reason() -> None:
    found = draft("ada,5")
    with nothing_changes():
        with pytest.raises(BulkGrantStateRefuses):
            undo_bulk_grant(bulk_grant_id=found.pk, by=STAFF, reason="x")
        for act in (start_bulk_grant, discard_bulk_grant, undo_bulk_grant):
            with pytest.raises(ReasonRequired):
                act(bulk_grant_id=found.pk, by=STAFF, reason=" ")
    discard_bulk_grant(bulk_grant_id=found.pk, by=STAFF, reason="the wrong list")
    with nothing_changes(), pytest.raises(BulkGrantStateRefuses):
        start_bulk_grant(bulk_grant_id=found.pk, by=STAFF, reason="x")
    assert draft("ada,5").pk != found.pk


def test_sum_above_the_limit_is_approved_by_another_and_a_stale_proposal_fails(settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"bulk_grant": {"*": 6_000}}
    amal = actor(user_id="amal")
    small, large, gone = draft("ada,6"), draft("ada,6", "bob,1", name="large"), draft("bob,7", name="gone")
    assert start_or_propose(bulk_grant=small, by=STAFF, reason="agreed").result
    proposal = start_or_propose(bulk_grant=large, by=STAFF, reason="agreed").proposal
    assert proposal and proposal.title == "Grant 7.000 OMR to 2 customers: large"
    large.refresh_from_db()
    assert large.status == "draft"
    approve_proposal(proposal_id=proposal.pk, by=amal)
    run_bulk_grant(bulk_grant_id=large.pk)
    assert BulkGrantRow.objects.filter(bulk_grant=large, status="granted").count() == 2
    assert LedgerEntry.objects.get(account__customer__user_id="bob").actor_id == STAFF.user_id
    stale = start_or_propose(bulk_grant=gone, by=STAFF, reason="agreed").proposal
    assert stale
    discard_bulk_grant(bulk_grant_id=gone.pk, by=STAFF, reason="no")
    decided = approve_proposal(proposal_id=stale.pk, by=amal)
    assert (decided.status, decided.outcome[:20]) == (Proposal.Status.FAILED, ProposalStale.message.capitalize()[:20])
