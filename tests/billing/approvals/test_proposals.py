"""An act above a limit is proposed, and takes effect once, after another member of staff has approved exactly it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import APPROVER, SOVEREIGN_ADMIN, SUPERADMIN, SUPPORT, Actor
from billing.errors import (
    DomainError,
    InsufficientCredit,
    NotOwnProposal,
    OwnProposal,
    ProposalDecided,
    ProposalExpired,
    ProposalNotFound,
    ReasonRequired,
)
from billing.models import Account, AuditEntry, Customer, LedgerEntry, Proposal
from billing.models.keys import uuid7
from billing.use_cases.bulk.propose_bulk_grant import BULK_GRANT
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from billing.use_cases.proposals.credit_adjustment import CREDIT_ADJUSTMENT, adjustment_arguments
from billing.use_cases.proposals.decide import approve_proposal, reject_proposal, withdraw_proposal
from billing.use_cases.proposals.email_move import EMAIL_MOVE
from billing.use_cases.proposals.kinds import kinds
from billing.use_cases.proposals.mail import send_proposal_mail
from billing.use_cases.proposals.propose import expire_proposals, run_or_propose
from config.parts.approvals import MEASURES, approval_limits
from orders.use_cases.books.write_off import WRITE_OFF
from orders.use_cases.payments.request_refund import ORDER_REFUND
from orders.use_cases.trail.move_credit_in import CREDIT_IN
from orders.use_cases.trail.move_credit_out import CREDIT_OUT
from promos.use_cases.approvals.propose_activation import BATCH_ACTIVATION
from promos.use_cases.approvals.propose_budget import CAMPAIGN_BUDGET
from promos.use_cases.approvals.propose_cards import RANGE_ACTIVATION
from promos.use_cases.approvals.propose_issue import CODE_ISSUE
from promos.use_cases.approvals.propose_release import REDEMPTION_RELEASE
from tests.console import create_user, propose_adjustment
from tests.factories import CustomerFactory, actor, give_credit
from tests.promos.cards.make_batch import active as active_batch
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

ROOT = actor(SUPERADMIN, user_id="root", email="root@example.org")
APPROVES = actor(APPROVER, user_id="amal", email="amal@example.org")


@pytest.fixture
def ada(db: None) -> Customer:
    customer = CustomerFactory.create(user_id="ada", email="ada@example.org")
    give_credit(customer, 50_000)
    return customer


def balance(customer: Customer) -> int:
    return Account.objects.get(pk=customer.pk).balance_minor


def adjust(customer: Customer, amount_minor: int, *, by: Actor = ROOT, why: str = "an outage") -> Proposal | None:
    arguments = adjustment_arguments(customer_id=customer.pk, amount_minor=amount_minor)
    return run_or_propose(CREDIT_ADJUSTMENT, arguments, why=why, by=by).proposal


def test_without_limits_an_act_takes_effect_at_once(ada: Customer) -> None:
    assert adjust(ada, 5_000) is None
    assert balance(ada) == 55_000
    assert not Proposal.objects.exists()


@pytest.mark.parametrize(
    ("amount_minor", "role", "proposed"),
    [
        (5_000, SUPERADMIN, False),
        (5_001, SUPERADMIN, True),
        (-5_001, SUPERADMIN, True),
        (100, SOVEREIGN_ADMIN, False),
        (101, SOVEREIGN_ADMIN, True),
    ],
)
def test_an_act_above_the_limit_of_its_role_is_proposed(
    ada: Customer, settings: Any, amount_minor: int, role: str, proposed: bool
) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["adjust_credit=5000", f"adjust_credit:{SOVEREIGN_ADMIN}=100"])
    assert (adjust(ada, amount_minor, by=actor(role)) is not None) == proposed
    assert balance(ada) == 50_000 + (0 if proposed else amount_minor)


def test_a_proposal_says_exactly_what_would_change(ada: Customer) -> None:
    hold_credit(customer_id=ada.pk, amount_minor=20_000, order_id=uuid7())
    with only_changes("billing_proposal", "billing_auditentry"):
        proposal = propose_adjustment(ada, amount_minor=-5_250, by=ROOT)
    assert proposal.title == "Adjust the credit of ada@example.org by -5.250 OMR"
    assert proposal.changes == [
        ["Credit", "50.000 OMR", "44.750 OMR"],
        ["Available", "30.000 OMR", "24.750 OMR"],
    ]
    assert (proposal.status, proposal.proposer_id, proposal.reason) == ("proposed", "root", "an outage")


def test_an_approval_carries_out_what_was_proposed_as_its_proposers_act(ada: Customer) -> None:
    proposal = propose_adjustment(ada, by=ROOT)
    decided = approve_proposal(proposal_id=proposal.pk, by=APPROVES, comment="seen")
    assert (decided.status, decided.decider_id, decided.comment) == ("approved", "amal", "seen")
    assert decided.outcome == "The credit of ada@example.org is adjusted by 5.000 OMR."
    entry = LedgerEntry.objects.latest("pk")
    assert (entry.amount_minor, entry.actor_id, entry.actor_role) == (5_000, "root", SUPERADMIN)
    assert entry.note == "an outage (approved by amal@example.org)"
    assert balance(ada) == 55_000
    assert verify_ledger().sound
    actions = AuditEntry.objects.filter(object_id=str(proposal.pk)).order_by("pk").values_list("action", "actor_id")
    assert list(actions) == [("proposal.proposed", "root"), ("proposal.approved", "amal")]


def test_a_second_decision_changes_nothing(ada: Customer) -> None:
    proposal = propose_adjustment(ada, by=ROOT)
    approve_proposal(proposal_id=proposal.pk, by=APPROVES)
    for decide in (approve_proposal, reject_proposal, withdraw_proposal):
        refuse(decide, ProposalDecided, proposal, by=ROOT if decide is withdraw_proposal else APPROVES)


def refuse(decide: Callable[..., Proposal], refusal: type[DomainError], proposal: Proposal, *, by: Actor) -> None:
    """Asserts that this decision is refused, and changes nothing."""
    words = {} if decide is approve_proposal else {"reason": "because"}
    with nothing_changes(), pytest.raises(refusal):
        decide(proposal_id=proposal.pk, by=by, **words)


@pytest.mark.parametrize(
    "by",
    [ROOT, actor(APPROVER, user_id="other", email="ROOT@example.org"), actor(APPROVER, user_id="root", email="")],
    ids=["the same user", "another account of the same address", "the same user in another role"],
)
def test_no_one_decides_their_own_proposal(ada: Customer, by: Actor) -> None:
    proposal = propose_adjustment(ada, by=ROOT)
    refuse(approve_proposal, OwnProposal, proposal, by=by)
    refuse(reject_proposal, OwnProposal, proposal, by=by)


def test_only_the_proposer_withdraws(ada: Customer) -> None:
    proposal = propose_adjustment(ada, by=ROOT)
    refuse(withdraw_proposal, NotOwnProposal, proposal, by=APPROVES)
    assert withdraw_proposal(proposal_id=proposal.pk, by=ROOT, reason="a typo").status == "withdrawn"
    refuse(approve_proposal, ProposalDecided, proposal, by=APPROVES)


def test_the_proposer_withdraws_by_a_command(ada: Customer) -> None:
    proposal = propose_adjustment(ada, by=ROOT)
    with nothing_changes(), pytest.raises(CommandError, match="only the member of staff who proposed this can"):
        call_command("withdraw_proposal", str(proposal.pk), why="a typo", by="amal")
    call_command("withdraw_proposal", str(proposal.pk), why="a typo", by="root")
    proposal.refresh_from_db()
    assert (proposal.status, proposal.comment, proposal.decider_role) == ("withdrawn", "a typo", "system")


def test_a_stale_proposal_fails_and_nothing_is_carried_out(ada: Customer) -> None:
    proposal = propose_adjustment(ada, by=ROOT)
    give_credit(ada, 1)
    with only_changes("billing_proposal", "billing_auditentry"):
        decided = approve_proposal(proposal_id=proposal.pk, by=APPROVES)
    assert decided.status == "failed"
    assert decided.outcome == "This changed after it was proposed, so nothing was done: propose it again."
    refuse(approve_proposal, ProposalDecided, proposal, by=APPROVES)


def test_an_act_that_would_be_refused_is_not_proposed(ada: Customer) -> None:
    with nothing_changes(), pytest.raises(InsufficientCredit):
        propose_adjustment(ada, amount_minor=-50_001, by=ROOT)


def test_an_expired_proposal_cannot_be_decided_and_the_worker_closes_it(ada: Customer, monkeypatch: Any) -> None:
    proposal = propose_adjustment(ada, by=ROOT)
    assert expire_proposals() == 0
    later = timezone.now() + timedelta(days=15)
    monkeypatch.setattr(timezone, "now", lambda: later)
    refuse(approve_proposal, ProposalExpired, proposal, by=APPROVES)
    refuse(reject_proposal, ProposalExpired, proposal, by=APPROVES)
    assert (expire_proposals(), expire_proposals()) == (1, 0)
    assert Proposal.objects.get().status == "expired"


def test_the_same_act_is_proposed_once_while_it_is_open(ada: Customer) -> None:
    first = propose_adjustment(ada, by=ROOT)
    with nothing_changes():
        assert propose_adjustment(ada, by=ROOT) == first
    reject_proposal(proposal_id=first.pk, by=APPROVES, reason="no")
    assert propose_adjustment(ada, by=ROOT) != first


def test_proposing_and_rejecting_need_a_reason(ada: Customer, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["adjust_credit=0"])
    with nothing_changes(), pytest.raises(ReasonRequired):
        adjust(ada, 1, why=" ")
    proposal = propose_adjustment(ada, by=ROOT)
    with nothing_changes(), pytest.raises(ReasonRequired):
        reject_proposal(proposal_id=proposal.pk, by=APPROVES, reason="\u2800")


def test_an_unknown_proposal_is_not_found(db: None) -> None:
    with pytest.raises(ProposalNotFound):
        approve_proposal(proposal_id=uuid7(), by=APPROVES)


def test_those_who_can_approve_get_one_mail_each(ada: Customer) -> None:
    approver, root = create_user(APPROVER), create_user(SUPERADMIN)
    create_user(SOVEREIGN_ADMIN)
    by = actor(SUPERADMIN, user_id=root.sub, email=root.email)
    proposal = propose_adjustment(ada, by=by)
    queued = ProcrastinateJob.objects.filter(task_name="send_proposal_mail").values_list("args", flat=True)
    assert list(queued) == [{"proposal_id": str(proposal.pk), "address": approver.email}]
    assert send_proposal_mail(proposal_id=proposal.pk, address=approver.email)
    [sent] = mail.outbox
    assert sent.to == [approver.email]
    assert "Credit: 50.000 OMR → 55.000 OMR" in sent.body
    assert f"/admin/billing/proposal/{proposal.pk}/change/" in sent.body
    withdraw_proposal(proposal_id=proposal.pk, by=by, reason="a typo")
    assert not send_proposal_mail(proposal_id=proposal.pk, address=approver.email)


def test_support_proposes_every_correction_unless_it_has_a_limit_of_its_own(ada: Customer, settings: Any) -> None:
    support = actor(SUPPORT, user_id="sara")
    assert adjust(ada, 1, by=support) is not None
    settings.APPROVAL_LIMITS = approval_limits(["adjust_credit=5000"])
    assert adjust(ada, 2, by=support) is not None
    settings.APPROVAL_LIMITS = approval_limits(["adjust_credit:support=5000"])
    assert adjust(ada, 3, by=support) is None
    assert balance(ada) == 50_003


def test_every_limit_is_a_figure_of_some_kind(db: None) -> None:
    assert all(kind.name == name for name, kind in kinds().items())
    batch = active_batch()
    of_batch = {"batch_id": batch.pk}
    in_batch = {**of_batch, "spans": [(batch.first_serial, batch.first_serial)], "dealer_id": None}
    paid = {"refunded_minor": 1, "card_minor": 1, "credit_minor": 1}
    measured = {
        **CREDIT_ADJUSTMENT.measure({"amount_minor": 1}, None),
        **CODE_ISSUE.measure({"terms": {"credit_minor": 1}}, None),
        **CAMPAIGN_BUDGET.measure({"budget_minor": 1}, {"budget_minor": 1, "draft": False}),
        **BATCH_ACTIVATION.measure(of_batch, {"status": "released"}),
        **RANGE_ACTIVATION.measure(in_batch, None),
        **ORDER_REFUND.measure({"card_minor": 1}, paid),
        **BULK_GRANT.measure({}, {"total_minor": 1}),
        **REDEMPTION_RELEASE.measure({}, {"credit_minor": 1}),
        **EMAIL_MOVE.measure({}, None),
        **WRITE_OFF.measure({}, {"left_minor": 1}),
        **CREDIT_OUT.measure({}, {"balance_minor": 1}),
        **CREDIT_IN.measure({"credit": [["sold", None, 1]]}, None),
    }
    assert set(MEASURES) == measured.keys()


@pytest.mark.parametrize("item", ["adjust_credit", "adjust_credit=-1", "adjust=5", "adjust_credit:=5", "=5"])
def test_a_malformed_limit_prevents_the_start(item: str) -> None:
    with pytest.raises(ValueError, match="APPROVAL_LIMITS must be"):
        approval_limits([item])
