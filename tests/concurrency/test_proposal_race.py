"""Two members of staff decide the same proposal at the same moment: one decision takes effect."""

from functools import partial

import pytest

from billing.actor import APPROVER
from billing.errors import ProposalDecided
from billing.models import Account, LedgerEntry, Proposal
from billing.use_cases.proposals.decide import approve_proposal, reject_proposal
from tests.concurrency.threads import race
from tests.console import propose_adjustment
from tests.factories import CustomerFactory, actor, give_credit

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_approved_act_runs_once() -> None:
    customer = CustomerFactory.create()
    give_credit(customer, 50_000)
    proposal = propose_adjustment(customer)
    entries = LedgerEntry.objects.count()

    def approve(number: int) -> str:
        return approve_proposal(proposal_id=proposal.pk, by=actor(APPROVER, user_id=f"approver-{number}")).status

    decided = race([partial(approve, number) for number in range(8)])
    assert decided.values == ["approved"]
    assert decided.refusals == {ProposalDecided: 7}
    assert LedgerEntry.objects.count() == entries + 1
    assert Account.objects.get(pk=customer.pk).balance_minor == 55_000


def test_an_approval_and_a_rejection_do_not_both_take_effect() -> None:
    customer = CustomerFactory.create()
    give_credit(customer, 50_000)
    proposal = propose_adjustment(customer)

    def decide(number: int) -> str:
        by = actor(APPROVER, user_id=f"approver-{number}")
        if number % 2:
            return reject_proposal(proposal_id=proposal.pk, by=by, reason="no").status
        return approve_proposal(proposal_id=proposal.pk, by=by).status

    outcomes = race([partial(decide, number) for number in range(4)]).values
    assert outcomes == [Proposal.objects.get().status]
    assert Account.objects.get(pk=customer.pk).balance_minor == (55_000 if outcomes == ["approved"] else 50_000)


def test_the_same_act_proposed_at_once_is_one_proposal() -> None:
    customer = CustomerFactory.create()
    give_credit(customer, 50_000)
    proposed = race([partial(propose_adjustment, customer)] * 8)
    assert len({each.pk for each in proposed.values}) == 1
    assert Proposal.objects.count() == 1
