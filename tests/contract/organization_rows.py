"""Each endpoint with an organization, and the least role inside it that may use it.

`test_organization_roles.py` finds the endpoints in the API's description: by an organization or a record of one in
the path, in a parameter or in the body. An endpoint without a row fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from billing.organization_roles import OrganizationRole

OWNER, ADMIN, MEMBER, VIEWER = OrganizationRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An endpoint answers `status` to the least role and stronger ones, a 403 to others, `stranger` to strangers.

    In paths, bodies and queries `{tenant}` stands for the organization; `{member}`, `{domain}`, `{order}` and
    `{provision}` for records of it.
    """

    least: OrganizationRole
    status: int = 200
    stranger: int = 404
    body: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""


ROWS: dict[str, Row] = {
    "GET tenant/orgs/{tenant}": Row(least=VIEWER),
    "PUT tenant/orgs/{tenant}": Row(least=ADMIN, body={"name": "Another name"}),
    "DELETE tenant/orgs/{tenant}": Row(least=OWNER),
    "GET tenant/orgs/{tenant}/members": Row(least=VIEWER),
    "POST tenant/orgs/{tenant}/members": Row(least=ADMIN, status=201, body={"email": "new@example.org"}),
    "DELETE tenant/orgs/{tenant}/members/{member}": Row(least=ADMIN),
    "POST billing/checkout": Row(least=OWNER, body={"tenant_id": "{tenant}", "plan_id": "s"}),
    "POST billing/checkout/quote": Row(least=OWNER, body={"tenant_id": "{tenant}", "plan_id": "s"}),
    "GET billing/subscription/{tenant}": Row(least=VIEWER),
    "POST billing/subscription/{tenant}/cancel": Row(least=OWNER, body={"at": "period_end"}),
    "POST billing/subscription/{tenant}/resume": Row(least=OWNER),
    # A stranger has no invoices there.
    "GET billing/invoices/{tenant}": Row(least=ADMIN, stranger=200),
    # No card processor is configured.
    "POST billing/portal/{tenant}": Row(least=OWNER, status=503),
    "POST provisioning/start": Row(
        least=MEMBER,
        status=201,
        body={"tenant_id": "{tenant}", "order_id": "{order}", "plan_id": "flexi", "apps": [], "subdomain": "acme"},
    ),
    "GET provisioning/tenant/{tenant}": Row(least=VIEWER),
    "GET provisioning/status/{provision}": Row(least=VIEWER),
    "GET provisioning/jobs": Row(least=VIEWER, query="?tenant_id={tenant}"),
    "POST tenant/orgs/{tenant}/apps": Row(least=ADMIN, body={"slug": "wordpress"}),
    "DELETE tenant/orgs/{tenant}/apps/wordpress": Row(least=ADMIN),
    "GET tenant/orgs/{tenant}/apps/wordpress/uninstall-preview": Row(least=VIEWER),
    "GET tenant/orgs/{tenant}/backing-services": Row(least=VIEWER),
    "GET domain/list": Row(least=VIEWER, query="?tenant_id={tenant}"),
    "GET domain/domains/{tenant}": Row(least=VIEWER),
    "POST domain/byod": Row(least=ADMIN, status=201, body={"tenant_id": "{tenant}", "domain": "shop.example.net"}),
    "DELETE domain/domains/{domain}": Row(least=ADMIN),
    # The organization's own address needs no lookup.
    "POST domain/verify/{tenant}": Row(least=ADMIN),
}
# Decided by the caller's role on the platform, whatever the role inside: test_roles.py.
STAFF_ONLY = ("tenant/admin/", "provisioning/report")
