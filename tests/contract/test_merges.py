"""Staff merge two customers who are one person, over HTTP."""

import pytest

from billing.models import Customer
from tests.factories import PromoCodeFactory, give_credit
from tests.snapshot import nothing_changes

from .api_client import Caller
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "billing/admin/customers/merge"
PAIR = {"customer_id": "ada", "into_customer_id": "bob"}
MERGE = {**PAIR, "reason": "one person"}


@pytest.fixture
def funded(ada: Caller, bob: Caller, acme: str, bobs: str) -> None:
    give_credit(Customer.objects.get(user_id="ada"), 5_000)


@pytest.mark.usefixtures("funded")
def test_a_superadmin_sees_what_moves_and_merges(root: Caller, ada: Caller, bob: Caller, acme: str) -> None:
    with nothing_changes():
        shown = root.post(f"{PATH}/preview", PAIR)
    assert shown.status == 200
    assert shown.body == {
        **PAIR,
        "organizations": ["acme"],
        "memberships": [],
        "subscriptions": [],
        "orders": 0,
        "invoices": 0,
        "codes": [],
        "kept_codes": [],
        "credit_minor": 5_000,
        "emails": [],
        "provider_accounts": 0,
        "sessions": 0,
        "stripe_customer_id": "",
    }
    merged = root.post(PATH, MERGE)
    assert (merged.status, merged.body) == (200, shown.body)
    assert acme in [each["id"] for each in bob.get("tenant/orgs").body]
    assert bob.get("billing/balance").body["credit_minor"] == 5_000
    # The merged customer reads its own history, and can do nothing more.
    assert ada.get("tenant/orgs").body == []
    balance = ada.get("billing/balance").body
    assert (balance["credit_minor"], [each["amount_minor"] for each in balance["entries"]]) == (0, [-5_000, 5_000])
    PromoCodeFactory.create(code="GIFT")
    with nothing_changes():
        assert_refused(ada.post("billing/vouchers/redeem", {"code": "GIFT"}), 409, "customer_merged")
        assert_refused(ada.post("tenant/orgs", {"slug": "another", "name": "A"}), 409, "customer_merged")
        checkout = {"tenant_id": acme, "plan_id": "m"}
        assert_refused(ada.post("billing/checkout", checkout), 404, "tenant_not_found")
        assert_refused(root.post(PATH, MERGE), 409, "customer_merged")
        assert_refused(ada.get("auth/me"), 404, "user_not_found")


@pytest.mark.usefixtures("funded")
def test_a_merge_is_refused(root: Caller, noor: Caller, salim: Caller, ada: Caller) -> None:
    with nothing_changes():
        for caller in (noor, salim, ada):
            assert_refused(caller.post(PATH, MERGE), 403, "permission_denied")
            assert_refused(caller.post(f"{PATH}/preview", PAIR), 403, "permission_denied")
        assert_refused(root.post(PATH, {**MERGE, "into_customer_id": "nobody"}), 404, "customer_not_found")
        assert_refused(root.post(PATH, {**MERGE, "into_customer_id": "ada"}), 400, "same_customer")
        for name in MERGE:
            answer = root.post(PATH, {**MERGE, name: " "})
            assert_refused(answer, 400, "invalid_request")
            assert list(answer.body["fields"]) == [name]
