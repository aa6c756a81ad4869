"""Voucher codes are imported from CSV files: every bad row by its line, all codes or none, once."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from billing.actor import SOVEREIGN_ADMIN
from billing.errors import InvalidFile
from billing.models import Proposal
from billing.use_cases.proposals.decide import approve_proposal
from promos.models import PromoCode
from promos.use_cases.code_import.import_codes import ImportReport, import_codes, import_or_propose
from promos.use_cases.code_import.read_codes import read_codes
from promos.use_cases.issue_code import Terms, issue_code
from tests.console import client_of, create_user, form_errors, shown_messages
from tests.contract.api_client import by_token
from tests.factories import CampaignFactory, PlanFactory, actor
from tests.promos.cards.make_batch import active, codes_of
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

FILE = (
    "\ufeffcode;credit;cap;valid from;valid until;campaign;;\r\n'eid-1;5,250;100;2027-01-01 00:00;"
    '2027-02-01T00:00:00+04:00;Spring;;\r\nEID-2;"2,000";0;;;;;\r\n'
)


def test_file_is_imported_once_with_all_its_terms() -> None:
    campaign = CampaignFactory.create(name="Spring")
    rows = read_codes(FILE.encode()).rows
    assert import_codes(rows=rows, by=actor(), reason="Eid") == ImportReport(rows=2, issued=2, already=0)
    first, second = PromoCode.objects.filter(code__startswith="EID-").order_by("code")
    assert (first.code, first.credit_minor, first.max_redemptions, first.campaign) == ("EID-1", 5_250, 100, campaign)
    assert first.starts_at and first.starts_at.isoformat() == "2027-01-01T00:00:00+00:00"
    assert first.expires_at and first.expires_at.isoformat() == "2027-01-31T20:00:00+00:00"
    assert (second.credit_minor, second.max_redemptions, second.starts_at) == (2_000, 0, None)
    with nothing_changes():
        again = read_codes(FILE.encode())
        assert not again.bad_rows
        assert import_codes(rows=again.rows, by=actor(), reason="Eid").already == 2


def test_each_bad_row_is_named_by_its_line() -> None:
    issue_code(code="TAKEN", terms=Terms(credit_minor=1), by=actor())
    card = codes_of(active())[0]
    content = (
        "code,credit,cap,starts_at,expires_at,campaign\nGOOD,5,1,,,\nAB,5,1,,,\n1.2E+05,5,1,,,\n,5,1,,,\nC-1,,1,,,\n"
        "C-2,5,,,,\nC-3,5,1.5,,,\nC-4,5,1,tomorrow,,\nC-5,5,1,2027-01-02 00:00,2027-01-01 00:00,\nC-6,5,1,,,Nope\n"
        f"TAKEN,5,1,,,\n{card},5,1,,,\ngood,6,1,,,\nC-7,5,1,,,,more\n"
    )
    found = read_codes(content.encode())
    assert [row.line for row in found.bad_rows] == list(range(3, 16))
    with nothing_changes(), pytest.raises(InvalidFile):
        import_codes(rows=found.rows, by=actor(), reason="Eid")


def test_credit_above_the_limit_is_approved_by_another(settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"issue_credit": {"*": 5_000}}
    rows = read_codes(b"code,credit,cap\nEID-1,5,1\nEID-2,6,1\n").rows
    proposal = import_or_propose(rows=rows, by=actor(user_id="noor"), reason="Eid").proposal
    assert proposal and not PromoCode.objects.filter(code="EID-1").exists()
    issue_code(code="EID-1", terms=Terms(credit_minor=5_000, max_redemptions=1), by=actor())
    stale = approve_proposal(proposal_id=proposal.pk, by=actor(user_id="amal"))
    assert stale.status == Proposal.Status.FAILED
    proposal = import_or_propose(rows=rows, by=actor(user_id="noor"), reason="Eid").proposal
    assert proposal
    approve_proposal(proposal_id=proposal.pk, by=actor(user_id="amal"))
    assert PromoCode.objects.get(code="EID-2").credit_minor == 6_000


def test_console_checks_then_issues() -> None:
    noor, page = client_of(create_user(SOVEREIGN_ADMIN)), "/admin/promos/promocode/import/"
    sent = {"reason": "Eid", "file": SimpleUploadedFile("codes.csv", b"\xef\xbb\xbfcode;credit;cap\r\nEID-1;5;3\r\n")}
    with nothing_changes():
        checked = noor.submit(page, sent)
        bad = noor.submit(page, {"reason": "x", "file": SimpleUploadedFile("c.csv", b"code,credit,cap\nAB,5,1\n")})
        assert form_errors(noor.submit(page, {"reason": "x"})) == {"file": ["Choose a file."]}
    assert [text.partition(":")[0] for text in form_errors(bad)["file"]] == ["Line 2"]
    text = checked.context["form"]["text"].value()
    answer = noor.post(
        page, {"reason": "Eid", "text": text, "confirmed": "yes", "form_token": checked.context["token"]}
    )
    assert shown_messages(answer)[-1] == "1 vouchers are issued; 0 were there already."
    assert PromoCode.objects.get(code="EID-1").max_redemptions == 3


def test_api_reports_and_issues() -> None:
    noor = by_token("sovereign-admin", "noor")
    sent = {"csv": "code,credit,cap\nEID-1,5,3", "reason": "Eid"}
    with nothing_changes():
        assert noor.post("billing/vouchers/import", {**sent, "dry_run": True}).body["issued"] == 1
        bad = noor.post("billing/vouchers/import", {**sent, "csv": "code,credit,cap\nEID-1,5,3\nEID-1,5,3"})
    assert (bad.code, bad.body["fields"]) == ("invalid_file", {"csv": ["Line 3: names the code of line 2 again."]})
    assert noor.post("billing/vouchers/import", sent).body == {"rows": 1, "issued": 1, "already": 0}
    assert noor.post("billing/vouchers/import", sent).body == {"rows": 1, "issued": 0, "already": 1}


def test_a_file_gives_restrictions_as_a_form_does() -> None:
    PlanFactory.create(slug="l")
    PlanFactory.create(slug="xl")
    content = (
        "code;credit;cap;only;minimum_order;plans;first_order_only;email_domains;uses_per_customer;uses_per_month\n"
        "FIRST;5;0;;12,500;l xl;yes;Bank.om;;\nMONTHLY;5;0;top_ups;;;no;;3;1\nFREE;5;0;;;;;;;\n"
    )
    rows = read_codes(content.encode()).rows
    import_codes(rows=rows, by=actor(), reason="Eid")
    found = {code.code: code.restrictions for code in PromoCode.objects.all()}
    first = found["FIRST"] or {}
    assert {**first, "plans": len(first["plans"])} == {
        "only": "orders",
        "minimum_order_minor": 12_500,
        "plans": 2,
        "first_order_only": True,
        "email_domains": ["bank.om"],
    }
    assert found["MONTHLY"] == {
        "only": "top_ups",
        "uses_per_customer": 3,
        "uses_per_month": 1,
        "time_zone": "UTC",
    }
    assert found["FREE"] is None
    with nothing_changes():
        again = read_codes(content.encode())
        assert not again.bad_rows
        assert import_codes(rows=again.rows, by=actor(), reason="Eid").already == 3
    other = read_codes(content.replace("Bank.om", "shop.om").encode())
    assert [row.line for row in other.bad_rows] == [2]


def test_a_bad_restriction_is_named_by_its_line() -> None:
    PlanFactory.create(slug="l")
    content = (
        "code,credit,cap,plans,only,uses_per_day,first_order_only,minimum_order\n"
        "A-01,5,1,nope,,,,\nA-02,5,1,l,top_ups,,,\nA-03,5,1,,,many,,\nA-04,5,1,,,,perhaps,\nA-05,5,1,,,,,x\n"
        "A-06,5,1,,elsewhere,,,\n"
    )
    assert [row.line for row in read_codes(content.encode()).bad_rows] == [2, 3, 4, 5, 6, 7]
