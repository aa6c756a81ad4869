from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client

from config.parts.environment import Environment


def test_the_front_page_of_customers_names_the_sovereign_and_nothing_of_operators(
    client: Client, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.SOVEREIGN_NAME = "Majan <Telecom>"
    answer = client.get("/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<h1>Majan &lt;Telecom&gt;</h1>" in page
    for address in ("/admin/", "/api/docs", "/readyz"):
        assert f'href="{address}"' not in page
    assert "This is a demo" not in page
    assert client.post("/").status_code == 405


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("/checkout/success", ("Thank you", "You get a receipt by e-mail", "not charged twice")),
        ("/checkout/cancel", ("Nothing was charged", "place the same order again", "stays on your balance")),
    ],
)
def test_a_customer_who_returns_from_stripe_reads_what_happens_next(
    client: Client, settings: Any, path: str, texts: tuple[str, ...]
) -> None:
    settings.SOVEREIGN_NAME = "Majan <Telecom>"
    answer = client.get(path, {"session": "<script>"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Majan &lt;Telecom&gt;" in page and "<script>" not in page
    assert all(text in page for text in ("What happens next", *texts))
    assert client.post(path).status_code == 405


def test_the_landing_page_of_the_demo_shows_its_logins(client: Client, settings: Any) -> None:
    settings.DEMO, settings.DEMO_PASSWORD = True, "a password <3"
    page = client.get("/").content.decode()
    assert "This is a demo" in page
    for address in ("/admin/", "/api/docs", "/readyz"):
        assert f'href="{address}"' in page
    assert "Stripe sandbox" not in page
    assert "a password &lt;3" in page
    for name, role in settings.DEMO_LOGINS.items():
        assert f"<code>{name}</code>" in page and f"<td>{role}</td>" in page
    settings.STRIPE_API_BASE = "http://127.0.0.1:9000"
    assert '<a href="http://127.0.0.1:9000">Stripe sandbox</a>' in client.get("/").content.decode()


def test_the_footer_leads_to_help_and_the_terms(client: Client, settings: Any) -> None:
    assert "Help" not in client.get("/").content.decode()
    settings.LEGAL_LINKS = Environment(
        {"LEGAL_LINKS": "Terms=https://example.om/terms?a=1, Privacy=https://p.om"}
    ).links("LEGAL_LINKS")
    for contact, address in (("help@example.om", "mailto:help@example.om"), ("https://h.om/@us", "https://h.om/@us")):
        settings.SUPPORT_CONTACT = contact
        page = client.get("/").content.decode()
        for link in (f'"{address}">Help', '"https://example.om/terms?a=1">Terms', '"https://p.om">Privacy'):
            assert f"<a href={link}</a>" in page


def test_a_malformed_link_stops_the_start() -> None:
    environment = Environment({"LEGAL_LINKS": "javascript:alert(1)"})
    assert environment.links("LEGAL_LINKS") == []
    with pytest.raises(ImproperlyConfigured, match="LEGAL_LINKS must be comma-separated links"):
        environment.refuse_problems()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/api/docs", "text/html; charset=utf-8"),
        ("/api/schema", "application/vnd.oai.openapi; charset=utf-8"),
        ("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css", 'text/css; charset="utf-8"'),
        ("/static/unfold/css/styles.css", 'text/css; charset="utf-8"'),
    ],
)
def test_the_description_and_its_page_need_no_identity(client: Client, path: str, content_type: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    answer.close()


def test_the_description_is_valid_and_without_warnings(tmp_path: Any) -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(tmp_path / "schema.yaml"))


def test_the_description_names_identities_and_the_shape_of_errors(client: Client) -> None:
    schema = client.get("/api/schema", headers={"Accept": "application/json"}).json()
    schemes = schema["components"]["securitySchemes"]
    assert {name: scheme["type"] for name, scheme in schemes.items()} == {"bearer": "http", "session": "apiKey"}
    error = schema["components"]["schemas"]["Error"]
    assert (sorted(error["properties"]), error["required"]) == (["code", "error", "fields"], ["code", "error"])
    operations = {
        f"{method} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    for operation in operations.values():
        body = operation["responses"]["default"]["content"]["application/json"]["schema"]
        assert body == {"$ref": "#/components/schemas/Error"}
    assert operations["get /api/billing/balance"]["security"] == [{"bearer": []}, {"session": []}]
    assert "security" not in operations["post /api/billing/vouchers/redeem-preview"]
