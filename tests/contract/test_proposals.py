"""Proposals over HTTP: an act above a limit is proposed; another member of staff approves or rejects it."""

from typing import Any

import pytest

from billing.models import Account, Customer, Proposal
from config.parts.approvals import approval_limits
from promos.models import PromoCode
from tests.console import propose_adjustment
from tests.factories import CustomerFactory, give_credit
from tests.promos.cards.make_batch import active
from tests.promos.ranges.make_ranges import act, dealer
from tests.snapshot import nothing_changes

from .api_client import Caller, by_token
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db

FIELDS = {
    "id",
    "kind",
    "title",
    "status",
    "arguments",
    "changes",
    "reason",
    "outcome",
    "comment",
    "proposed_by",
    "proposed_by_email",
    "decided_by",
    "decided_by_email",
    "created_at",
    "expires_at",
    "decided_at",
}
GIFT = {"code": "GIFT", "credit_omr": 50, "max_redemptions": 5}


@pytest.fixture
def approver(db: None) -> Caller:
    return by_token("approver")


@pytest.fixture
def ada(db: None) -> Customer:
    customer = CustomerFactory.create(user_id="ada", email="ada@example.org")
    give_credit(customer, 50_000)
    return customer


def test_a_voucher_above_the_limit_is_proposed_and_issued_once_approved(approver: Caller, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["issue_credit=10000"])
    staff = by_token("sovereign-admin")
    refused = staff.post("billing/vouchers/issue", GIFT)
    assert (refused.status, refused.body["code"]) == (409, "approval_required")
    assert not PromoCode.objects.exists()
    key = refused.body["proposal_id"]
    [listed] = approver.get("billing/proposals?status=proposed").body
    assert listed.keys() == FIELDS
    assert (listed["id"], listed["status"], listed["reason"]) == (key, "proposed", "No reason was given.")
    assert {"name": "Credit", "before": "", "after": "50.000 OMR"} in listed["changes"]
    assert staff.post("billing/vouchers/issue", GIFT).body["proposal_id"] == key
    approved = approver.post(f"billing/proposals/{key}/approve", {"comment": "seen"})
    assert (approved.status, approved.body["status"], approved.body["comment"]) == (200, "approved", "seen")
    assert PromoCode.objects.get().credit_minor == 50_000
    assert approver.get(f"billing/proposals/{key}").body == approved.body
    with nothing_changes():
        assert_refused(approver.post(f"billing/proposals/{key}/approve", {}), 409, "proposal_decided")


def test_a_voucher_below_the_limit_is_issued(settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["issue_credit=50000"])
    issued = by_token("sovereign-admin").post("billing/vouchers/issue", GIFT)
    assert (issued.status, issued.body["credit_omr"], issued.body["times_redeemed"]) == (200, 50, 0)


def test_a_proposal_is_rejected_with_a_reason(approver: Caller, ada: Customer) -> None:
    proposal = propose_adjustment(ada)
    rejected = approver.post(f"billing/proposals/{proposal.pk}/reject", {"reason": "too much"})
    assert (rejected.status, rejected.body["status"], rejected.body["comment"]) == (200, "rejected", "too much")
    assert Account.objects.get(pk=ada.pk).balance_minor == 50_000


def test_a_stale_proposal_is_a_409_and_has_failed(approver: Caller, ada: Customer) -> None:
    proposal = propose_adjustment(ada)
    give_credit(ada, 1)
    assert_refused(approver.post(f"billing/proposals/{proposal.pk}/approve", {}), 409, "proposal_stale")
    assert Proposal.objects.get().status == "failed"
    assert Account.objects.get(pk=ada.pk).balance_minor == 50_001


def test_a_proposer_may_withdraw_and_may_not_decide(settings: Any, db: None) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["issue_credit=0"])
    root = by_token("superadmin")
    key = root.post("billing/vouchers/issue", GIFT).body["proposal_id"]
    with nothing_changes():
        assert_refused(root.post(f"billing/proposals/{key}/approve", {}), 403, "own_proposal")
        refused = by_token("sovereign-admin").post(f"billing/proposals/{key}/withdraw", {"reason": "x"})
        assert_refused(refused, 403, "not_own_proposal")
    withdrawn = root.post(f"billing/proposals/{key}/withdraw", {"reason": "a typo"})
    assert (withdrawn.status, withdrawn.body["status"]) == (200, "withdrawn")


def test_a_dealer_withdraws_an_activation_that_it_proposed(settings: Any, db: None) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["activate_credit=0"])
    batch, shop = active(), by_token("dealer", "shop-1")
    act(batch, "allocate", 1, 2, dealer=dealer(user_id="shop-1"))
    first = {"first_serial": batch.first_serial, "last_serial": batch.first_serial}
    refused = shop.post(
        f"billing/batches/{batch.promo_code_id}/ranges", {"act": "activate", "reason": "sold", **first}
    )
    assert (refused.status, refused.body["code"]) == (409, "approval_required")
    withdraw = f"billing/proposals/{refused.body['proposal_id']}/withdraw"
    assert_refused(by_token("dealer", "shop-2").post(withdraw, {"reason": "x"}), 403, "not_own_proposal")
    withdrawn = shop.post(withdraw, {"reason": "not sold"})
    assert (withdrawn.status, withdrawn.body["status"], withdrawn.body["comment"]) == (200, "withdrawn", "not sold")


def test_an_unknown_status_is_refused(approver: Caller) -> None:
    assert_refused(approver.get("billing/proposals?status=lost"), 400, "invalid_status")
