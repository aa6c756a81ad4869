"""Every endpoint of the API, the roles that may use it, and its status while no card processor is configured."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.actor import AUDITOR, DEALER, SUPERADMIN
from tests.contract.endpoint import (
    ADMINISTERS,
    DECIDES,
    IDENTIFIED,
    ISSUES,
    PUBLIC,
    READS_ALERTS,
    READS_ATTEMPTS,
    READS_EVENTS,
    READS_LEDGER,
    READS_ORDERS,
    READS_PROPOSALS,
    READS_REVENUE,
    READS_VOUCHERS,
    READS_WEBHOOKS,
    WITHDRAWS,
    Endpoint,
)
from tests.contract.invalid_values import INVALID_ID
from tests.contract.request_bodies import (
    APP_TO_INSTALL,
    BATCH,
    BATCH_FORECAST,
    CALLBACK,
    CAMPAIGN,
    CHECKOUT,
    CODE,
    DEFAULT_CAMPAIGN,
    DOMAIN,
    EXPORT,
    FORECAST,
    GRANT,
    IMPORT,
    ISSUE,
    KEYS,
    MERGE,
    ORGANIZATION,
    PASSWORD,
    REPORT,
    SPRING,
    START,
    WEBHOOK,
)

from .catalog_endpoints import BODIES as CATALOG_BODIES
from .catalog_endpoints import INVALID as CATALOG_INVALID
from .conftest import ALERT_ID, BATCH_ID, DEALER_ID, GRANT_ID, ITEM_IDS, ITEM_SLUGS, PROPOSAL_ID, WEBHOOK_ID
from .invalid_input import CAMPAIGN_ACTS, FIELDS, RANGE_ACT, SERIAL_FILE

_WEBHOOK = f"billing/admin/webhooks/{WEBHOOK_ID}"
WEBHOOKS = [
    Endpoint(method="GET", path="billing/admin/webhooks", roles=READS_WEBHOOKS, is_list=True),
    Endpoint(method="POST", path="billing/admin/webhooks", roles=ADMINISTERS, body=WEBHOOK, status=201),
    Endpoint(method="GET", path=_WEBHOOK, roles=READS_WEBHOOKS),
    Endpoint(method="PUT", path=_WEBHOOK, roles=ADMINISTERS, body=WEBHOOK, status=409),
    *(
        Endpoint(method="POST", path=f"{_WEBHOOK}/{act}", roles=ADMINISTERS, body={"reason": "spring"}, status=status)
        for act, status in (
            ("pause", 409),
            ("resume", 409),
            ("retire", 200),
            ("rotate-secret", 409),
            ("test", 409),
        )
    ),
    Endpoint(
        method="POST",
        path=f"{_WEBHOOK}/resend-failed",
        roles=ADMINISTERS,
        body={"reason": "spring", "delivery_id": "{tenant}"},
        status=409,
    ),
    Endpoint(method="GET", path=f"{_WEBHOOK}/deliveries", roles=READS_WEBHOOKS, is_list=True),
]

ENDPOINTS = [
    Endpoint(method="POST", path="billing/vouchers/issue", roles=ISSUES, body=ISSUE),
    Endpoint(method="POST", path="billing/vouchers/forecast", roles=ISSUES, body=FORECAST),
    Endpoint(method="POST", path="billing/admin/promos", roles=ISSUES, body=ISSUE),
    Endpoint(method="GET", path="billing/vouchers/list", roles=READS_VOUCHERS, is_list=True),
    Endpoint(method="GET", path="billing/admin/promos", roles=READS_VOUCHERS, is_list=True),
    Endpoint(method="DELETE", path="billing/vouchers/revoke/{code}", roles=ISSUES),
    Endpoint(method="DELETE", path="billing/admin/promos/{code}", roles=ISSUES),
    Endpoint(method="GET", path="billing/vouchers/figures/{code}", roles=READS_VOUCHERS),
    Endpoint(method="POST", path="billing/vouchers/redeem-preview", roles=PUBLIC, body={"code": "{code}"}),
    Endpoint(method="POST", path="billing/vouchers/redeem", roles=IDENTIFIED, body={"code": "{code}"}),
    Endpoint(method="GET", path="billing/alerts", roles=READS_ALERTS, is_list=True),
    Endpoint(
        method="POST",
        path=f"billing/alerts/{ALERT_ID}/close",
        roles=ISSUES,
        body={"reason": "spring"},
    ),
    Endpoint(method="GET", path="billing/attempts", roles=READS_ATTEMPTS, is_list=True),
    Endpoint(method="GET", path="billing/campaigns", roles=READS_VOUCHERS, is_list=True),
    Endpoint(method="POST", path="billing/campaigns", roles=ISSUES, body=CAMPAIGN, status=201),
    Endpoint(method="GET", path=f"billing/campaigns/{DEFAULT_CAMPAIGN}", roles=READS_VOUCHERS),
    Endpoint(method="GET", path=f"billing/campaigns/{DEFAULT_CAMPAIGN}/figures", roles=READS_VOUCHERS),
    Endpoint(
        method="PUT",
        path=f"billing/campaigns/{DEFAULT_CAMPAIGN}",
        roles=ISSUES,
        body=CAMPAIGN,
        status=409,
        requires_nothing=True,
    ),
    *(
        Endpoint(
            method="POST",
            path=f"billing/campaigns/{DEFAULT_CAMPAIGN}/{act}",
            roles=ISSUES,
            body=body,
            status=409,
        )
        for act, body in (
            ("propose", SPRING),
            ("approve", SPRING),
            ("activate", SPRING),
            ("pause", SPRING),
            ("end", SPRING),
            ("budget", {**SPRING, "budget_omr": 500}),
            ("end-date", {**SPRING, "ends_at": "2099-01-01T00:00:00Z"}),
            ("forecast", {"credit_omr": 10, "max_redemptions": 5, "days": 30}),
        )
    ),
    *WEBHOOKS,
    Endpoint(method="GET", path="billing/batches", roles=READS_VOUCHERS, is_list=True),
    Endpoint(method="POST", path="billing/batches", roles=ISSUES, body=BATCH, status=201),
    Endpoint(method="POST", path="billing/batches/forecast", roles=ISSUES, body=BATCH_FORECAST),
    Endpoint(method="GET", path=f"billing/batches/{BATCH_ID}", roles=READS_VOUCHERS),
    Endpoint(method="GET", path=f"billing/batches/{BATCH_ID}/figures", roles=READS_VOUCHERS),
    *(
        # It is void.
        Endpoint(
            method="POST",
            path=f"billing/batches/{BATCH_ID}/{act}",
            roles=ISSUES,
            body={"reason": "spring"},
            status=200 if act == "void" else 409,
        )
        for act in ("propose", "approve", "generate", "release", "activate", "lock", "close", "void")
    ),
    Endpoint(
        method="POST",
        path=f"billing/batches/{BATCH_ID}/export",
        roles=ISSUES,
        body={"reason": "to the printer"},
        status=409,
    ),
    Endpoint(method="GET", path=f"billing/batches/{BATCH_ID}/printer-file", roles=ISSUES, status=409),
    Endpoint(
        method="POST",
        path=f"billing/batches/{BATCH_ID}/printer-file",
        roles=ISSUES,
        body={"reason": "to the printer"},
        status=409,
    ),
    Endpoint(method="GET", path=f"billing/batches/{BATCH_ID}/cards", roles=READS_VOUCHERS, is_list=True),
    Endpoint(method="GET", path=f"billing/batches/{BATCH_ID}/ranges", roles=READS_VOUCHERS | {DEALER}, is_list=True),
    Endpoint(
        method="POST",
        path=f"billing/batches/{BATCH_ID}/ranges",
        roles=ISSUES | {DEALER},
        body={"act": "activate", "first_serial": 1, "last_serial": 1, "reason": "sold"},
        status=409,
    ),
    Endpoint(
        method="POST",
        path=f"billing/batches/{BATCH_ID}/ranges/csv",
        roles=ISSUES | {DEALER},
        body={"act": "activate", "csv": "1", "dry_run": True, "reason": "sold"},
        status=409,
    ),
    Endpoint(method="POST", path="billing/vouchers/import", roles=ISSUES, body=IMPORT),
    Endpoint(method="GET", path="billing/grants", roles=READS_VOUCHERS, is_list=True),
    Endpoint(method="POST", path="billing/grants", roles=ISSUES, body=GRANT, status=201),
    Endpoint(method="POST", path="billing/grants/check", roles=ISSUES, body=GRANT),
    Endpoint(method="GET", path=f"billing/grants/{GRANT_ID}", roles=READS_VOUCHERS),
    Endpoint(method="GET", path=f"billing/grants/{GRANT_ID}/rows", roles=READS_VOUCHERS, is_list=True),
    *(
        # It was discarded.
        Endpoint(
            method="POST",
            path=f"billing/grants/{GRANT_ID}/{act}",
            roles=ISSUES,
            body={"reason": "spring"},
            status=409,
        )
        for act in ("start", "undo", "discard")
    ),
    Endpoint(method="GET", path="billing/ranges", roles=READS_VOUCHERS | {DEALER}, is_list=True),
    Endpoint(method="GET", path="billing/dealers", roles=READS_VOUCHERS, is_list=True),
    Endpoint(
        method="POST",
        path="billing/dealers",
        roles=ISSUES,
        body={"name": "{slug}", "user_id": "{slug}", "reason": "new"},
        status=201,
    ),
    Endpoint(method="GET", path=f"billing/dealers/{DEALER_ID}", roles=READS_VOUCHERS),
    Endpoint(method="GET", path=f"billing/dealers/{DEALER_ID}/figures", roles=READS_VOUCHERS),
    Endpoint(
        method="PUT",
        path=f"billing/dealers/{DEALER_ID}",
        roles=ISSUES,
        body={"name": "Mall", "user_id": "dealer", "reason": "moved"},
    ),
    Endpoint(method="POST", path="billing/checkout", roles=IDENTIFIED, body=CHECKOUT),
    Endpoint(
        method="POST",
        path="billing/checkout/quote",
        roles=IDENTIFIED,
        body={**CHECKOUT, "addons": ["waf", "backup"]},
    ),
    Endpoint(method="GET", path="billing/balance", roles=IDENTIFIED),
    Endpoint(method="GET", path="billing/balance/entries", roles=IDENTIFIED, is_list=True),
    Endpoint(method="GET", path="billing/balance/sources", roles=IDENTIFIED),
    Endpoint(method="GET", path="billing/subscription", roles=IDENTIFIED),
    Endpoint(method="GET", path="billing/subscription/{tenant}", roles=IDENTIFIED),
    Endpoint(
        method="POST",
        path="billing/subscription/{tenant}/cancel",
        roles=IDENTIFIED,
        body={"at": "period_end"},
    ),
    Endpoint(method="POST", path="billing/subscription/{tenant}/resume", roles=IDENTIFIED),
    Endpoint(method="GET", path="billing/invoices", roles=IDENTIFIED, is_list=True),
    Endpoint(method="GET", path="billing/invoices/{tenant}", roles=IDENTIFIED, is_list=True),
    Endpoint(method="GET", path="billing/documents", roles=IDENTIFIED, is_list=True),
    # There is none with this id.
    Endpoint(method="GET", path="billing/documents/{tenant}", roles=IDENTIFIED, status=404),
    Endpoint(method="GET", path="billing/documents/{tenant}/pdf", roles=IDENTIFIED, status=404),
    Endpoint(method="GET", path="billing/statements/2026-01", roles=IDENTIFIED),
    Endpoint(method="GET", path="billing/statements/2026-01/pdf", roles=IDENTIFIED),
    Endpoint(method="GET", path="billing/admin/documents", roles=READS_LEDGER, is_list=True),
    Endpoint(method="GET", path="billing/admin/revenue", roles=READS_REVENUE),
    # Nobody has these user ids.
    Endpoint(
        method="POST",
        path="billing/admin/customers/merge/preview",
        roles=ADMINISTERS,
        body={name: MERGE[name] for name in ("customer_id", "into_customer_id")},
        status=404,
    ),
    Endpoint(method="POST", path="billing/admin/customers/merge", roles=ADMINISTERS, body=MERGE, status=404),
    Endpoint(method="GET", path="billing/admin/events", roles=READS_EVENTS, is_list=True),
    Endpoint(method="GET", path="billing/admin/orders", roles=READS_ORDERS, is_list=True),
    # Their queries name a user, an order or a code: there is none.
    Endpoint(method="GET", path="billing/admin/explain", roles=READS_LEDGER, status=400),
    Endpoint(method="GET", path="billing/admin/explain/pdf", roles=READS_LEDGER, status=400),
    Endpoint(method="GET", path="billing/admin/past/balance", roles=READS_LEDGER, status=400),
    Endpoint(method="GET", path="billing/admin/past/trial-balance", roles=READS_LEDGER),
    Endpoint(method="GET", path="billing/admin/past/voucher", roles=READS_LEDGER, status=400),
    Endpoint(method="POST", path="billing/admin/ledger/export", roles=READS_LEDGER, status=404, body=EXPORT),
    Endpoint(method="GET", path="billing/admin/months", roles=READS_REVENUE, is_list=True),
    Endpoint(method="GET", path="billing/admin/months/2026-01", roles=READS_REVENUE),
    # It is not over yet.
    Endpoint(
        method="POST",
        path="billing/admin/months/2999-01/close",
        roles=READS_REVENUE - {AUDITOR},
        body={"reason": "month end"},
        status=409,
    ),
    Endpoint(method="GET", path="billing/proposals", roles=READS_PROPOSALS, is_list=True),
    # It was decided before.
    Endpoint(method="GET", path=f"billing/proposals/{PROPOSAL_ID}", roles=READS_PROPOSALS),
    Endpoint(
        method="POST",
        path=f"billing/proposals/{PROPOSAL_ID}/approve",
        roles=DECIDES,
        body={"comment": "seen"},
        status=409,
        requires_nothing=True,
    ),
    Endpoint(
        method="POST",
        path=f"billing/proposals/{PROPOSAL_ID}/reject",
        roles=DECIDES,
        body={"reason": "no"},
        status=409,
    ),
    Endpoint(
        method="POST",
        path=f"billing/proposals/{PROPOSAL_ID}/withdraw",
        roles=WITHDRAWS,
        body={"reason": "no"},
        status=409,
    ),
    Endpoint(method="GET", path="catalog/plans", roles=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/apps", roles=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/addons", roles=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/industries", roles=PUBLIC, is_list=True),
    Endpoint(method="GET", path="catalog/bundles", roles=PUBLIC, is_list=True),
    *(
        Endpoint(method="POST", path=f"catalog/admin/{kind}", roles=ADMINISTERS, body=body, status=201)
        for kind, body in CATALOG_BODIES.items()
    ),
    *(
        Endpoint(
            method="PUT",
            path=f"catalog/admin/{kind}/{ITEM_IDS[kind]}",
            roles=ADMINISTERS,
            body={**body, "slug": ITEM_SLUGS[kind]},
            requires_nothing=True,
        )
        for kind, body in CATALOG_BODIES.items()
    ),
    *(
        Endpoint(method="DELETE", path=f"catalog/admin/{kind}/{identity}", roles=ADMINISTERS)
        for kind, identity in ITEM_IDS.items()
    ),
    Endpoint(method="GET", path="domain/list?tenant_id={tenant}", roles=IDENTIFIED),
    Endpoint(method="GET", path="domain/domains/{tenant}", roles=IDENTIFIED),
    # The organization's own address has its id, and stays.
    Endpoint(method="DELETE", path="domain/domains/{tenant}", roles=IDENTIFIED, status=409),
    Endpoint(method="POST", path="domain/byod", roles=IDENTIFIED, body=DOMAIN, status=201),
    Endpoint(method="POST", path="domain/verify/{tenant}", roles=IDENTIFIED),
    Endpoint(method="GET", path="domain/check/{slug}/sovereign.example", roles=PUBLIC),
    Endpoint(method="GET", path="tenant/check-slug/{slug}", roles=PUBLIC),
    Endpoint(method="POST", path="tenant/orgs", roles=IDENTIFIED, body=ORGANIZATION, status=201),
    Endpoint(method="GET", path="tenant/orgs", roles=IDENTIFIED, is_list=True),
    Endpoint(method="GET", path="tenant/orgs/{tenant}", roles=IDENTIFIED),
    Endpoint(
        method="PUT",
        path="tenant/orgs/{tenant}",
        roles=IDENTIFIED,
        body={"name": "Other", "vat_number": "OM1100000000"},
        requires_nothing=True,
    ),
    Endpoint(method="GET", path="tenant/orgs/{tenant}/members", roles=IDENTIFIED),
    Endpoint(
        method="POST",
        path="tenant/orgs/{tenant}/members",
        roles=IDENTIFIED,
        body={"email": "new@example.org", "role": "viewer"},
        status=201,
    ),
    # No member has a code as user id.
    Endpoint(method="DELETE", path="tenant/orgs/{tenant}/members/{code}", roles=IDENTIFIED, status=404),
    Endpoint(method="GET", path="tenant/admin/tenants", roles=ADMINISTERS),
    Endpoint(
        method="PUT",
        path="tenant/admin/tenants/{tenant}/status",
        roles=ADMINISTERS,
        body={"status": "active", "reason": "moved in"},
    ),
    Endpoint(method="DELETE", path="tenant/admin/tenants/{tenant}", roles=ADMINISTERS),
    Endpoint(method="DELETE", path="tenant/orgs/{tenant}", roles=IDENTIFIED),
    Endpoint(method="POST", path="tenant/orgs/{tenant}/apps", roles=IDENTIFIED, body=APP_TO_INSTALL, status=404),
    Endpoint(method="GET", path="tenant/orgs/{tenant}/apps/wordpress/uninstall-preview", roles=IDENTIFIED),
    Endpoint(method="DELETE", path="tenant/orgs/{tenant}/apps/mariadb-of-old", roles=IDENTIFIED, status=404),
    Endpoint(method="GET", path="tenant/orgs/{tenant}/backing-services", roles=IDENTIFIED),
    Endpoint(method="GET", path="tenant/admin/tenants/{tenant}/backing-services", roles=frozenset({SUPERADMIN})),
    # The organization is in the query.
    Endpoint(method="GET", path="provisioning/jobs", roles=IDENTIFIED, status=400),
    Endpoint(method="POST", path="provisioning/report", roles=frozenset({SUPERADMIN}), body=REPORT, status=404),
    # The id of an organization is no order's.
    Endpoint(method="POST", path="provisioning/start", roles=IDENTIFIED, body=START, status=404, success=201),
    Endpoint(method="GET", path="provisioning/tenant/{tenant}", roles=IDENTIFIED),
    Endpoint(method="GET", path="provisioning/status/{tenant}", roles=IDENTIFIED, status=404),
    Endpoint(method="POST", path="auth/magic-link", roles=PUBLIC, body={"email": "{slug}@example.org"}),
    Endpoint(method="POST", path="auth/verify", roles=PUBLIC, body=CODE, status=401),
    Endpoint(method="POST", path="auth/login", roles=PUBLIC, body=PASSWORD, status=401),
    Endpoint(method="GET", path="auth/google", roles=PUBLIC, status=404),
    Endpoint(method="POST", path="auth/google/callback", roles=PUBLIC, body=CALLBACK, status=404),
    Endpoint(method="GET", path="auth/me", roles=IDENTIFIED),
    Endpoint(method="POST", path="auth/refresh", roles=PUBLIC, body={"refresh_token": "{code}"}, status=401),
    Endpoint(method="POST", path="auth/logout", roles=PUBLIC, body={"refresh_token": "{code}"}),
    Endpoint(method="POST", path="auth/logout-all", roles=IDENTIFIED),
    Endpoint(method="GET", path="auth/sessions", roles=IDENTIFIED),
    Endpoint(method="DELETE", path="auth/sessions/{tenant}", roles=IDENTIFIED, status=404),
    Endpoint(method="GET", path="billing/mails", roles=IDENTIFIED),
    Endpoint(
        method="PUT",
        path="billing/mails",
        roles=IDENTIFIED,
        body={"credit_expires": False, "renewal_ahead": True, "credit_runs_out": True},
        requires_nothing=True,
    ),
    Endpoint(method="GET", path="billing/personal-data", roles=IDENTIFIED),
    # A token's user does not sign in here.
    Endpoint(
        method="POST",
        path="billing/personal-data/erase",
        roles=IDENTIFIED,
        body={"code": "123456", "otp": "123456", "lose_credit": True},
        status=409,
    ),
    Endpoint(method="GET", path="schema", roles=PUBLIC),
    Endpoint(method="GET", path="docs", roles=PUBLIC),
    Endpoint(method="POST", path="billing/portal/{tenant}", roles=IDENTIFIED, status=503),
    Endpoint(method="POST", path="billing/webhook", roles=PUBLIC, status=503),
    Endpoint(method="GET", path="billing/admin/settings", roles=frozenset({SUPERADMIN})),
    # Last, because it configures a card processor.
    Endpoint(
        method="PUT", path="billing/admin/settings", roles=frozenset({SUPERADMIN}), body=KEYS, requires_nothing=True
    ),
]
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]
LISTS = [endpoint for endpoint in ENDPOINTS if endpoint.is_list]


def invalid_fields(endpoint: Endpoint) -> Mapping[str, Sequence[Any]]:
    """Return the invalid values of each field of the endpoint's body."""
    if endpoint.path.startswith("billing/campaigns/"):
        act = endpoint.path.split("/")[3:]
        return CAMPAIGN_ACTS[act[0]] if act else FIELDS["billing/campaigns"]
    if endpoint.path.startswith("catalog/admin/"):
        return CATALOG_INVALID[endpoint.path.split("/")[2]]
    if endpoint.path.startswith(f"billing/batches/{BATCH_ID}/"):
        part = endpoint.path.rpartition("/")[2]
        return {"ranges": RANGE_ACT, "csv": SERIAL_FILE}.get(part, CAMPAIGN_ACTS["approve"])
    if endpoint.path.startswith(f"{_WEBHOOK}/"):
        resends = endpoint.path.endswith("resend-failed")
        return {**CAMPAIGN_ACTS["approve"], **({"delivery_id": INVALID_ID} if resends else {})}
    if endpoint.path.startswith((f"billing/grants/{GRANT_ID}/", f"billing/alerts/{ALERT_ID}/")):
        return CAMPAIGN_ACTS["approve"]
    path = endpoint.path.replace(str(PROPOSAL_ID), "{proposal}").replace(str(DEALER_ID), "{dealer}")
    path = path.replace(str(WEBHOOK_ID), "{webhook}")
    return FIELDS[path]
