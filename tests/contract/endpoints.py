"""Every endpoint of the contract, who may use it, and what it answers while no card processor is configured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.actor import AUDITOR, CUSTOMER, SOVEREIGN_ADMIN, SUPERADMIN

NOBODY = "nobody"
PUBLIC = frozenset({NOBODY, CUSTOMER, AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN})
IDENTIFIED = PUBLIC - {NOBODY}
READS_VOUCHERS = frozenset({AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN})
ISSUES = frozenset({SOVEREIGN_ADMIN, SUPERADMIN})
READS_ORDERS = frozenset({AUDITOR, SUPERADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method at a path; `{tenant}`, `{code}` and `{slug}` stand for what each test has made.

    `body` is valid, its texts are filled in the same way, and `status` is the answer. Of a body where nothing is
    required an empty one is valid too.
    """

    method: str
    path: str
    may: frozenset[str]
    body: Mapping[str, Any] | None = None
    status: int = 200
    is_list: bool = False
    requires_nothing: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def path_with(self, **facts: str) -> str:
        return self.path.format(**facts)

    def body_with(self, **facts: str) -> dict[str, Any] | None:
        if self.body is None:
            return None
        return {name: value.format(**facts) if isinstance(value, str) else value for name, value in self.body.items()}


ISSUE = {
    "code": "{code}",
    "credit_omr": 5,
    "description": "Welcome",
    "active": True,
    "max_redemptions": 3,
    "hot": False,
    "starts_at": "2020-01-01T00:00:00Z",
    "expires_at": "2099-01-01T00:00:00Z",
    "reason": "spring",
}
CHECKOUT = {
    "tenant_id": "{tenant}",
    "plan_id": "flexi",
    "apps": ["wordpress"],
    "addons": ["waf"],
    "promo_code": "{code}",
}
ORGANIZATION = {"slug": "{slug}", "name": "New", "plan_id": "m", "apps": ["wordpress"], "addons": ["backup"]}

KEYS = {"stripe_secret_key": "sk_test_x", "stripe_webhook_secret": "whsec_x", "stripe_public_key": "pk_test_x"}

ENDPOINTS = [
    Endpoint(method="POST", path="billing/vouchers/issue", may=ISSUES, body=ISSUE),
    Endpoint(method="POST", path="billing/admin/promos", may=ISSUES, body=ISSUE),
    Endpoint(method="GET", path="billing/vouchers/list", may=READS_VOUCHERS, is_list=True),
    Endpoint(method="GET", path="billing/admin/promos", may=READS_VOUCHERS, is_list=True),
    Endpoint(method="DELETE", path="billing/vouchers/revoke/{code}", may=ISSUES),
    Endpoint(method="DELETE", path="billing/admin/promos/{code}", may=ISSUES),
    Endpoint(method="POST", path="billing/vouchers/redeem-preview", may=PUBLIC, body={"code": "{code}"}),
    Endpoint(method="POST", path="billing/vouchers/redeem", may=IDENTIFIED, body={"code": "{code}"}),
    Endpoint(method="POST", path="billing/checkout", may=IDENTIFIED, body=CHECKOUT),
    Endpoint(method="GET", path="billing/balance", may=IDENTIFIED),
    Endpoint(method="GET", path="billing/subscription", may=IDENTIFIED),
    Endpoint(method="GET", path="billing/subscription/{tenant}", may=IDENTIFIED),
    Endpoint(method="GET", path="billing/invoices", may=IDENTIFIED, is_list=True),
    Endpoint(method="GET", path="billing/invoices/{tenant}", may=IDENTIFIED, is_list=True),
    Endpoint(method="GET", path="billing/admin/revenue", may=READS_ORDERS),
    Endpoint(method="GET", path="billing/admin/events", may=READS_ORDERS, is_list=True),
    Endpoint(method="GET", path="billing/admin/orders", may=READS_ORDERS, is_list=True),
    Endpoint(method="GET", path="catalog/plans", may=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/apps", may=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/addons", may=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/industries", may=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/bundles", may=PUBLIC, is_list=True),
    Endpoint(method="GET", path="tenant/check-slug/{slug}", may=PUBLIC),
    Endpoint(method="POST", path="tenant/orgs", may=IDENTIFIED, body=ORGANIZATION, status=201),
    Endpoint(method="GET", path="tenant/orgs", may=IDENTIFIED, is_list=True),
    Endpoint(method="GET", path="tenant/orgs/{tenant}", may=IDENTIFIED),
    Endpoint(method="DELETE", path="tenant/orgs/{tenant}", may=IDENTIFIED),
    Endpoint(method="GET", path="schema", may=PUBLIC),
    Endpoint(method="GET", path="docs", may=PUBLIC),
    Endpoint(method="POST", path="billing/portal/{tenant}", may=IDENTIFIED, status=503),
    Endpoint(method="POST", path="billing/webhook", may=PUBLIC, status=503),
    Endpoint(method="GET", path="billing/admin/settings", may=frozenset({SUPERADMIN})),
    # Last: from here on there is a card processor.
    Endpoint(
        method="PUT", path="billing/admin/settings", may=frozenset({SUPERADMIN}), body=KEYS, requires_nothing=True
    ),
]
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]
LISTS = [endpoint for endpoint in ENDPOINTS if endpoint.is_list]
