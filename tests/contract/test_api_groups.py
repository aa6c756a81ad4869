"""Each group of the API can be switched off: its endpoints do not exist, and the others work as before."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from billing.models import Customer
from config.parts.api_groups import GROUPS, group_of
from config.web.schema import schema
from tests.config.test_settings import COMPLETE, read, refusal
from tests.contract.endpoint import Endpoint
from tests.factories import give_credit

from .api_client import Caller, by_token
from .api_process import ApiProcess, api_process
from .conftest import open_shop, tenant_of
from .endpoints import ENDPOINTS

pytestmark = pytest.mark.django_db(transaction=True)

API = [each for each in ENDPOINTS if each.path not in ("schema", "docs")]
NOT_FOUND = {"error": "there is nothing at this address", "code": "not_found"}


def send(process: ApiProcess, root: str, endpoint: Endpoint, caller: Caller, tenant: str) -> tuple[int, Any]:
    facts = {"tenant": tenant, "code": "GIFT", "slug": "new"}
    body: Mapping[str, Any] | None = endpoint.body_with(**facts)
    path = f"{root}{endpoint.path_with(**facts)}"
    status, answer, _ = process.call(endpoint.method, path, body, {**caller.headers, "Accept": "application/json"})
    return status, answer


def described_paths(process: ApiProcess, root: str) -> list[str]:
    _, described, _ = process.call("GET", f"{root}schema", headers={"Accept": "application/json"})
    return [path.removeprefix(root) for path in described["paths"]]


def test_every_endpoint_is_of_a_group() -> None:
    paths = [path.removeprefix("/api/") for path in json.loads(json.dumps(schema(), default=str))["paths"]]
    groups = {group_of(path) for path in paths}
    assert groups == {*GROUPS, None}
    assert [path for path in paths if group_of(path) is None] == ["billing/webhook"]


# An endpoint of each group that answers without changing anything.
PROBES = {
    "auth": "auth/me",
    "billing": "billing/balance",
    "catalog": "catalog/plans",
    "domain": "domain/list?tenant_id={tenant}",
    "provisioning": "provisioning/tenant/{tenant}",
    "tenant": "tenant/orgs/{tenant}",
    "vouchers": "billing/vouchers/list",
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_that_is_off_does_not_exist_and_the_others_work(
    ada: Caller, acme: str, root: Caller, group: str
) -> None:
    give_credit(Customer.objects.get(), 20_000)
    with api_process(API_GROUPS_OFF=group) as process:
        for endpoint in [each for each in API if group_of(each.path) == group]:
            assert send(process, "/api/", endpoint, root, acme) == (404, NOT_FOUND), endpoint
        assert group not in {group_of(path) for path in described_paths(process, "/api/")}
        if group != "billing":
            order = {"tenant_id": acme, "plan_id": "m", "apps": ["wordpress"], "addons": ["backup"]}
            assert process.call("POST", "/api/billing/checkout", order, ada.headers)[0] == 200
        for path in [path for other, path in PROBES.items() if other != group]:
            caller = root if "vouchers" in path else ada
            status, answer, _ = process.call("GET", f"/api/{path.format(tenant=acme)}", None, caller.headers)
            assert (status, answer) != (404, NOT_FOUND), path
            assert status < 500, answer


def test_all_groups_together_can_be_off(shop: None) -> None:
    with api_process(API_GROUPS_OFF=", ".join(GROUPS)) as process:
        assert described_paths(process, "/api/") == ["billing/webhook"]
        assert process.call("POST", "/api/billing/webhook", {})[0] == 503


@pytest.mark.parametrize(("prefix", "root"), [("", "/"), ("shop/v1/", "/shop/v1/")])
def test_every_endpoint_exists_under_any_prefix(prefix: str, root: str) -> None:
    open_shop()
    caller = by_token("superadmin")
    tenant = tenant_of(caller, "mine")
    with api_process(API_PREFIX=prefix) as process:
        for endpoint in sorted(API, key=lambda each: each.method == "DELETE"):
            status, answer = send(process, root, endpoint, caller, tenant)
            assert (status, answer) != (404, NOT_FOUND), endpoint
            assert status != 500, endpoint
        assert {group_of(path) for path in described_paths(process, root)} == {*GROUPS, None}


def test_auth_disabled_is_the_group_auth_off() -> None:
    assert read("API_GROUPS_OFF AUTH_ENABLED", COMPLETE | {"AUTH_ENABLED": "0"}) == ["frozenset({'auth'})", False]
    assert read("AUTH_ENABLED", COMPLETE | {"API_GROUPS_OFF": "auth"}) == [False]
    assert read("API_GROUPS_OFF AUTH_ENABLED", COMPLETE) == ["frozenset()", True]


def test_an_unknown_group_is_refused() -> None:
    assert "API_GROUPS_OFF must be some of auth, billing" in refusal(COMPLETE | {"API_GROUPS_OFF": "catalogue"})
