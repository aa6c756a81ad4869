"""Drafts that take effect only once another member of staff has approved them, whatever they are worth."""

from django.db import transaction

from billing.actor import CUSTOMER, Actor
from billing.errors import ReasonRequired
from billing.models import Proposal, User
from billing.text import has_visible_text
from billing.use_cases.assign_role import role_of
from billing.use_cases.proposals.decide import approve_proposal, record_decision, refuse_failed
from billing.use_cases.proposals.kinds import Arguments, Kind
from billing.use_cases.proposals.propose import fingerprint_of, propose


def approve_draft(kind: Kind, arguments: Arguments, *, drafter_id: str, by: Actor, reason: str) -> Proposal:
    """Approves the open proposal of a draft. A draft that nobody has proposed counts as proposed by its drafter.

    Raises: as `approve_proposal` does, and ProposalStale. Locks: Proposal, then what the kind locks.
    Transaction: joins.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        proposal = lock_open_proposal(kind, arguments) or propose(
            kind, arguments, why=reason, by=_drafter(drafter_id, channel=by.channel), send_mail=False
        )
        return refuse_failed(approve_proposal(proposal_id=proposal.pk, by=by, comment=reason))


def lock_open_proposal(kind: Kind, arguments: Arguments) -> Proposal | None:
    """Locks the open proposal of this act, and returns it. Locks: Proposal. Transaction: joins."""
    # Races with another decision on it. It is locked before what the kind locks, as every decision does.
    found = Proposal.objects.filter(
        fingerprint=fingerprint_of(kind, arguments), status=Proposal.Status.PROPOSED
    ).select_for_update(no_key=True)
    proposal = found.first()
    return proposal if proposal and proposal.is_open() else None


def withdraw_proposals(*, model: str, key: str, by: Actor, reason: str) -> None:
    """Withdraws the open proposals about a record whose change makes them pointless.

    Args: model, key: the record, as a kind's `subject` names it. Locks: Proposal. Transaction: joins.
    """
    found = Proposal.objects.filter(status=Proposal.Status.PROPOSED, subject_model=model, subject_id=key)
    # A decision that holds the lock waits for the record, and then finds that its state has changed.
    for proposal in found.select_for_update(no_key=True, skip_locked=True).order_by("pk"):
        record_decision(
            proposal, Proposal.Status.WITHDRAWN, by=by, comment=reason, outcome="It was changed, and not carried out."
        )


def _drafter(user_id: str, *, channel: str) -> Actor:
    user = User.objects.filter(sub=user_id).first()
    role, email = (role_of(user), user.email) if user else (CUSTOMER, "")
    return Actor(user_id=user_id, role=role, email=email, channel=channel)
