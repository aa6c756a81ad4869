"""The OpenAPI description and its page are complete, valid and correct."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tests.contract.endpoint import PUBLIC, Endpoint
from tests.contract.request_bodies import DEFAULT_CAMPAIGN

from .api_client import Caller
from .conftest import ALERT_ID, BATCH_ID, DEALER_ID, GRANT_ID, ITEM_IDS, PROPOSAL_ID, WEBHOOK_ID
from .endpoints import ENDPOINTS, LISTS, WITH_BODY, invalid_fields

pytestmark = pytest.mark.django_db

DESCRIBED = [each for each in ENDPOINTS if each.path not in ("schema", "docs")]
_PLACES = {
    "{tenant}": "{tenant_id}",
    "orgs/{tenant_id}": "orgs/{organization_id}",
    "status/{tenant_id}": "status/{provision_id}",
    str(PROPOSAL_ID): "{proposal_id}",
    str(BATCH_ID): "{batch_id}",
    str(WEBHOOK_ID): "{endpoint_id}",
    str(DEALER_ID): "{dealer_id}",
    str(GRANT_ID): "{grant_id}",
    str(ALERT_ID): "{alert_id}",
    "documents/{tenant_id}": "documents/{document_id}",
    "auth/sessions/{tenant_id}": "auth/sessions/{session_id}",
    "domain/domains/{tenant_id}": "domain/domains/{owner_id}",
    "domain/verify/{tenant_id}": "domain/verify/{domain_id}",
    "?tenant_id={tenant_id}": "",
    "domain/check/{slug}/sovereign.example": "domain/check/{subdomain}/{tld}",
    "apps/wordpress": "apps/{slug}",
    "apps/mariadb-of-old": "apps/{slug}",
    "members/{code}": "members/{member}",
    DEFAULT_CAMPAIGN: "{campaign_id}",
    "months/2026-01": "months/{month}",
    "months/2999-01": "months/{month}",
    "statements/2026-01": "statements/{month}",
    **{str(identity): "{item_id}" for identity in ITEM_IDS.values()},
}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    assert not GENERATOR_STATS  # it was made without a warning
    return schema


def operation_of(described: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    path = endpoint.path
    for ours, theirs in _PLACES.items():
        path = path.replace(ours, theirs)
    operation: dict[str, Any] = described["paths"][f"/api/{path}"][endpoint.method.lower()]
    return operation


def test_it_is_valid_openapi(described: dict[str, Any]) -> None:
    validate_schema(described)  # type: ignore[no-untyped-call]
    assert described["openapi"].startswith("3.")


def test_it_describes_every_endpoint_that_is_tested_here_and_no_other(described: dict[str, Any]) -> None:
    theirs = sum(len(operations) for operations in described["paths"].values())
    assert theirs == len(DESCRIBED)
    identifiers = {operation_of(described, endpoint)["operationId"] for endpoint in DESCRIBED}
    assert len(identifiers) == len(DESCRIBED)


@pytest.mark.parametrize("endpoint", DESCRIBED, ids=str)
def test_each_operation_documents_its_answers_and_roles(described: dict[str, Any], endpoint: Endpoint) -> None:
    operation = operation_of(described, endpoint)
    assert operation["summary"]
    success = [status for status in operation["responses"] if status.startswith("2")]
    assert success == [str(endpoint.status if endpoint.status < 300 else endpoint.success)]
    assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
    expected: Any = None if endpoint.roles == PUBLIC else [{"bearer": []}, {"session": []}]
    assert operation.get("security") == expected
    if endpoint.body is not None:
        assert list(operation["requestBody"]["content"]) == ["application/json"]
        assert operation["requestBody"].get("required", False) is not endpoint.requires_nothing


@pytest.mark.parametrize("endpoint", LISTS, ids=str)
def test_each_list_documents_its_pages(described: dict[str, Any], endpoint: Endpoint) -> None:
    operation = operation_of(described, endpoint)
    parameters = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"}
    most = 1000 if endpoint.path in ("billing/vouchers/list", "billing/admin/promos") else 100
    assert parameters["limit"]["minimum"] == 1
    assert parameters["limit"]["maximum"] == most
    assert parameters["cursor"] == {"type": "string"}
    answer = operation["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["type"] == "array"
    assert "next page" in answer["headers"]["Link"]["description"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)
def test_exactly_the_accepted_bodies_are_valid_by_the_description(
    described: dict[str, Any], endpoint: Endpoint
) -> None:
    content = operation_of(described, endpoint)["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.validator_for(
        {**content, "components": described["components"]}, base_uri="urn:described", validate_formats=True
    )
    facts = {"tenant": "01890000-0000-7000-8000-000000000000", "code": "GIFT", "slug": "new"}
    body = endpoint.body_with(**facts) or {}
    assert validator.is_valid(body)
    assert validator.is_valid({**body, "credit_minor": 5_000})
    for field in invalid_fields(endpoint):
        assert not validator.is_valid({**body, field: 5.5}) or field.startswith(("budget", "credit", "price"))
        assert not validator.is_valid({**body, field: {"x": "y"}}) or isinstance(body[field], dict)


def media_of(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON of the request and of the successful answers."""
    answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    contents = [
        part.get("content", {}).get("application/json") for part in (operation.get("requestBody", {}), *answers)
    ]
    return [content for content in contents if content]


@pytest.mark.parametrize("endpoint", DESCRIBED, ids=str)
def test_each_operation_has_valid_examples_of_its_request_and_answer(
    described: dict[str, Any], endpoint: Endpoint
) -> None:
    contents = media_of(operation_of(described, endpoint))
    answers_json = not endpoint.path.endswith(("/export", "/pdf"))  # they answer files
    assert len(contents) == answers_json + (endpoint.body is not None or endpoint.path == "billing/webhook")
    for content in contents:
        validator = jsonschema_rs.validator_for(
            {**content["schema"], "components": described["components"]},
            base_uri="urn:described",
            validate_formats=True,
        )
        examples = [each["value"] for each in content.get("examples", {}).values()] or [content["example"]]
        for example in examples:
            assert [error.message for error in validator.iter_errors(example)] == [], example


def test_the_preview_documents_its_rate_limit(described: dict[str, Any]) -> None:
    responses = described["paths"]["/api/billing/vouchers/redeem-preview"]["post"]["responses"]
    assert set(responses) == {"200", "404", "410", "429", "default"}
    assert responses["429"]["headers"]["Retry-After"]["schema"] == {"type": "integer"}
    assert responses["410"]["content"] == responses["200"]["content"]


def test_the_checkout_documents_its_errors(described: dict[str, Any]) -> None:
    operation = described["paths"]["/api/billing/checkout"]["post"]
    assert set(operation["responses"]) == {"200", "400", "403", "404", "409", "422", "429", "502", "503", "default"}
    assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]


def test_the_top_up_says_how_it_refuses_with_an_example_of_each(described: dict[str, Any]) -> None:
    operation = described["paths"]["/api/billing/vouchers/redeem"]["post"]
    assert set(operation["responses"]) == {"200", "400", "409", "422", "429", "503", "default"}
    assert "Idempotency-Key" in [each["name"] for each in operation["parameters"]]
    examples = {
        status: [each["value"].get("code") for each in answer["content"]["application/json"]["examples"].values()]
        for status, answer in operation["responses"].items()
        if "examples" in answer["content"]["application/json"]
    }
    assert examples == {
        "200": ["WELCOME50"],
        "400": ["promo_not_found", "promo_already_redeemed"],
        "409": ["request_in_progress"],
        "422": ["idempotency_key_reused"],
    }


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_it_exists_in_yaml_and_json(anybody: Caller, described: dict[str, Any], method: str) -> None:
    usual = anybody.call(method, "schema")
    assert (usual.status, usual.headers["Content-Type"]) == (200, "application/vnd.oai.openapi; charset=utf-8")
    wanted = anybody.call(method, "schema", Accept="application/json")
    assert (wanted.status, wanted.headers["Content-Type"]) == (200, "application/json")
    if method == "GET":
        assert wanted.body.keys() == described.keys()
        assert wanted.body["paths"].keys() == described["paths"].keys()


def test_it_names_no_internals(described: dict[str, Any]) -> None:
    text = json.dumps(described)
    for inside in ("times_redeemed_", "request_hash", "held_minor_", "SECRET", "Traceback", "psycopg", "lead:"):
        assert inside not in text


def test_its_page_loads_nothing_from_other_hosts(anybody: Caller) -> None:
    answer = anybody.get("docs")
    page = answer.content.decode()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    script = "/api/docs?script="
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "/api/schema" in anybody.get("docs?script=").content.decode()
    assert script in sources
    for source in set(sources) - {script}:
        assert source.startswith("/static/"), source
        asset = anybody.client.get(source)
        assert asset.status_code == 200
        asset.close()
