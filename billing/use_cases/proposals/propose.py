"""Carries an act out, or proposes it where it exceeds a limit of `APPROVAL_LIMITS`."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q
from django.utils import timezone, translation

from billing.actor import APPROVER, SUPERADMIN, SUPPORT, Actor
from billing.errors import ApprovalRequired, ReasonRequired
from billing.jobs import enqueue
from billing.models import Proposal, User
from billing.text import has_visible_text
from billing.use_cases.proposals.kinds import Arguments, Kind, Result
from billing.use_cases.record_audit import record_audit

# The limit of every role that has no limit of its own.
EVERY_ROLE = "*"
# The limits that a role has without a setting. Support proposes every correction of credit, every refund and every
# move of an e-mail address, which is a way into an account.
OWN_LIMITS: dict[str, dict[str, int]] = {SUPPORT: {"adjust_credit": 0, "refund": 0, "move_email": 0}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of an act, or the proposal that was made instead."""

    result: Result | None
    proposal: Proposal | None


def run_or_propose(kind: Kind, arguments: Arguments, *, why: str, by: Actor, why_propose: str = "") -> Outcome:
    """Carries the act out; proposes it where it exceeds a limit of the actor's role.

    Args: why_propose: the reason of a proposal where `why` is empty.
    Raises: as the act does; ReasonRequired for a proposal without a reason. Locks: what the kind locks.
    Transaction: joins. Idempotency: an act that is proposed already is not proposed a second time.
    """
    limits = limits_of(by.role)
    if not limits:
        return Outcome(result=kind.run(arguments, why, by), proposal=None)
    with transaction.atomic():
        if exceeds_limit(kind.measure(arguments, kind.lock_state(arguments)), limits):
            return Outcome(result=None, proposal=propose(kind, arguments, why=why or why_propose, by=by))
        return Outcome(result=kind.run(arguments, why, by), proposal=None)


def carried_out(outcome: Outcome) -> Result:
    """Returns the result of an act. Raises: ApprovalRequired, with the id of the proposal made instead."""
    if outcome.result is None:
        raise ApprovalRequired(extra={"proposal_id": str(outcome.proposal.pk) if outcome.proposal else None})
    return outcome.result


def check_act(kind: Kind, arguments: Arguments, *, why: str, by: Actor) -> None:
    """Carries the act out and takes it back, so that nothing is proposed that would be refused.

    Raises: as the act does. Locks: what the kind locks. Transaction: joins, a savepoint.
    """
    if kind.check:
        kind.check(arguments, why, by)
        return
    with transaction.atomic():
        # First, because the kind's own order of locks must hold.
        kind.lock_state(arguments)
        kind.run(arguments, why, by)
        transaction.set_rollback(True)


def limits_of(role: str) -> dict[str, int]:
    """Returns the limits of a role by measure. Of `OWN_LIMITS`, only a setting for this role lifts one."""
    limits: dict[str, dict[str, int]] = settings.APPROVAL_LIMITS
    found = {name: of_roles.get(role, of_roles.get(EVERY_ROLE)) for name, of_roles in limits.items()}
    for name, limit in OWN_LIMITS.get(role, {}).items():
        found[name] = limits.get(name, {}).get(role, limit)
    return {name: limit for name, limit in found.items() if limit is not None}


def exceeds_limit(figures: Mapping[str, int], limits: Mapping[str, int]) -> bool:
    """Returns whether one of the figures is above its limit."""
    return any(figures.get(name, 0) > limit for name, limit in limits.items())


def propose(kind: Kind, arguments: Arguments, *, why: str, by: Actor, send_mail: bool = True) -> Proposal:
    """Stores an act as a proposal, with the state that it is proposed on, and mails those who can approve it.

    Its title and its changes are stored in English, and translated where they are shown.

    Args: send_mail: False where the caller decides it at once.
    Raises: ReasonRequired, and as the act does. Locks: what the kind locks. Transaction: joins.
    Idempotency: an open proposal of the same act is returned.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    with transaction.atomic():
        check_act(kind, arguments, why=why, by=by)
        state = kind.lock_state(arguments)
        with translation.override("en"):
            title, changes = kind.describe(arguments, state)[:200], kind.differences(arguments, state)
        model, key = kind.subject(arguments)
        expires_at = timezone.now() + timedelta(days=settings.PROPOSAL_DAYS)
        fingerprint = fingerprint_of(kind, arguments)
        # An expired proposal that the worker has not closed yet must not block a new one.
        expire_proposals(Q(fingerprint=fingerprint))
        # Races with the same act, proposed at the same time: both get one proposal.
        proposal, is_new = Proposal.objects.get_or_create(
            fingerprint=fingerprint,
            status=Proposal.Status.PROPOSED,
            defaults={
                "kind": kind.name,
                "title": title,
                "arguments": dict(arguments),
                "state": state,
                "changes": [list(each) for each in changes],
                "reason": why,
                "subject_model": model,
                "subject_id": key,
                "proposer_id": by.user_id,
                "proposer_role": by.role,
                "proposer_email": by.email.lower(),
                "proposer_channel": by.channel,
                "proposer_address": by.address,
                "expires_at": expires_at,
            },
        )
        if is_new:
            record_audit(
                action="proposal.proposed",
                object_type="proposal",
                object_id=str(proposal.id),
                by=by,
                changes={name: [before, after] for name, before, after in proposal.changes},
                reason=why,
            )
            for address in addresses_of_approvers(proposal) if send_mail else ():
                enqueue("send_proposal_mail", proposal_id=str(proposal.id), address=address)
        return proposal


def addresses_of_approvers(proposal: Proposal) -> list[str]:
    """Returns the e-mail addresses of all who can decide the proposal."""
    groups = Group.objects.filter(name__in=[APPROVER, SUPERADMIN])
    approvers = User.objects.filter(Q(groups__in=groups) | Q(is_superuser=True), is_active=True, is_staff=True)
    found = approvers.exclude(sub=proposal.proposer_id).exclude(email="").values_list("email", flat=True).distinct()
    return sorted({address.lower() for address in found} - {proposal.proposer_email})


def expire_proposals(which: Q | None = None) -> int:
    """Closes the open proposals whose time is over. Returns their number. Locks: Proposal. Transaction: joins."""
    with transaction.atomic():
        now = timezone.now()
        due = Proposal.objects.filter(which or Q(), status=Proposal.Status.PROPOSED, expires_at__lte=now)
        # Races with a decision: the row is closed once.
        keys = list(due.select_for_update(skip_locked=True, no_key=True).order_by("pk").values_list("pk", flat=True))
        return Proposal.objects.filter(pk__in=keys).update(
            status=Proposal.Status.EXPIRED, decided_at=now, outcome="No one decided it in time."
        )


def fingerprint_of(kind: Kind, arguments: Arguments) -> str:
    """Returns the text that is the same for the same act."""
    text = json.dumps([kind.name, dict(arguments)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
