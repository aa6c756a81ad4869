"""The activation of a batch, or of some cards, whose credit is above a limit is proposed."""

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from billing.actor import APPROVER, DEALER, SOVEREIGN_ADMIN
from billing.models import Proposal
from billing.use_cases.proposals.decide import approve_proposal
from config.parts.approvals import approval_limits
from promos.errors import InvalidRange
from promos.models import Batch
from promos.use_cases.approvals import propose_cards
from promos.use_cases.approvals.propose_activation import activate_or_propose
from promos.use_cases.approvals.propose_cards import act_or_propose
from promos.use_cases.cards.change_batch import stop_batch, void_batch
from promos.use_cases.ranges.plan_act import Act
from tests.console import client_of, create_user, shown_messages
from tests.factories import actor
from tests.promos.cards.make_batch import active, released
from tests.promos.ranges.make_ranges import act, dealer, ranges_of
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

NOOR = actor(SOVEREIGN_ADMIN, user_id="noor")
AMAL = actor(APPROVER, user_id="amal")


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    # Three cards of 5.000 OMR.
    settings.APPROVAL_LIMITS = approval_limits(["activate_credit=15000"])


def activate(batch: Batch) -> Proposal | None:
    return activate_or_propose(batch=batch, by=NOOR, reason="in the shops").proposal


def activate_cards(batch: Batch, first: int, last: int) -> Proposal | None:
    start = batch.first_serial - 1
    spans = [(start + first, start + last)]
    return act_or_propose(batch=batch, act=Act.ACTIVATE, spans=spans, by=NOOR, reason="in the shops").proposal


def test_a_batch_up_to_the_limit_is_activated() -> None:
    batch = released(size=3)
    assert activate(batch) is None
    batch.refresh_from_db()
    assert batch.status == Batch.Status.ACTIVE


def test_a_batch_above_the_limit_is_proposed_and_activated_once_approved() -> None:
    batch = released(size=4)
    proposal = activate(batch)
    assert proposal is not None
    assert proposal.title == "Activate the batch SHOPS-1"
    assert proposal.changes == [
        ["State", "Released", "Active"],
        ["Cards", "", "4"],
        ["Credit that customers can redeem", "", "20.000 OMR"],
    ]
    assert activate(batch) == proposal
    approve_proposal(proposal_id=proposal.pk, by=AMAL)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.ACTIVE


def test_a_batch_whose_state_changed_meanwhile_is_stale() -> None:
    batch = released(size=4)
    proposal = activate(batch)
    assert proposal is not None
    stop_batch(batch=batch, by=NOOR, reason="stolen")
    assert approve_proposal(proposal_id=proposal.pk, by=AMAL).status == "failed"
    batch.refresh_from_db()
    assert batch.status == Batch.Status.LOCKED


def test_cards_up_to_the_limit_are_activated_and_more_are_proposed() -> None:
    batch = active(size=10)
    act(batch, "allocate", 1, 10, dealer=dealer())
    assert activate_cards(batch, 1, 3) is None
    proposal = activate_cards(batch, 3, 7)
    assert proposal is not None
    assert ["Cards that become active", "", "4 of 5"] in proposal.changes
    assert ["Credit that customers can redeem", "", "20.000 OMR"] in proposal.changes
    approve_proposal(proposal_id=proposal.pk, by=AMAL)
    assert [row[:3] for row in ranges_of(batch) if row[2] == "active"] == [(1, 3, "active"), (4, 7, "active")]


def test_cards_whose_range_changed_meanwhile_are_stale() -> None:
    batch = active(size=10)
    act(batch, "allocate", 1, 10, dealer=dealer())
    proposal = activate_cards(batch, 1, 4)
    assert proposal is not None
    act(batch, "lock", 2)
    with only_changes("billing_proposal", "billing_auditentry"):
        assert approve_proposal(proposal_id=proposal.pk, by=AMAL).status == "failed"


def test_other_acts_on_cards_need_no_approval() -> None:
    batch = active(size=10)
    assert act(batch, "lock", 1, 10).changed == 10
    assert act(batch, "unlock", 1, 10).changed == 10


def test_more_spans_than_a_person_can_compare_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propose_cards, "MAX_PROPOSED_SPANS", 1)
    batch = active(size=10)
    act(batch, "allocate", 1, 10, dealer=dealer())
    spans = [(batch.first_serial, batch.first_serial + 3), (batch.first_serial + 6, batch.first_serial + 8)]
    with nothing_changes(), pytest.raises(InvalidRange):
        act_or_propose(batch=batch, act=Act.ACTIVATE, spans=spans, by=NOOR, reason="in the shops")


def test_a_dealer_proposes_in_the_console_and_returns_to_its_range(settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["activate_credit:dealer=0"])
    user = create_user(DEALER)
    batch = active(size=10)
    act(batch, "allocate", 1, 10, dealer=dealer(user_id=user.sub))
    row, client = batch.ranges.get(), client_of(user)
    sent = {"first": batch.first_serial, "last": batch.first_serial, "reason": "sold"}
    with only_changes("billing_proposal", "billing_auditentry"):
        done = client.submit(reverse("admin:promos_cardrange_act", args=[row.pk]), sent)
    assert "it is proposed" in shown_messages(done)[0]
    assert done.headers["Location"] == reverse("admin:promos_cardrange_change", args=[row.pk])
    assert "Only cards of" in {name for name, _, _ in Proposal.objects.get(status="proposed").changes}


def test_the_command_proposes_and_says_so(tmp_path: Any) -> None:
    batch = active(size=4)
    act(batch, "allocate", 1, 4, dealer=dealer())
    file = tmp_path / "cards.csv"
    file.write_text(f"{batch.first_serial},{batch.last_serial}\n")
    with pytest.raises(CommandError, match="this was proposed"):
        call_command("act_on_cards", "SHOPS-1", "activate", str(file), "--why=sold", "--by=noor")
    assert Proposal.objects.get(status="proposed").proposer_id == "noor"


def test_the_proposals_of_a_void_batch_are_withdrawn() -> None:
    batch = released(size=4)
    proposal = activate(batch)
    assert proposal is not None
    void_batch(batch=batch, by=AMAL, reason="misprinted")
    proposal.refresh_from_db()
    assert (proposal.status, proposal.comment) == ("withdrawn", "misprinted")
