"""The pages of signed heads and checks, and the download of the evidence."""

import zipfile
from http import HTTPStatus
from io import BytesIO
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, FINANCE, SOVEREIGN_ADMIN
from billing.models import AuditEntry, LedgerCheck, LedgerHead
from billing.use_cases.proof.daily_proof import prove_ledger
from tests.console import client_of, create_user, form_errors, form_token
from tests.factories import CustomerFactory, give_credit
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def head() -> LedgerHead:
    give_credit(CustomerFactory.create(user_id="ada"), 5_000)
    prove_ledger()
    return LedgerHead.objects.get()


def test_an_auditor_reads_what_to_publish_and_downloads_the_evidence(head: LedgerHead) -> None:
    auditor = client_of(create_user(AUDITOR))
    page = auditor.get(reverse("admin:billing_ledgerhead_change", args=[head.pk]))
    assert f"1:{head.hash}" in page.content.decode()
    address = reverse("admin:billing_ledgerhead_evidence", args=[head.pk])
    token = form_token(auditor.get(address))
    with nothing_changes():
        assert form_errors(auditor.post(address, {"form_token": token})) == {"reason": ["This field is required."]}
    answer: Any = auditor.post(address, {"form_token": token, "reason": "the yearly audit"})
    with zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content))) as pack:
        assert {"README.txt", "accounts.txt", "check_evidence.py", "heads.jsonl"} < set(pack.namelist())
        assert len(pack.read("entries.jsonl").splitlines()) == 1
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.reason) == ("ledger.evidence_exported", "the yearly audit")


def test_finance_sees_heads_and_gets_no_evidence_because_it_holds_the_audit_trail(head: LedgerHead) -> None:
    finance = client_of(create_user(FINANCE))
    page = finance.get(reverse("admin:billing_ledgerhead_change", args=[head.pk])).content.decode()
    assert f"1:{head.hash}" in page and "Download the evidence" not in page
    answer = finance.get(reverse("admin:billing_ledgerhead_evidence", args=[head.pk]))
    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_only_superadmins_and_auditors_see_the_proof(head: LedgerHead) -> None:
    admin = client_of(create_user(SOVEREIGN_ADMIN))
    for page in ("admin:billing_ledgerhead_change", "admin:billing_ledgerhead_evidence"):
        assert admin.get(reverse(page, args=[head.pk])).status_code == HTTPStatus.FORBIDDEN


def test_a_check_shows_its_result_and_the_head_it_compared_with(head: LedgerHead) -> None:
    prove_ledger()
    newest = LedgerCheck.objects.latest("pk")
    auditor = client_of(create_user(AUDITOR))
    page = auditor.get(reverse("admin:billing_ledgercheck_change", args=[newest.pk])).content.decode()
    assert "sound" in page
    assert "head 1" in page
