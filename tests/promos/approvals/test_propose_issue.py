"""A code whose credit or cap is above a limit, or is raised above it, is proposed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import APPROVER, SOVEREIGN_ADMIN
from billing.errors import ApprovalRequired
from billing.models import Proposal
from billing.use_cases.proposals.decide import approve_proposal
from config.parts.approvals import approval_limits
from promos.errors import CapBelowUsed, CreditRequired, InvalidPromo
from promos.models import PromoCode
from promos.use_cases.approvals.propose_issue import issue_or_propose, issued_or_refused
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.issue_code import GivenTerms, Terms
from promos.use_cases.redeem_code import redeem
from tests.console import client_of, create_user, shown_messages
from tests.factories import PromoCodeFactory, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

NOOR = actor(SOVEREIGN_ADMIN, user_id="noor")
AMAL = actor(APPROVER, user_id="amal")


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["issue_credit=10000", "issue_cap=100"])


def issue(terms: Terms | GivenTerms, *, code: str = "GIFT", reason: str = "spring") -> Proposal | None:
    return issue_or_propose(code=code, terms=terms, by=NOOR, reason=reason).proposal


@pytest.mark.parametrize(
    ("credit_minor", "cap", "proposed"),
    [(10_000, 100, False), (10_001, 100, True), (10_000, 101, True), (10_000, 0, True)],
)
def test_a_new_code_above_a_limit_is_proposed(credit_minor: int, cap: int, proposed: bool) -> None:
    found = issue(Terms(credit_minor=credit_minor, max_redemptions=cap))
    assert (found is not None) == proposed
    assert PromoCode.objects.exists() != proposed


def test_an_approved_code_has_exactly_the_proposed_terms() -> None:
    starts_at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    proposal = issue(Terms(credit_minor=50_000, description="Welcome", max_redemptions=7, starts_at=starts_at))
    assert proposal is not None
    assert proposal.title == "Issue GIFT"
    assert ["Credit", "", "50.000 OMR"] in proposal.changes
    decided = approve_proposal(proposal_id=proposal.pk, by=AMAL)
    made = PromoCode.objects.get()
    assert (made.code, made.credit_minor, made.description) == ("GIFT", 50_000, "Welcome")
    assert (made.max_redemptions, made.starts_at, made.issued_by) == (7, starts_at, "noor")
    assert (decided.subject_model, decided.subject_id) == ("promos_promocode", str(made.pk))


def test_only_what_is_raised_is_measured() -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000, max_redemptions=500)
    assert issue({"max_redemptions": 400}) is None
    assert issue({"credit_minor": 40_000, "description": "less"}) is None
    proposal = issue({"max_redemptions": 401})
    assert proposal is not None
    assert proposal.title == "Change GIFT"
    assert proposal.changes == [["Cap", "400", "401"]]
    assert PromoCode.objects.get().max_redemptions == 400


def test_bringing_a_code_back_is_measured_as_a_new_one() -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000, max_redemptions=5)
    retire_code(code="GIFT", by=NOOR)
    proposal = issue({})
    assert proposal is not None
    assert proposal.changes == [["State", "retired", "live"]]
    approve_proposal(proposal_id=proposal.pk, by=AMAL)
    assert PromoCode.objects.get().retired_at is None


def test_a_code_that_was_changed_or_made_meanwhile_is_stale() -> None:
    first = issue(Terms(credit_minor=50_000))
    assert first is not None
    PromoCodeFactory.create(code="GIFT", credit_minor=1_000)
    assert approve_proposal(proposal_id=first.pk, by=AMAL).status == "failed"
    second = issue({"credit_minor": 20_000})
    assert second is not None
    pause_code(code="GIFT", by=NOOR)
    assert approve_proposal(proposal_id=second.pk, by=AMAL).status == "failed"
    assert PromoCode.objects.get().credit_minor == 1_000


@pytest.mark.parametrize(
    ("code", "terms", "refusal"),
    [
        ("NEW", GivenTerms(max_redemptions=500), CreditRequired),
        ("A B", GivenTerms(credit_minor=50_000), InvalidPromo),
        ("GIFT", GivenTerms(credit_minor=50_000, max_redemptions=1), CapBelowUsed),
    ],
)
def test_terms_that_would_be_refused_are_not_proposed(code: str, terms: GivenTerms, refusal: type[Exception]) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=1_000, max_redemptions=5)
    for number in range(2):
        redeem(code="GIFT", user_id=f"customer-{number}", by=actor())
    with nothing_changes(), pytest.raises(refusal):
        issue(terms, code=code)


def test_a_refusal_at_the_approval_leaves_the_proposal_open() -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=1_000, max_redemptions=5)
    proposal = issue({"credit_minor": 50_000, "max_redemptions": 1})
    assert proposal is not None
    for number in range(2):
        redeem(code="GIFT", user_id=f"customer-{number}", by=actor())
    with nothing_changes(), pytest.raises(CapBelowUsed):
        approve_proposal(proposal_id=proposal.pk, by=AMAL)


def test_a_refused_caller_learns_the_proposal() -> None:
    outcome = issue_or_propose(code="GIFT", terms=Terms(credit_minor=50_000), by=NOOR, reason="spring")
    with pytest.raises(ApprovalRequired) as refused:
        issued_or_refused(outcome)
    assert refused.value.extra == {"proposal_id": str(Proposal.objects.get().pk)}


def test_the_console_proposes_a_code_above_the_limit() -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    sent = {"code": "GIFT", "credit": "50", "max_redemptions": "5", "active": "on", "reason": "spring"}
    with only_changes("billing_proposal", "billing_auditentry"):
        done = client.submit(reverse("admin:promos_promocode_add"), sent)
    assert "it is proposed" in shown_messages(done)[0]
    assert done.headers["Location"] == reverse("admin:billing_proposal_change", args=[Proposal.objects.get().pk])


def test_the_console_proposes_to_raise_a_cap() -> None:
    made = PromoCodeFactory.create(code="GIFT", credit_minor=1_000, max_redemptions=5)
    client = client_of(create_user(SOVEREIGN_ADMIN))
    sent = {"credit": "1", "max_redemptions": "500", "active": "on", "reason": "spring"}
    with only_changes("billing_proposal", "billing_auditentry"):
        client.submit(reverse("admin:promos_promocode_change", args=[made.pk]), sent)
    assert Proposal.objects.get().changes == [["Cap", "5", "500"]]
