"""A release above the limit of a role is a proposal."""

from typing import Any

import pytest

from billing.actor import APPROVER, SUPPORT
from billing.models import Account
from billing.use_cases.proposals.decide import approve_proposal
from config.parts.approvals import approval_limits
from promos.errors import RedemptionNotConfirmed
from promos.models import Redemption
from promos.use_cases.approvals.propose_release import release_or_propose
from promos.use_cases.redeem_code import redeem
from tests.factories import PromoCodeFactory, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

WHY = "redeemed for the wrong account"


@pytest.fixture
def redemption(db: None) -> Redemption:
    return redeem(code=PromoCodeFactory.create(credit_minor=50_000).code, user_id="ada", by=actor())


def test_a_release_above_the_limit_waits_for_an_approver(redemption: Redemption, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["release:support=20000"])
    with only_changes("billing_proposal", "billing_auditentry"):
        outcome = release_or_propose(redemption_id=redemption.pk, why=WHY, by=actor(SUPPORT, user_id="sara"))
    assert outcome.proposal is not None
    done = approve_proposal(proposal_id=outcome.proposal.pk, by=actor(APPROVER, user_id="amal"))
    assert done.status == "approved"
    redemption.refresh_from_db()
    assert redemption.status == Redemption.Status.RELEASED
    assert Account.objects.get().balance_minor == 0


def test_a_release_within_the_limit_is_carried_out(redemption: Redemption, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["release:support=50000"])
    outcome = release_or_propose(redemption_id=redemption.pk, why=WHY, by=actor(SUPPORT, user_id="sara"))
    assert outcome.proposal is None
    with nothing_changes(), pytest.raises(RedemptionNotConfirmed):
        release_or_propose(redemption_id=redemption.pk, why=WHY, by=actor())
