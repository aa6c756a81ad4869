"""Invalid bodies, fields and parts of paths, which no endpoint may accept."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.contract.invalid_values import (
    INVALID_CODE,
    INVALID_EMAIL,
    INVALID_ID,
    INVALID_MEMBER_ROLE,
    INVALID_NAME,
    INVALID_REFERENCE,
    INVALID_REFERENCES,
    INVALID_SLUG,
    INVALID_STATUS,
    INVALID_STRIPE_KEY,
    INVALID_TIME,
    INVALID_VAT_NUMBER,
    NESTED,
    NOT_BOOLEAN,
    NOT_SCALAR,
    NOT_TEXT,
    SUSPICIOUS_TEXTS,
)

_ISSUE: dict[str, Sequence[Any]] = {
    "code": INVALID_CODE,
    "credit_omr": (None, 0, -1, 0.0001, 1e13, "5", "NaN", True, *NOT_SCALAR),
    "description": ("x" * 501, "x" * 100_000, *NOT_TEXT),
    "active": NOT_BOOLEAN,
    "max_redemptions": (None, -1, 1.5, 10**12 + 1, 10**40, -(10**40), "3", "", True, *NOT_SCALAR),
    "hot": NOT_BOOLEAN,
    "starts_at": INVALID_TIME,
    "expires_at": INVALID_TIME,
    "credit_days": (0, -1, 1.5, 3_651, 10**40, "3", "", True, *NOT_SCALAR),
    "credit_expires_at": INVALID_TIME,
    "campaign_id": (*INVALID_ID, "01890000-0000-7000-8000-000000000000"),
    "reason": (None, "x" * 501, *NOT_TEXT),
}
_BUDGET = (None, -1, 0.0001, 1e13, "5", "NaN", True, *NOT_SCALAR)
_CAMPAIGN: dict[str, Sequence[Any]] = {
    "name": (None, "", "   ", "x" * 101, "x" * 100_000, *NOT_TEXT),
    "purpose": (None, "x" * 501, "x" * 100_000, *NOT_TEXT),
    "owner_email": [each for each in INVALID_EMAIL if each not in ("", "  ")],
    "credit_class": (None, "", "free", "Sold", *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "vat_treatment": (None, "", "exempt", "single-purpose", *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "budget_omr": _BUDGET,
    "hot": NOT_BOOLEAN,
    "starts_at": INVALID_TIME,
    "ends_at": INVALID_TIME,
    "credit_days": (0, -1, 1.5, 3_651, 10**40, "3", "", True, *NOT_SCALAR),
    "credit_expires_at": INVALID_TIME,
    "reason": (None, "x" * 501, *NOT_TEXT),
}
_REASON: dict[str, Sequence[Any]] = {"reason": (None, "", "  ", "x" * 501, "x" * 100_000, *NOT_TEXT)}
# Act on a campaign → field of its body → invalid values.
CAMPAIGN_ACTS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    **dict.fromkeys(("propose", "approve", "activate", "pause", "end"), _REASON),
    "budget": {**_REASON, "budget_omr": _BUDGET},
    "end-date": {**_REASON, "ends_at": INVALID_TIME},
    "forecast": {
        "credit_omr": (None, 0, -1, "", "x", True, *NOT_SCALAR),
        "max_redemptions": (None, -1, 1.5, 10**40, "3", True, *NOT_SCALAR),
        "days": (0, -1, 367, 1.5, "3", True, *NOT_SCALAR),
    },
}
_SERIAL = (None, 0, -1, 1.5, 10**40, "3", "", True, *NOT_SCALAR)
RANGE_ACT: Mapping[str, Sequence[Any]] = {
    **_REASON,
    "act": (None, "", "melt", "Lock", *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "first_serial": _SERIAL,
    "last_serial": _SERIAL,
}
INVALID_CSV = (None, "", "  ", "\n;;\n", "x" * 100_000, '"1', *SUSPICIOUS_TEXTS, *NOT_TEXT)
SERIAL_FILE: Mapping[str, Sequence[Any]] = {
    **_REASON,
    "act": RANGE_ACT["act"],
    "csv": (*INVALID_CSV, "1,2E+05", "1\n1", "99"),
    "dry_run": NOT_BOOLEAN,
}
_BATCH: Mapping[str, Sequence[Any]] = {
    "name": (None, "", "  ", "AB", "x" * 65, "a b c", "x" * 100_000, *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "credit_omr": (None, 0, -1, 0.0001, 1e13, "5", "NaN", True, *NOT_SCALAR),
    "size": (None, 0, -1, 1.5, 1_000_001, "3", True, *NOT_SCALAR),
    "pattern": (None, "", "####", "######", "-##########", "=##########", "#" * 41, *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "alphabet": (None, "", "emoji", *NOT_TEXT),
    "description": (None, "x" * 501, *NOT_TEXT),
    "campaign_id": (*INVALID_ID, "01890000-0000-7000-8000-000000000000"),
    "printer_key": (None, "age1", "x" * 201, *NOT_TEXT),
    "starts_at": INVALID_TIME,
    "expires_at": (*INVALID_TIME, "2010-01-01T00:00:00Z"),
    "credit_days": _ISSUE["credit_days"],
    "credit_expires_at": INVALID_TIME,
    "reason": (None, "x" * 501, *NOT_TEXT),
}
_GRANT: Mapping[str, Sequence[Any]] = {
    **_REASON,
    "name": (None, "", "  ", "ab", "x" * 81, "Outage", "a b c", *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "csv": (
        *INVALID_CSV[: -len(NOT_TEXT) - len(SUSPICIOUS_TEXTS)],
        *NOT_TEXT,
        "ada,0",
        "ada,-1",
        "ada,1\nada,1",
        "1.2E+5,1",
        "ada,1,250",
    ),
    "credit_omr": (None, 0, -1, 0.0001, 1e13, "5", "NaN", True, *NOT_SCALAR),
    "credit_class": (None, "", "free", "Sold", *SUSPICIOUS_TEXTS, *NOT_TEXT),
    "expires_at": (*INVALID_TIME, "2010-01-01T00:00:00Z"),
}
_DEALER_USER = (None, "x" * 256, "x\u200b", *NOT_TEXT)
_DEALER: Mapping[str, Sequence[Any]] = {
    "name": (None, "", "  ", "x" * 101, "x\ny", "x" * 100_000, *NOT_TEXT),
    "user_id": _DEALER_USER,
    "reason": (None, "x" * 501, *NOT_TEXT),
}
_TOKEN = (None, "", "  ", "x" * 201, "x" * 100_000, *NOT_TEXT)
_ADDRESS = (*_TOKEN, "ada", "ada@", "@example.org", "ada@example.org, bob@example.org", *SUSPICIOUS_TEXTS)
_PAIR = dict.fromkeys(("customer_id", "into_customer_id"), (None, "", "  ", "x" * 256, "x" * 100_000, *NOT_TEXT))
INVALID_DOMAIN = (
    None,
    "",
    "localhost",
    "com",
    "shop",
    "192.0.2.1",
    "2001:db8::1",
    "shop.local",
    "shop.internal",
    "1.0.0.127.in-addr.arpa",
    "sovereign.example",
    "a.b.SOVEREIGN.example",
    "*.example.com",
    "a_b.example.com",
    "-a.example.com",
    "a..example.com",
    "http://example.com",
    "example.com/x",
    "example.com:80",
    "a@example.com",
    "xn--\u0000.com",
    "xn--a.com",
    "x" * 64 + ".com",
    ".".join(["x" * 60] * 5),
    "x" * 100_000,
    *SUSPICIOUS_TEXTS,
    *NOT_TEXT,
)
_BASKET: Mapping[str, Sequence[Any]] = {
    "tenant_id": INVALID_ID,
    "plan_id": (None, "", "  ", *INVALID_REFERENCE, *NOT_TEXT),
    "apps": INVALID_REFERENCES,
    "addons": INVALID_REFERENCES,
    "bundle": ("never", "x" * 65, "x" * 100_000, *SUSPICIOUS_TEXTS, *NOT_TEXT),
}
_WEBHOOK: Mapping[str, Sequence[Any]] = {
    "url": (None, "", "  ", "ftp://example.com/", "http://example.com/", "https://10.0.0.1/", "x" * 501, *NOT_TEXT),
    "description": (None, "x" * 201, "two\nlines", *NOT_TEXT),
    "types": (None, "order.placed", ["order.lost"], [5], [None], {}, ["order.placed"] * 100),
    "reason": (None, "x" * 501, *NOT_TEXT),
}
# Path of the endpoint → field of its body → invalid values.
FIELDS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "billing/vouchers/issue": _ISSUE,
    "billing/admin/promos": _ISSUE,
    "billing/vouchers/forecast": {
        **CAMPAIGN_ACTS["forecast"],
        **{name: _ISSUE[name] for name in ("starts_at", "expires_at", "campaign_id")},
    },
    "billing/batches/forecast": {
        "size": _BATCH["size"],
        **{name: CAMPAIGN_ACTS["forecast"][name] for name in ("credit_omr", "days")},
        **{name: _ISSUE[name] for name in ("starts_at", "expires_at", "campaign_id")},
    },
    "billing/campaigns": _CAMPAIGN,
    "billing/admin/webhooks": _WEBHOOK,
    "billing/admin/webhooks/{webhook}": {**_WEBHOOK, **_REASON},
    "billing/batches": _BATCH,
    "billing/grants": _GRANT,
    "billing/vouchers/import": {
        **_REASON,
        "csv": (*INVALID_CSV, "code,credit\nX-1,5", "code,credit,cap\nX-1,5,", "code,credit,cap\nX-1,0,1"),
        "dry_run": NOT_BOOLEAN,
    },
    "billing/grants/check": _GRANT,
    "billing/dealers": _DEALER,
    "billing/personal-data/erase": {"code": NOT_TEXT, "otp": NOT_TEXT, "lose_credit": NOT_BOOLEAN},
    "billing/mails": dict.fromkeys(("credit_expires", "renewal_ahead", "credit_runs_out"), NOT_BOOLEAN),
    "billing/dealers/{dealer}": {**_DEALER, **_REASON},
    "billing/vouchers/redeem-preview": {"code": (*INVALID_CODE, "NEVER")},
    "billing/vouchers/redeem": {"code": (*INVALID_CODE, "NEVER")},
    "billing/checkout": {
        **_BASKET,
        "promo_code": ("NEVER", "AB", "x" * 201, "x" * 100_000, *SUSPICIOUS_TEXTS, *NOT_TEXT),
    },
    "tenant/orgs/{tenant}/apps": {
        "slug": (None, "", "  ", "nope", "x" * 65, *SUSPICIOUS_TEXTS, *NOT_TEXT),
        "dep_choices": (5, True, "dedicated", [], ["x"], {"mariadb": 5}, {"nope": "dedicated"}, {"mariadb": "nope"}),
    },
    "provisioning/report": {
        "id": (None, "", "  ", "x" * 256, *NOT_TEXT),
        "provision_id": INVALID_ID,
        "status": (None, "", "done", *SUSPICIOUS_TEXTS, *NOT_TEXT),
        "reported_at": INVALID_TIME,
    },
    "provisioning/start": {
        "tenant_id": INVALID_ID,
        "order_id": INVALID_ID,
        "plan_id": (None, "", "  ", "x" * 65, *NOT_TEXT),
        "apps": (5, True, "wordpress", {}, NESTED, [5], [None], [[]], ["x"] * 101),
        "subdomain": ("x" * 256, *NOT_TEXT),
    },
    "auth/magic-link": {"email": _ADDRESS},
    "auth/verify": {"email": _ADDRESS, "code": _TOKEN},
    "auth/login": {"email": _ADDRESS, "password": _TOKEN, "otp": (None, "x" * 21, *NOT_TEXT)},
    "auth/google/callback": {"code": NOT_TEXT, "redirect_uri": NOT_TEXT},
    "auth/refresh": {"refresh_token": (*_TOKEN, "\u00fc")},
    "auth/logout": {"refresh_token": (*_TOKEN, "\u00fc")},
    "billing/subscription/{tenant}/cancel": {"at": (None, "", "  ", "never", "NOW", *NOT_TEXT)},
    # A quote says what is wrong with a code that cannot be redeemed.
    "billing/checkout/quote": {**_BASKET, "promo_code": ("x" * 201, "x" * 100_000, *NOT_TEXT)},
    "billing/admin/settings": dict.fromkeys(
        ("stripe_secret_key", "stripe_webhook_secret", "stripe_public_key"), INVALID_STRIPE_KEY
    ),
    "domain/byod": {"tenant_id": INVALID_ID, "domain": INVALID_DOMAIN},
    "tenant/orgs/{tenant}": {"name": INVALID_NAME, "vat_number": INVALID_VAT_NUMBER},
    "tenant/orgs/{tenant}/members": {"email": INVALID_EMAIL, "role": INVALID_MEMBER_ROLE},
    "billing/proposals/{proposal}/approve": {"comment": (None, "x" * 501, *NOT_TEXT)},
    "billing/proposals/{proposal}/reject": {"reason": (None, "", "  ", "x" * 501, *NOT_TEXT)},
    "billing/proposals/{proposal}/withdraw": {"reason": (None, "", "  ", "x" * 501, *NOT_TEXT)},
    "billing/admin/ledger/export": {
        "since": (None, *INVALID_TIME),
        "until": (None, *INVALID_TIME),
        "kind": (None, "", "gift", "Grant", *SUSPICIOUS_TEXTS, *NOT_TEXT),
        "credit_class": (None, "", "gift", *SUSPICIOUS_TEXTS, *NOT_TEXT),
        "customer": (None, "", "  ", "x" * 256, "x" * 100_000, *NOT_TEXT),
        "campaign": (None, "", "  ", "x" * 101, "x" * 100_000, *NOT_TEXT),
        "at_least_minor": (None, "", "5", -1, 5.5, 10**19, True, *NOT_SCALAR),
        "at_most_minor": (None, "", "5", -1, 5.5, 10**19, True, *NOT_SCALAR),
        "file_format": (None, "", "pdf", "CSV", *SUSPICIOUS_TEXTS, *NOT_TEXT),
        "reason": (None, "", "  ", "x" * 501, *NOT_TEXT),
    },
    "billing/admin/months/2999-01/close": {"reason": (None, "", "  ", "x" * 501, *NOT_TEXT)},
    "billing/admin/customers/merge/preview": _PAIR,
    "billing/admin/customers/merge": {**_PAIR, "reason": (None, "", "  ", "x" * 501, "x" * 100_000, *NOT_TEXT)},
    "tenant/admin/tenants/{tenant}/status": {
        "status": INVALID_STATUS,
        "reason": (None, "x" * 501, "x" * 100_000, *NOT_TEXT),
    },
    "tenant/orgs": {
        "slug": INVALID_SLUG,
        "name": INVALID_NAME,
        "vat_number": INVALID_VAT_NUMBER,
        "plan_id": ("", "  ", *INVALID_REFERENCE, *NOT_TEXT),
        "apps": INVALID_REFERENCES,
        "addons": INVALID_REFERENCES,
    },
}

# Values in place of an id or a code in a path, percent-encoded where necessary.
PATH_PARTS = (
    "nonsense",
    "5",
    "-1",
    "null",
    "%20",
    "%00",
    "a%00b",
    "%2500",
    "%0d%0aSet-Cookie:%20a=b",
    "a%2Fb",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5c",
    "%ED%A0%80",
    "%ff%fe",
    "%F0%9F%98%80",
    "%E2%80%AEevil",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "'%20OR%20'1'='1'%20--",
    "1%3BDROP%20TABLE%20orders_order",
    "{7*7}",
    "%25s%25n%25x",
    "a" * 5_000,
    "%F0%9F%98%80" * 500,
    "00000000-0000-0000-0000-000000000000",
    "%7B01890000-0000-7000-8000-000000000000%7D",
    "01890000-0000-7000-8000-000000000000.json",
)
