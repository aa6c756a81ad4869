"""Other deployments: with another currency no field is in OMR, and a gateway may strip the API's prefix."""

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings

from billing.models import Customer
from tests.database import database_environment
from tests.factories import PromoCodeFactory, give_credit
from tests.snapshot import nothing_changes

from .api_client import Caller, by_token
from .conftest import Checkout, tenant_of
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dollars(settings: Any) -> None:
    settings.SOVEREIGN_CURRENCY = "USD"


def mirrors_in(value: Any, path: str = "") -> list[str]:
    """Return the paths of fields in OMR or baisa."""
    if isinstance(value, list):
        return [found for item in value for found in mirrors_in(item, path)]
    if isinstance(value, dict):
        named = [f"{path}.{name}" for name in value if "omr" in name or "baisa" in name]
        return named + [found for name, item in value.items() for found in mirrors_in(item, f"{path}.{name}")]
    return [f"{path}={value}"] if value == "OMR" else []


def test_in_dollars_no_field_is_in_omr(
    dollars: None, checkout: Checkout, ada: Caller, root: Caller, acme: str
) -> None:
    issued = root.post("billing/vouchers/issue", {"code": "GIFT", "credit_minor": 10_050})
    assert (issued.status, issued.body["credit_minor"], issued.body["currency"]) == (200, 10_050, "USD")
    bought = checkout(promo_code="GIFT")
    assert (bought.body["credit_balance_minor"], bought.body["credit_balance"]) == (1_050, Decimal("10.5"))
    answers = [issued, bought, root.post("billing/vouchers/redeem-preview", {"code": "GIFT"})]
    answers += [ada.get(f"billing/{path}") for path in ("balance", "subscription", "invoices")]
    answers += [
        ada.get("catalog/plans"),
        ada.get("catalog/addons"),
        ada.get("tenant/orgs"),
        root.get("billing/vouchers/list"),
    ]
    answers += [root.get(f"billing/admin/{path}") for path in ("promos", "orders", "events", "revenue")]
    for answer in answers:
        assert answer.status == 200
        assert answer.body
        assert mirrors_in(answer.body) == []
    [order] = root.get("billing/admin/orders").body
    assert (order["amount_minor"], order["currency"]) == (9_000, "USD")
    assert root.get("billing/admin/revenue").body["total_mrr"] == 90
    [plan] = [each for each in ada.get("catalog/plans").body if each["slug"] == "m"]
    assert (plan["price_minor"], plan["currency"]) == (9_000, "USD")


@pytest.mark.parametrize("form", ["credit_omr", "credit_baisa", "credit_usd", "credit"])
def test_in_dollars_amounts_in_omr_are_refused(dollars: None, root: Caller, form: str) -> None:
    with nothing_changes():
        answer = root.post("billing/vouchers/issue", {"code": "GIFT", form: 5})
    assert_refused(answer, 400, "invalid_request", "credit_minor: give one of credit_minor")


# Sends requests in another process, which starts with the environment under test.
CLIENT = """
import json, sys
import django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
answers = []
for method, path, body, headers in json.load(sys.stdin):
    given = json.dumps(body) if body is not None else ""
    answer = client.generic(method, path, given, content_type="application/json", headers=headers)
    kind = answer.headers["Content-Type"].split(";")[0]
    shown = json.loads(answer.content) if kind == "application/json" else answer.content.decode()
    answers.append([answer.status_code, kind, shown, answer.headers.get("Link")])
print(json.dumps(answers))
"""


def send_in_another_process(environment: dict[str, str], *requests: Any) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input=json.dumps(requests),
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "1",
            "ALLOWED_HOSTS": "testserver",
            "LOG_LEVEL": "ERROR",
            "JWT_SECRET": django_settings.JWT_SECRET,
            **database_environment(),
            **environment,
        },
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def test_the_api_works_without_a_prefix(ada: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(), 20_000)
    tenant_of(ada, "second")
    PromoCodeFactory.create(code="GIFT")
    token, staff = dict(ada.headers), dict(by_token("superadmin").headers)
    order = {"tenant_id": acme, "plan_id": "m", "promo_code": "gift"}
    (
        [bought, *_],
        [balance, _, shown, _],
        [_, _, page, link],
        [following, _, rest, last],
        [revoked, *_],
        [schema_status, _, schema, _],
        [docs, docs_kind, docs_page, _],
        [*_, docs_script, _],
        [unknown, unknown_kind, error, _],
        [old, *_],
        [landing, landing_kind, *_],
        [health, *_],
    ) = send_in_another_process(
        {"API_PREFIX": ""},
        ("POST", "/billing/checkout", order, token),
        ("GET", "/billing/balance/", None, token),
        ("GET", "/tenant/orgs?limit=1", None, token),
        ("GET", "/tenant/orgs?limit=1&cursor=CURSOR", None, token),
        ("DELETE", "/billing/vouchers/revoke/GIFT", None, staff),
        ("GET", "/schema", None, {"Accept": "application/json"}),
        ("GET", "/docs", None, {}),
        ("GET", "/docs?script=", None, {}),
        ("GET", "/billing/nowhere", None, {}),
        ("GET", "/api/billing/balance", None, token),
        ("GET", "/", None, {}),
        ("GET", "/healthz", None, {}),
    )
    assert (bought, balance, shown["credit_minor"]) == (200, 200, 21_000)
    assert [each["slug"] for each in page] == ["second"]
    # The stripped prefix is unknown, so the link to the next page is relative.
    assert link.startswith("<?") and link.endswith('>; rel="next"')
    assert (following, rest["code"], last) == (400, "invalid_cursor", None)
    assert revoked == 200
    assert (schema_status, "/billing/checkout" in schema["paths"]) == (200, True)
    # So are the addresses of the page's script and of the schema.
    assert (docs, docs_kind, '"docs?script="' in docs_page) == (200, "text/html", True)
    assert '"schema"' in docs_script
    assert (unknown, unknown_kind, error["code"]) == (404, "application/json", "not_found")
    assert (old, landing, landing_kind, health) == (404, 200, "text/html", 200)


def test_the_api_works_under_a_longer_prefix_and_describes_another_currency(ada: Caller, acme: str) -> None:
    tenant_of(ada, "second")
    token = dict(ada.headers)
    [[status, _, _, link], [schema_status, _, schema, _], [usual, *_]] = send_in_another_process(
        {"API_PREFIX": "/shop/v1/", "SOVEREIGN_CURRENCY": "USD"},
        ("GET", "/shop/v1/tenant/orgs?limit=1", None, token),
        ("GET", "/shop/v1/schema", None, {"Accept": "application/json"}),
        ("GET", "/api/tenant/orgs", None, token),
    )
    assert (status, schema_status, usual) == (200, 200, 404)
    assert link.startswith("<http://testserver/shop/v1/tenant/orgs?")
    assert "/shop/v1/billing/checkout" in schema["paths"]
    assert mirrors_in(schema["components"]) == []
    issue = schema["components"]["schemas"]["IssueRequest"]
    assert "credit_minor" in issue["properties"]
    assert not {"credit_omr", "credit_baisa"} & issue["properties"].keys()
