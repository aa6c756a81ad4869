"""A group of the API that is off is a 404 and absent from the schema, and every other call of a customer works."""

from typing import Any

import pytest
from django.conf import settings

from tests.billing.api.conftest import bearer
from tests.contract.api_process import api_process
from tests.journeys.front_end import FrontEnd, in_another_process
from tests.journeys.ordering import issue_voucher
from tests.journeys.people import Deployment, organization_of
from tests.journeys.worker import run_worker

pytestmark = pytest.mark.django_db(transaction=True)

GROUPS = ("auth", "billing", "catalog", "domain", "provisioning", "tenant", "vouchers")
# The calls of a customer with a live organization: group, method, path, body, status.
Call = tuple[str, str, str, Any, int]
CALLS: list[Call] = [
    ("auth", "GET", "auth/me", None, 200),
    ("catalog", "GET", "catalog/plans", None, 200),
    ("catalog", "GET", "catalog/apps", None, 200),
    ("vouchers", "POST", "billing/vouchers/redeem-preview", {"code": "MORE"}, 200),
    ("vouchers", "POST", "billing/vouchers/redeem", {"code": "MORE"}, 200),
    ("billing", "GET", "billing/balance", None, 200),
    ("billing", "GET", "billing/subscription/{tenant}", None, 200),
    ("billing", "GET", "billing/invoices/{tenant}", None, 200),
    ("billing", "POST", "billing/checkout/quote", {"tenant_id": "{tenant}", "plan_id": "l"}, 200),
    ("billing", "POST", "billing/checkout", {"tenant_id": "{tenant}", "plan_id": "l"}, 200),
    ("tenant", "GET", "tenant/orgs", None, 200),
    ("tenant", "PUT", "tenant/orgs/{tenant}", {"name": "Other"}, 200),
    ("tenant", "POST", "tenant/orgs/{tenant}/members", {"email": "bob@example.org"}, 201),
    ("tenant", "POST", "tenant/orgs/{tenant}/apps", {"slug": "wordpress"}, 200),
    ("tenant", "GET", "tenant/orgs/{tenant}/backing-services", None, 200),
    ("provisioning", "GET", "provisioning/tenant/{tenant}", None, 200),
    ("provisioning", "GET", "provisioning/jobs?tenant_id={tenant}", None, 200),
    ("domain", "GET", "domain/list?tenant_id={tenant}", None, 200),
    ("domain", "POST", "domain/byod", {"tenant_id": "{tenant}", "domain": "shop.example.com"}, 201),
    ("tenant", "DELETE", "tenant/orgs/{tenant}", None, 200),
]


@pytest.mark.parametrize("off", GROUPS)
def test_nothing_depends_on_a_group_that_is_off(
    catalog: None, root: FrontEnd, deployment: Deployment, off: str
) -> None:
    issue_voucher(root, "HUNDRED", 100)
    issue_voucher(root, "MORE", 1)
    here = deployment.customer("ada@example.org")
    tenant = organization_of(here, "ada-bakery")
    order = {"tenant_id": tenant, "plan_id": "m", "promo_code": "HUNDRED"}
    assert here.post("billing/checkout", order).status == 200
    run_worker()
    # The platform signs its own tokens where sign-in is off.
    token = bearer(sub=here.user["id"], email="ada@example.org", role="member")["Authorization"].split()[1]
    with api_process(API_GROUPS_OFF=off, SECRET_KEY=settings.SECRET_KEY) as process:
        ada = FrontEnd(send=in_another_process(process), token=token)
        for group, method, path, body, status in CALLS:
            named = {"tenant_id": tenant} if body and "tenant_id" in body else {}
            answer = ada.call(method, path.format(tenant=tenant), body and {**body, **named})
            if group == off:
                assert (answer.status, answer.code) == (404, "not_found"), (path, answer)
            else:
                assert answer.status == status, (path, answer)
        paths = ada.read("schema")["paths"]
    described = {path.removeprefix("/api/") for path in paths}
    prefixes = {
        "billing": ("billing/balance", "billing/checkout"),
        "vouchers": ("billing/vouchers", "billing/admin/promos"),
    }
    assert not [path for path in described if path.startswith(prefixes.get(off, (f"{off}/",)))]
    run_worker()
