"""Staff credit a list of customers over the API: a dry run, a draft, the start, the rows, and the undo."""

from typing import Any
from uuid import uuid4

import pytest

from billing.models import Customer, Proposal
from billing.queries import balance_of
from billing.tasks import run_bulk_grant
from billing.use_cases.ledger.post_entry import spend_credit
from tests.contract.issuing_shapes import BULK_GRANT, BULK_GRANT_CHECK, BULK_GRANT_ROW
from tests.factories import CustomerFactory, acting
from tests.snapshot import nothing_changes

from .api_client import Caller, by_token
from .json_shapes import assert_refused, assert_shape

pytestmark = pytest.mark.django_db(transaction=True)

GRANTS = "billing/grants"
LIST = {
    "name": "outage-2026",
    "csv": "\ufeffuser_id;amount;;\r\nada;5;;\r\n'bob;1,250;;\r\n",
    "reason": "the outage of May",
}
WHY = {"reason": "agreed"}


def balances(*users: str) -> list[int]:
    return [balance_of(user_id=user).credit_minor for user in users]


def test_list_is_checked_drafted_granted_once_and_undone(noor: Caller, salim: Caller) -> None:
    ada = CustomerFactory.create(user_id="ada")
    with nothing_changes():
        checked = noor.post(f"{GRANTS}/check", LIST)
    assert_shape(checked.body, BULK_GRANT_CHECK)
    assert (checked.status, checked.body["total_minor"], checked.body["unknown"]) == (200, 6_250, 1)
    made = noor.post(GRANTS, LIST)
    assert_shape(made.body, BULK_GRANT)
    assert (made.status, made.body["status"], made.body["credit_class"]) == (201, "draft", "compensation")
    page = f"{GRANTS}/{made.body['id']}"
    with nothing_changes():
        assert noor.post(GRANTS, LIST).body == made.body
        assert salim.post(f"{page}/start", WHY).status == 403
        assert_refused(noor.post(f"{page}/undo", WHY), 409, "bulk_grant_state")
    assert noor.post(f"{page}/start", WHY).body["status"] == "running"
    assert_refused(noor.post(f"{page}/start", WHY), 409, "bulk_grant_state")
    run_bulk_grant(made.body["id"])
    done = salim.get(page).body
    assert (done["status"], done["progress"], balances("ada", "bob")) == ("done", 2, [5_000, 1_250])
    rows = salim.get(f"{page}/rows?status=granted").body
    assert [(row["line"], row["customer_id"], row["amount_omr"]) for row in rows] == [(2, "ada", 5), (3, "bob", 1.25)]
    spend_credit(customer_id=ada.pk, amount_minor=1, order_id=uuid4(), by=acting(ada))
    assert noor.post(f"{page}/undo", {"reason": "the wrong list"}).body["status"] == "undoing"
    run_bulk_grant(made.body["id"])
    [kept] = salim.get(f"{page}/rows?status=kept").body
    assert_shape(kept, BULK_GRANT_ROW)
    assert (kept["customer_id"], kept["why"], balances("ada", "bob")) == ("ada", "spent", [4_999, 0])
    assert salim.get(GRANTS + "?status=undone").body == [salim.get(page).body]


def test_bad_rows_are_named_by_their_lines_and_nothing_is_stored(noor: Caller) -> None:
    for path in (f"{GRANTS}/check", GRANTS):
        with nothing_changes():
            bad = noor.post(path, {**LIST, "csv": "ada,5\n1.2E+05,5\n\nada,5\nbob,x"})
        assert_refused(bad, 400, "invalid_file")
        assert [text.partition(":")[0] for text in bad.body["fields"]["csv"]] == ["Line 2", "Line 4", "Line 5"]


def test_sum_above_a_limit_waits_for_another_person(noor: Caller, settings: Any) -> None:
    settings.APPROVAL_LIMITS = {"bulk_grant": {"*": 6_000}}
    made = noor.post(GRANTS, {**LIST, "csv": "ada\nbob", "credit_minor": 5_000})
    page = f"{GRANTS}/{made.body['id']}"
    proposed = noor.post(f"{page}/start", WHY)
    assert (proposed.status, proposed.code) == (409, "approval_required")
    amal = by_token("approver", "amal")
    decided = amal.post(f"billing/proposals/{proposed.body['proposal_id']}/approve", {})
    assert (decided.status, noor.get(page).body["status"]) == (200, "running")
    second = noor.post(GRANTS, {**LIST, "name": "second"})
    stale = noor.post(f"{GRANTS}/{second.body['id']}/start", WHY).body["proposal_id"]
    noor.post(f"{GRANTS}/{second.body['id']}/discard", WHY)
    assert_refused(amal.post(f"billing/proposals/{stale}/approve", {}), 409, "proposal_stale")
    assert Proposal.objects.get(pk=stale).status == "failed"
    assert not Customer.objects.filter(user_id="ada").exists()
