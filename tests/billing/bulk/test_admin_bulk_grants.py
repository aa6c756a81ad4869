"""The console's pages of bulk grants: a list is uploaded, checked, started, followed and undone."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from billing.actor import AUDITOR, SOVEREIGN_ADMIN
from billing.models import BulkGrant, Proposal
from billing.queries import balance_of
from billing.use_cases.bulk.run_bulk_grant import run_bulk_grant
from tests.console import Browser, client_of, create_user, form_errors, shown_messages
from tests.factories import CustomerFactory
from tests.snapshot import nothing_changes

from .make_grants import draft

pytestmark = pytest.mark.django_db(transaction=True)
GRANTS = "/admin/billing/bulkgrant/"
WHY = {"reason": "agreed"}


@pytest.fixture
def noor() -> Browser:
    return client_of(create_user(SOVEREIGN_ADMIN))


def sent(*rows: str, **inputs: str) -> dict[str, Any]:
    file = SimpleUploadedFile("list.csv", "\r\n".join(rows).encode())
    return {"name": "outage-2026", "file": file, "credit_class": "compensation", "reason": "an outage", **inputs}


def test_list_is_uploaded_checked_started_and_undone(noor: Browser) -> None:
    CustomerFactory.create(user_id="ada")
    answer = noor.submit(f"{GRANTS}add/", sent("user_id;amount", "ada;5", "=bob;1,25"))
    found = BulkGrant.objects.get()
    assert answer.headers["Location"] == f"{GRANTS}{found.pk}/change/"
    page = noor.get(answer.headers["Location"]).content.decode()
    for shown in ("6.250 OMR", "New customers", "Not granted yet", "=bob"):
        assert shown in page
    answer = noor.submit(f"{GRANTS}{found.pk}/start/", WHY)
    assert shown_messages(answer)[-1] == "outage-2026 is started: 2 customers, 6.250 OMR."
    run_bulk_grant(bulk_grant_id=found.pk)
    assert balance_of(user_id="=bob").credit_minor == 1_250
    rows = noor.get(f"{GRANTS}{found.pk}/rows/").getvalue().decode().splitlines()
    assert rows == ["line,user_id,amount_minor,status,why", "2,ada,5000,granted,", "3,'=bob,1250,granted,"]
    noor.submit(f"{GRANTS}{found.pk}/undo/", WHY)
    run_bulk_grant(bulk_grant_id=found.pk)
    page = noor.get(f"{GRANTS}{found.pk}/change/").content.decode()
    assert "Taken back" in page and "2 of 2" in page
    assert all(f"bulk grant {act}" in page for act in ("drafted", "started", "undone"))
    assert "outage-2026" in noor.get(f"{GRANTS}?q=ada").content.decode()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "X"}, "name"),
        ({"file": ""}, "file"),
        ({"amount": "0"}, "amount"),
        ({"amount": "x"}, "amount"),
        ({"credit_class": "free"}, "credit_class"),
        ({"expires_at": "2020-01-01T00:00"}, "expires_at"),
        ({"reason": ""}, "reason"),
    ],
)
def test_bad_input_is_shown_at_its_field(noor: Browser, wrong: dict[str, Any], field: str) -> None:
    with nothing_changes():
        answer = noor.submit(f"{GRANTS}add/", {**sent("ada,5"), **wrong})
    assert list(form_errors(answer)) == [field]


def test_bad_rows_are_shown_by_their_lines(noor: Browser) -> None:
    with nothing_changes():
        answer = noor.submit(f"{GRANTS}add/", sent("ada,5", "1.2E+05,5", "ada,6", "bob,1,250"))
    assert [text.partition(":")[0] for text in form_errors(answer)["file"]] == ["Line 2", "Line 3", "Line 4"]


def test_sum_above_the_limit_is_proposed(noor: Browser, settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"bulk_grant": {"*": 1}}
    answer = noor.submit(f"{GRANTS}{draft('ada,5').pk}/start/", WHY)
    assert answer.headers["Location"] == f"/admin/billing/proposal/{Proposal.objects.get().pk}/change/"


def test_auditor_reads_only() -> None:
    found, salim = draft("ada,5"), client_of(create_user(AUDITOR))
    assert "/start/" not in salim.get(f"{GRANTS}{found.pk}/change/").content.decode()
    with nothing_changes():
        for name in ("start", "discard", "undo"):
            assert salim.get(f"{GRANTS}{found.pk}/{name}/").status_code == 403
            assert salim.post(f"{GRANTS}{found.pk}/{name}/", WHY).status_code == 403
