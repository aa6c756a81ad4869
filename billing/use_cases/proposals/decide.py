"""Approve, reject or withdraw a proposal. An approval carries the act out in the same transaction, once."""

from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from billing.actor import Actor
from billing.errors import (
    NotOwnProposal,
    OwnProposal,
    ProposalDecided,
    ProposalExpired,
    ProposalNotFound,
    ProposalStale,
    ReasonRequired,
)
from billing.models import Proposal
from billing.text import as_sentence, has_visible_text
from billing.use_cases.proposals.kinds import kinds
from billing.use_cases.record_audit import record_audit


def approve_proposal(*, proposal_id: UUID, by: Actor, comment: str = "") -> Proposal:
    """Approves a proposal, and carries out exactly what was proposed.

    The act runs as its proposer's; its reason names the approver too. If the state that the act was proposed on has
    changed, the proposal fails and nothing else is changed: the returned proposal says so.

    Raises: ProposalNotFound, ProposalDecided, ProposalExpired, OwnProposal, and as the act does: the proposal then
    stays open. Locks: Proposal, then what the kind locks. Transaction: joins.
    """
    with transaction.atomic():
        proposal = _lock_to_decide(proposal_id, by=by)
        kind = kinds()[proposal.kind]
        if kind.lock_state(proposal.arguments) != proposal.state:
            return record_decision(
                proposal, Proposal.Status.FAILED, by=by, comment=comment, outcome=ProposalStale.message
            )
        if kind.by_approver:
            result = kind.run(proposal.arguments, comment or proposal.reason, by)
        else:
            why = f"{proposal.reason} (approved by {by.email or by.user_id})"
            result = kind.run(proposal.arguments, why, proposer_of(proposal))
        if result.model:
            proposal.subject_model, proposal.subject_id = result.model, result.key
        return record_decision(proposal, Proposal.Status.APPROVED, by=by, comment=comment, outcome=result.message)


def reject_proposal(*, proposal_id: UUID, by: Actor, reason: str) -> Proposal:
    """Rejects a proposal. It takes no effect, and can be proposed again.

    Raises: ReasonRequired, ProposalNotFound, ProposalDecided, ProposalExpired, OwnProposal.
    Locks: Proposal. Transaction: joins.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        proposal = _lock_to_decide(proposal_id, by=by)
        return record_decision(
            proposal, Proposal.Status.REJECTED, by=by, comment=reason, outcome="It was not carried out."
        )


def withdraw_proposal(*, proposal_id: UUID, by: Actor, reason: str) -> Proposal:
    """Withdraws a proposal on behalf of the member of staff who made it.

    Raises: ReasonRequired, ProposalNotFound, ProposalDecided, ProposalExpired, NotOwnProposal.
    Locks: Proposal. Transaction: joins.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        proposal = lock_proposal(proposal_id=proposal_id)
        _check_open(proposal)
        if not is_proposer(proposal, by):
            raise NotOwnProposal
        return record_decision(
            proposal, Proposal.Status.WITHDRAWN, by=by, comment=reason, outcome="It was not carried out."
        )


def lock_proposal(*, proposal_id: UUID) -> Proposal:
    """Locks a proposal until the transaction ends, and returns it. Raises: ProposalNotFound. Locks: Proposal."""
    # Races with another decision on the same proposal, and with its expiry: one of them takes effect.
    proposal = Proposal.objects.select_for_update(no_key=True).filter(id=proposal_id).first()
    if proposal is None:
        raise ProposalNotFound
    return proposal


def is_proposer(proposal: Proposal, by: Actor) -> bool:
    """Returns whether the proposal is this person's own, by user id or e-mail address."""
    same_address = bool(by.email) and by.email.lower() == proposal.proposer_email
    return by.user_id == proposal.proposer_id or same_address


def proposals_to_decide(*, user_id: str, email: str) -> QuerySet[Proposal, Proposal]:
    """Returns the open proposals that this person can decide: those that are not the person's own."""
    own = Q(proposer_id=user_id) | Q(proposer_email=email.lower(), proposer_email__gt="")
    return Proposal.objects.filter(status=Proposal.Status.PROPOSED, expires_at__gt=timezone.now()).exclude(own)


def proposer_of(proposal: Proposal) -> Actor:
    """Returns the actor that proposed it."""
    return Actor(
        user_id=proposal.proposer_id,
        role=proposal.proposer_role,
        email=proposal.proposer_email,
        channel=proposal.proposer_channel,
        address=proposal.proposer_address,
    )


def refuse_failed(proposal: Proposal) -> Proposal:
    """Returns an approved proposal. Raises: ProposalStale for one that has failed."""
    if proposal.status == Proposal.Status.FAILED:
        raise ProposalStale
    return proposal


def _lock_to_decide(proposal_id: UUID, *, by: Actor) -> Proposal:
    proposal = lock_proposal(proposal_id=proposal_id)
    _check_open(proposal)
    if is_proposer(proposal, by):
        raise OwnProposal
    return proposal


def _check_open(proposal: Proposal) -> None:
    if proposal.status != Proposal.Status.PROPOSED:
        raise ProposalDecided
    if not proposal.is_open():
        raise ProposalExpired


def record_decision(
    proposal: Proposal, status: Proposal.Status, *, by: Actor, comment: str, outcome: str
) -> Proposal:
    """Writes a decision, and its audit entry. The caller holds the proposal's lock. Transaction: joins."""
    proposal.status, proposal.comment, proposal.outcome = status, comment, as_sentence(outcome)
    proposal.decider_id, proposal.decider_role, proposal.decider_email = by.user_id, by.role, by.email.lower()
    proposal.decided_at = timezone.now()
    proposal.save()
    record_audit(
        action=f"proposal.{status}",
        object_type="proposal",
        object_id=str(proposal.id),
        by=by,
        changes={"status": [Proposal.Status.PROPOSED, status]},
        reason=comment or proposal.reason,
    )
    return proposal
