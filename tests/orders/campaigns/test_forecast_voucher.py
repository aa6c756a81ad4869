"""A voucher or a batch is forecast before its launch, and the figures are stored with its proposal."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.utils import timezone

from billing.actor import SOVEREIGN_ADMIN
from billing.models import Customer, Proposal
from billing.use_cases.proposals.propose import Outcome
from orders.use_cases.campaigns import replay_orders as replaying
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.models.restrictions import Restrictions
from promos.use_cases.approvals.approve_batch import propose_batch
from promos.use_cases.approvals.propose_issue import issue_or_propose
from promos.use_cases.change_code import retire_code
from promos.use_cases.code_import.forecast_codes import MAX_DIFFERENT_TERMS
from promos.use_cases.code_import.import_codes import import_or_propose
from promos.use_cases.code_import.read_codes import read_codes
from promos.use_cases.forecasts.forecast_offer import forecast_offer, offer_in_campaign
from promos.use_cases.issue_code import GivenTerms, issue_code
from promos.use_cases.redeem_code import redeem
from tests.console import client_of, create_user
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    OrganizationFactory,
    acting,
    actor,
    give_credit,
)
from tests.promos.cards.make_batch import draft as draft_batch
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def past(catalog: None) -> None:
    """Three customers bought: one a large plan, two a small one, of whom one bought again."""
    for name, plan, days_ago in (("ada", "l", 9), ("bob", "m", 8), ("eve", "m", 7), ("bob", "l", 2)):
        customer = CustomerFactory.create(user_id=name, email=f"{name}@example.org")
        organization = OrganizationFactory.create(customer=customer)
        give_credit(customer, 20_000)
        request = CheckoutRequest(tenant_id=organization.id, plan=plan, promo_code="")
        place_order(request=request, by=acting(customer), now=timezone.now() - timedelta(days=days_ago))


def forecast(**terms: Any) -> dict[str, Any]:
    given = {"credit_minor": 5_000, "max_redemptions": 0, "starts_at": None, "ends_at": None, "restrictions": None}
    return forecast_offer(offer_in_campaign(**{**given, **terms}))


def propose_import(*lines: str) -> Outcome:
    rows = read_codes("\n".join(lines).encode()).rows
    return import_or_propose(rows=rows, by=actor(role=SOVEREIGN_ADMIN), reason="spring")


def lines_of(proposal: Proposal | None) -> dict[str, str]:
    return {name: after for name, _, after in proposal.changes} if proposal else {}


def test_a_customer_uses_a_voucher_once_unless_its_own_limits_allow_more_and_any_number_of_cards(past: None) -> None:
    assert forecast()["worst_redemptions"] == 3
    assert forecast(restrictions=Restrictions(uses_per_customer=2))["worst_redemptions"] == 4
    assert forecast(for_cards=True)["worst_redemptions"] == 4
    assert forecast(for_cards=True, restrictions=Restrictions(uses_per_customer=1))["worst_redemptions"] == 3


def test_the_rules_the_window_and_the_rest_of_the_budget_of_its_campaign_apply_too(past: None) -> None:
    now = timezone.now()
    campaign = CampaignFactory.create(
        budget_minor=12_000,
        restrictions=Restrictions(plans=["l"], uses_per_customer=1),
        starts_at=now,
        ends_at=now + timedelta(days=3),
    )
    terms = {"campaign_id": campaign.pk, "restrictions": Restrictions(uses_per_customer=2)}
    found = forecast(**terms, days=30)
    assert (found["refused"], found["worst_redemptions"]) == ({"promo_plan_not_eligible": 2}, 2)
    assert found["ceiling_minor"] == 10_000
    found = forecast(**terms, ends_at=now + timedelta(days=40))
    assert (found["orders"], found["worst_redemptions"]) == (1, 1)  # three days of the campaign


def test_what_is_used_of_the_budget_is_not_left(past: None) -> None:
    campaign = CampaignFactory.create(budget_minor=12_000)
    issue_code(code="USED", terms=GivenTerms(credit_minor=8_000), by=actor(), campaign_id=campaign.pk)
    redeem(code="USED", user_id="ada", by=acting(Customer.objects.get(user_id="ada")))
    assert forecast(campaign_id=campaign.pk)["ceiling_minor"] == 0  # 4,000 are left


def test_the_figures_are_stored_with_the_proposal(past: None, settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"issue_credit": {"*": 1_000}}
    staff = actor(role=SOVEREIGN_ADMIN)
    terms = GivenTerms(credit_minor=5_000, max_redemptions=2)
    found = lines_of(issue_or_propose(code="NEW", terms=terms, by=staff, reason="spring").proposal)
    assert found["Worst cost"] == "10.000 OMR"
    assert found["Past orders that qualify"] == "4 of 4"


def test_a_live_voucher_is_changed_without_figures_and_a_retired_one_comes_back_with_them(
    past: None, settings: Any
) -> None:
    issue_code(code="LIVE", terms=GivenTerms(credit_minor=1_000), by=actor())
    settings.APPROVAL_LIMITS = {"issue_credit": {"*": 1_000}}
    staff, terms = actor(role=SOVEREIGN_ADMIN), GivenTerms(credit_minor=5_000)
    changed = issue_or_propose(code="LIVE", terms=terms, by=staff, reason="spring").proposal
    assert lines_of(changed) == {"Credit": "5.000 OMR"}
    retire_code(code="LIVE", by=actor())
    back = issue_or_propose(code="LIVE", terms={"credit_minor": 4_000}, by=staff, reason="spring").proposal
    assert lines_of(back)["Worst cost"] == "12.000 OMR"


def test_the_proposal_of_a_batch_has_the_figures(past: None) -> None:
    found = lines_of(propose_batch(batch=draft_batch(), by=actor(), reason="spring"))
    assert (found["Expected cost"], found["Worst cost"]) == ("0.000 OMR", "15.000 OMR")


def test_the_proposal_of_an_import_has_the_figures_of_the_codes_that_are_new(past: None, settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"issue_credit": {"*": 1_000}}
    campaign = CampaignFactory.create(name="Spring", budget_minor=12_000)
    issue_code(code="OLD", terms=GivenTerms(credit_minor=9_000, max_redemptions=1), by=actor())
    lines = ["OLD,9,1,", "A-1,5,1,", "A-2,5,1,", "B-1,6,0,spring"]
    found = lines_of(propose_import("code,credit,cap,campaign", *lines).proposal)
    # Two vouchers of 5 OMR for one customer each, and four orders of three customers within a budget of 12 OMR.
    assert found["Worst cost"] == "22.000 OMR"
    assert found["Past orders that qualify"] == "4 of 4 (2 x 5.000 OMR); 4 of 4 (1 x 6.000 OMR)"
    assert campaign.budget_minor == 12_000


def test_a_customer_can_use_each_code_of_a_file_and_its_limits_hold_for_each(past: None, settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"issue_credit": {"*": 1_000}}
    title = "code,credit,cap,uses_per_customer,plans"
    assert lines_of(propose_import(title, "A-1,5,0,,").proposal)["Worst cost"] == "15.000 OMR"
    assert lines_of(propose_import(title, "B-1,5,0,,", "B-2,5,0,,").proposal)["Worst cost"] == "20.000 OMR"
    found = lines_of(propose_import(title, "C-1,5,0,1,l", "C-2,5,0,1,l").proposal)
    assert (found["Worst cost"], found["Past orders that qualify"]) == (
        "10.000 OMR",
        "2 of 4 (2 x 5.000 OMR)",
    )


def test_an_import_of_many_different_terms_says_that_its_cost_is_not_known(past: None, settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"issue_credit": {"*": 1_000}}
    lines = [f"A-{number},{number},1" for number in range(1, MAX_DIFFERENT_TERMS + 2)]
    found = lines_of(propose_import("code,credit,cap", *lines).proposal)
    assert found["Expected cost"].startswith("not known: ")
    assert "Worst cost" not in found


def test_the_check_of_a_file_shows_the_figures(past: None) -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    file = SimpleUploadedFile("codes.csv", b"code,credit,cap\nA-1,5,1\nA-2,5,1\n")
    with nothing_changes():
        sent = {"file": file, "reason": "spring"}
        shown = client.submit("/admin/promos/promocode/import/", sent).content.decode()
    assert "Worst cost" in shown
    assert "10.000 OMR" in shown


def test_a_replay_that_takes_too_long_says_so_on_the_proposal(
    past: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "MAX_SECONDS", 0.05)
    monkeypatch.setattr(replaying, "_REPLAY", "SELECT pg_sleep(9) WHERE %(one_in)s > 0")
    settings.APPROVAL_LIMITS = {"issue_credit": {"*": 1_000}}
    staff = actor(role=SOVEREIGN_ADMIN)
    found = lines_of(issue_or_propose(code="NEW", terms={"credit_minor": 5_000}, by=staff, reason="spring").proposal)
    assert found["Expected cost"].startswith("not known: ")


def test_a_replay_leaves_the_time_limit_of_its_transaction_as_it_was(past: None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '7s'")
        forecast()
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("7s",)


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/admin/promos/promocode/add/", {"code": "NEW", "credit": "5", "max_redemptions": "2", "active": "on"}),
        (
            "/admin/promos/batch/add/",
            {"name": "NEW", "credit": "5", "size": "2", "pattern": "####-####-####", "alphabet": "letters"},
        ),
    ],
)
def test_a_form_shows_the_figures_and_keeps_what_was_entered(
    past: None, address: str, fields: dict[str, str]
) -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    with nothing_changes():
        shown = client.submit(address, {**fields, "what_if": ""}).content.decode()
        assert "10.000 OMR for 2 redemptions" in shown
        assert 'value="NEW"' in shown
        refused = client.submit(address, {**fields, "credit": "-1", "what_if": ""}).content.decode()
    assert "Worst cost" not in refused
    assert "must be" in refused


def test_the_page_of_a_voucher_shows_the_figures_of_other_terms(past: None) -> None:
    code = issue_code(code="LIVE", terms=GivenTerms(credit_minor=1_000), by=actor())
    client = client_of(create_user(SOVEREIGN_ADMIN))
    page = f"/admin/promos/promocode/{code.pk}/change/"
    with nothing_changes():
        fields = {"credit": "5", "max_redemptions": "2", "active": "on", "what_if": ""}
        shown = client.submit(page, fields).content.decode()
    assert "10.000 OMR for 2 redemptions" in shown
