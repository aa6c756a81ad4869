"""Staff draft, approve, activate, pause and end campaigns over the API, and change their budget and end."""

from typing import Any

import pytest

from promos.models import Campaign
from promos.use_cases.redeem_code import redeem
from tests.contract.issuing_shapes import CAMPAIGN, FORECAST, OFFER_FORECAST
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller
from .json_shapes import assert_refused, assert_shape

pytestmark = pytest.mark.django_db(transaction=True)

CAMPAIGNS = "billing/campaigns"
SPRING = {"name": "Spring", "budget_omr": 20, "credit_class": "promotional", "owner_email": "Mona@example.org"}
WHY = {"reason": "agreed with marketing"}


def draft(caller: Caller, **terms: Any) -> Answer:
    return caller.post(CAMPAIGNS, {**SPRING, **terms})


def act(caller: Caller, campaign: str, verb: str, **body: Any) -> Answer:
    return caller.post(f"{CAMPAIGNS}/{campaign}/{verb}", {**WHY, **body})


def test_a_draft_answers_with_the_record(noor: Caller) -> None:
    with only_changes("promos_campaign", "promos_budgetcounter", "billing_auditentry"):
        answer = draft(noor)
    assert answer.status == 201
    assert_shape(answer.body, CAMPAIGN)
    shown = {name: answer.body[name] for name in ("name", "status", "budget_minor", "used_minor", "approved_by")}
    assert shown == {"name": "Spring", "status": "draft", "budget_minor": 20_000, "used_minor": 0, "approved_by": ""}
    assert noor.get(f"{CAMPAIGNS}/{answer.body['id']}").body == answer.body
    assert answer.body in noor.get(CAMPAIGNS).body
    assert [each["name"] for each in noor.get(f"{CAMPAIGNS}?status=draft").body] == ["Spring"]
    assert list(noor.get(f"{CAMPAIGNS}?status=lost").body["fields"]) == ["status"]


def test_a_name_is_used_once_in_any_letter_case(noor: Caller) -> None:
    draft(noor)
    with nothing_changes():
        assert_refused(draft(noor, name="SPRING"), 409, "campaign_name_taken")


def test_an_absent_field_of_a_draft_keeps_its_value(noor: Caller) -> None:
    made = draft(noor).body
    changed = noor.call(
        "PUT", f"{CAMPAIGNS}/{made['id']}", {"budget_minor": 30_000, "ends_at": "2099-01-01T00:00:00Z"}
    ).body
    same = ("name", "credit_class", "owner_email", "status")
    assert {name: changed[name] for name in same} == {name: made[name] for name in same}
    assert (changed["budget_omr"], changed["ends_at"]) == (30, "2099-01-01T00:00:00Z")


def test_a_treatment_of_vat_fits_the_class_and_the_life_of_the_credit(noor: Caller) -> None:
    assert draft(noor).body["vat_treatment"] == "multi_purpose"
    for wrong in (
        {"vat_treatment": "single_purpose", "credit_days": 30},
        {"vat_treatment": "no_consideration"},
        {"vat_treatment": "no_consideration", "credit_days": 30, "credit_class": "sold"},
    ):
        with nothing_changes():
            refused = draft(noor, name="Free", **wrong)
        assert (refused.status, list(refused.body["fields"])) == (400, ["vat_treatment"])
    for credit_class, treatment in (("sold", "single_purpose"), ("promotional", "no_consideration")):
        terms = {"credit_class": credit_class, "vat_treatment": treatment, "credit_days": 30}
        assert draft(noor, name=treatment, **terms).body["vat_treatment"] == treatment


def test_a_listed_campaign_sent_back_whole_is_accepted_and_changes_nothing(noor: Caller) -> None:
    made = draft(noor, restrictions={"customers": ["ada"]}).body
    with nothing_changes():
        answer = noor.call("PUT", f"{CAMPAIGNS}/{made['id']}", made)
    assert (answer.status, answer.body) == (200, made)


@pytest.mark.parametrize("customer", ["ada\u200b", "a\u2028b", "bob\x0c"])
def test_a_customer_of_an_id_that_no_token_may_carry_is_refused(noor: Caller, customer: str) -> None:
    with nothing_changes():
        assert_refused(draft(noor, restrictions={"customers": [f"x{customer}x"]}), 400, "invalid_restrictions")


def test_a_campaign_goes_from_draft_to_end_with_its_vouchers(noor: Caller, root: Caller, anybody: Caller) -> None:
    campaign = draft(noor).body["id"]
    issued = noor.post("billing/vouchers/issue", {"code": "SPRING", "credit_omr": 10, "campaign_id": campaign})
    assert issued.status == 200

    def preview() -> int:
        return anybody.post("billing/vouchers/redeem-preview", {"code": "SPRING"}).status

    assert preview() == 410
    with nothing_changes():
        assert_refused(act(noor, campaign, "approve"), 403, "approval_needs_another")
        assert_refused(act(root, campaign, "activate"), 409, "campaign_state")
    assert act(root, campaign, "approve").body["approved_by"] == root.user_id
    assert preview() == 410
    assert act(noor, campaign, "activate").body["status"] == "active"
    assert preview() == 200
    with nothing_changes():
        assert_refused(noor.call("PUT", f"{CAMPAIGNS}/{campaign}", {"name": "Other"}), 409, "campaign_state")
    assert act(noor, campaign, "pause").body["status"] == "paused"
    assert preview() == 410
    assert act(noor, campaign, "activate").body["status"] == "active"
    assert act(noor, campaign, "end").body["status"] == "ended"
    assert preview() == 410
    with nothing_changes():
        assert_refused(act(noor, campaign, "activate"), 409, "campaign_state")
        late = {"code": "LATE", "credit_omr": 1, "campaign_id": campaign}
        assert_refused(noor.post("billing/vouchers/issue", late), 409, "campaign_state")


def test_budget_is_spent_and_never_lowered_under_what_is_used(noor: Caller, ada: Caller, anybody: Caller) -> None:
    campaign = CampaignFactory.create(budget_minor=15_000)
    PromoCodeFactory.create(code="SPRING", credit_minor=10_000, campaign_id=campaign.pk)
    customer = CustomerFactory.create()
    redeem(code="SPRING", user_id=customer.user_id, by=acting(customer))
    with nothing_changes():
        assert anybody.post("billing/vouchers/redeem-preview", {"code": "SPRING"}).status == 410
        assert_refused(ada.post("billing/vouchers/redeem", {"code": "SPRING"}), 400, "promo_exhausted")
        assert_refused(act(noor, str(campaign.pk), "budget", budget_minor=9_999), 409, "budget_below_used")
    changed = act(noor, str(campaign.pk), "budget", budget_minor=20_000).body
    assert (changed["used_omr"], changed["budget_omr"]) == (10, 20)
    assert ada.post("billing/vouchers/redeem", {"code": "SPRING"}).status == 200
    assert act(noor, str(campaign.pk), "budget", budget_omr=0).body["budget_minor"] == 0


def test_a_voucher_is_forecast_before_its_issue(noor: Caller) -> None:
    campaign = draft(noor, budget_omr=6).body["id"]
    body = {"credit_omr": 4, "max_redemptions": 3, "restrictions": {"first_order_only": True}}
    with nothing_changes():
        answer = noor.post("billing/vouchers/forecast", body)
        in_campaign = noor.post("billing/vouchers/forecast", {**body, "campaign_id": campaign})
        unknown = {**body, "campaign_id": "01890000-0000-7000-8000-000000000000"}
        assert_refused(noor.post("billing/vouchers/forecast", unknown), 404, "campaign_not_found")
        wrong = {**body, "restrictions": {"plans": ["nope"]}}
        assert noor.post("billing/vouchers/forecast", wrong).status == 400
    assert answer.status == 200
    assert_shape(answer.body, OFFER_FORECAST)
    assert [each.body["ceiling_omr"] for each in (answer, in_campaign)] == [12, 4]


def test_a_batch_is_forecast_before_its_draft(noor: Caller) -> None:
    campaign = draft(noor, budget_omr=6).body["id"]
    body = {"credit_omr": 4, "size": 3, "restrictions": {"uses_per_customer": 2}}
    with nothing_changes():
        answer = noor.post("billing/batches/forecast", body)
        in_campaign = noor.post("billing/batches/forecast", {**body, "campaign_id": campaign})
        unknown = {**body, "campaign_id": "01890000-0000-7000-8000-000000000000"}
        assert_refused(noor.post("billing/batches/forecast", unknown), 404, "campaign_not_found")
        assert noor.post("billing/batches/forecast", {**body, "restrictions": {"plans": ["nope"]}}).status == 400
    assert answer.status == 200
    assert_shape(answer.body, OFFER_FORECAST)
    assert [each.body["ceiling_omr"] for each in (answer, in_campaign)] == [12, 4]


def test_a_draft_is_forecast_and_shows_it(noor: Caller) -> None:
    campaign = draft(noor).body["id"]
    assert noor.get(f"{CAMPAIGNS}/{campaign}").body["forecast"] is None
    with only_changes("promos_campaign", "billing_auditentry"):
        answer = noor.post(f"{CAMPAIGNS}/{campaign}/forecast", {"credit_omr": 4, "max_redemptions": 3})
    assert answer.status == 200
    assert_shape(answer.body, FORECAST)
    figures = ("orders", "worst_minor", "ceiling_omr", "is_unlimited", "is_stale", "full_after_days")
    assert [answer.body[name] for name in figures] == [0, 0, 12, False, False, None]
    shown = noor.get(f"{CAMPAIGNS}/{campaign}").body
    assert shown["forecast"] == answer.body
    noor.call("PUT", f"{CAMPAIGNS}/{campaign}", {"budget_omr": 5})
    assert noor.get(f"{CAMPAIGNS}/{campaign}").body["forecast"]["is_stale"] is True
    running = CampaignFactory.create()
    with nothing_changes():
        refused = noor.post(f"{CAMPAIGNS}/{running.pk}/forecast", {"credit_omr": 4, "max_redemptions": 0})
        assert_refused(refused, 409, "campaign_state")


def test_the_end_is_moved(noor: Caller, anybody: Caller) -> None:
    campaign = CampaignFactory.create()
    PromoCodeFactory.create(code="SPRING", campaign_id=campaign.pk)
    act(noor, str(campaign.pk), "end-date", ends_at="2020-01-01T00:00:00Z")
    assert anybody.post("billing/vouchers/redeem-preview", {"code": "SPRING"}).status == 410
    assert act(noor, str(campaign.pk), "end-date", ends_at=None).body["ends_at"] is None
    assert anybody.post("billing/vouchers/redeem-preview", {"code": "SPRING"}).status == 200


def test_a_voucher_stays_in_its_campaign(noor: Caller) -> None:
    campaign = CampaignFactory.create()
    PromoCodeFactory.create(code="SPRING", campaign_id=campaign.pk)
    other = CampaignFactory.create()
    with nothing_changes():
        body = {"code": "SPRING", "credit_omr": 1, "campaign_id": str(other.pk)}
        refused = noor.post("billing/vouchers/issue", body)
        assert_refused(refused, 400, "invalid_promo")
        assert list(refused.body["fields"]) == ["campaign_id"]
        unknown = {"code": "NEW", "credit_omr": 1, "campaign_id": "01890000-0000-7000-8000-000000000000"}
        assert_refused(noor.post("billing/vouchers/issue", unknown), 404, "campaign_not_found")
    assert noor.post("billing/vouchers/issue", {"code": "SPRING", "description": "x"}).status == 200


def test_the_campaign_of_loose_vouchers_stays_as_it_is(root: Caller) -> None:
    [default] = root.get(CAMPAIGNS).body
    assert (default["name"], default["status"], default["budget_minor"]) == ("General", "active", 0)
    for verb in ("approve", "activate", "pause", "end"):
        with nothing_changes():
            assert_refused(act(root, default["id"], verb), 409, "campaign_state")


def test_an_auditor_reads_and_changes_nothing(salim: Caller) -> None:
    campaign = CampaignFactory.create(status=Campaign.Status.DRAFT)
    assert salim.get(f"{CAMPAIGNS}/{campaign.pk}").status == 200
    with nothing_changes():
        assert_refused(act(salim, str(campaign.pk), "approve"), 403, "permission_denied")
