"""Every endpoint refuses invalid input with a clear error, without a change and never with a 500."""

from typing import Any

import pytest

from tests.contract.endpoint import Endpoint
from tests.contract.invalid_values import BODIES, EMPTY_OBJECTS
from tests.factories import PromoCodeFactory
from tests.snapshot import nothing_changes

from .api_client import JSON, Answer, Caller, by_token
from .conftest import tenant_of
from .endpoints import ENDPOINTS, WITH_BODY, invalid_fields
from .invalid_input import PATH_PARTS
from .json_shapes import assert_error

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def caller(shop: None, settings: Any) -> Caller:
    """A superadmin with an organization, whom only the input can keep from succeeding."""
    settings.PREVIEW_RATE_LIMIT = "100000/min"
    return by_token("superadmin")


@pytest.fixture
def provider(settings: Any) -> None:
    """An identity provider: without one, its addresses are 404 before any input is read."""
    settings.OIDC_ISSUER = "https://sign-in.example.om"


@pytest.fixture
def facts(caller: Caller) -> dict[str, str]:
    PromoCodeFactory.create(code="GIFT", max_redemptions=5)
    tenant = tenant_of(caller, "mine")
    caller.post("billing/checkout", {"tenant_id": tenant, "plan_id": "flexi"})
    return {"tenant": tenant, "code": "GIFT", "slug": "new"}


def assert_clear(answer: Answer, what: object) -> None:
    assert 400 <= answer.status < 500, f"{what!r:.300}: {answer.status} {answer.content[:300]!r}"
    assert_error(answer)


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)
def test_an_invalid_body_is_refused(caller: Caller, facts: dict[str, str], endpoint: Endpoint) -> None:
    with nothing_changes():
        for name, (body, content_type) in BODIES.items():
            if endpoint.requires_nothing and name in EMPTY_OBJECTS:
                continue
            answer = caller.send(endpoint.method, endpoint.path_with(**facts), body, content_type=content_type)
            assert_clear(answer, name)
            assert answer.status in (400, 413, 415), name


def test_an_invalid_event_is_refused(caller: Caller, facts: dict[str, str], settings: Any) -> None:
    settings.INITIAL_STRIPE_WEBHOOK_SECRET = "whsec_only-for-this-test"
    with nothing_changes():
        for name, (body, content_type) in BODIES.items():
            for signature in ("", "t=1,v1=00", "nonsense", f"t={10**30},v1={'0' * 64}", "t=,v1=,t=,=;\xff"):
                answer = caller.send(
                    "POST", "billing/webhook", body, content_type=content_type, Stripe_Signature=signature
                )
                assert_clear(answer, name)
                assert answer.status in (400, 413), name


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("endpoint", [each for each in WITH_BODY if not each.requires_nothing], ids=str)
def test_a_body_with_a_false_length_is_refused(caller: Caller, facts: dict[str, str], endpoint: Endpoint) -> None:
    with nothing_changes():
        for length, status in (("abc", 400), ("-5", 400), ("", 400), ("999999999", 413), ("5", 400)):
            answer = caller.client.generic(
                endpoint.method,
                f"/api/{endpoint.path_with(**facts)}",
                b'{"code": "GIFT"}',
                content_type=JSON,
                headers=dict(caller.headers),
                CONTENT_LENGTH=length,
            )
            assert answer.status_code == status, length


EACH_FIELD = [(endpoint, field) for endpoint in WITH_BODY for field in invalid_fields(endpoint)]


@pytest.mark.parametrize(("endpoint", "field"), EACH_FIELD, ids=str)
def test_an_invalid_field_is_refused(caller: Caller, facts: dict[str, str], endpoint: Endpoint, field: str) -> None:
    body = endpoint.body_with(**facts) or {}
    assert field in body
    with nothing_changes():
        for value in invalid_fields(endpoint)[field]:
            answer = caller.call(endpoint.method, endpoint.path_with(**facts), {**body, field: value})
            assert_clear(answer, value)
            assert "fields" not in answer.body or any(name.startswith(field) for name in answer.body["fields"]), value
    assert caller.call(endpoint.method, endpoint.path_with(**facts), body).status == endpoint.status


# Nearly every text is a valid name, user id or reason.
NAMES_ONLY = [
    each for each in WITH_BODY if set(each.body or ()) <= {"name", "user_id", "reason"} and each.status < 300
]
# True is a valid choice of each mail.
FLAGS_ONLY = [each for each in WITH_BODY if each.path == "billing/mails"]


@pytest.mark.parametrize("endpoint", [each for each in WITH_BODY if each not in NAMES_ONLY], ids=str)
def test_a_body_of_invalid_fields_is_refused(caller: Caller, facts: dict[str, str], endpoint: Endpoint) -> None:
    fields = invalid_fields(endpoint)
    wrong: tuple[Any, ...] = (5, True, "\U0001f600" * 9, [["x"]], {"x": {}}, "x" * 10_000)
    if endpoint in FLAGS_ONLY:
        wrong = tuple(each for each in wrong if each is not True)
    with nothing_changes():
        for value in wrong:
            answer = caller.call(
                endpoint.method, endpoint.path_with(**facts), {**dict.fromkeys(fields, value), "credit_minor": value}
            )
            assert_clear(answer, value)


def test_every_field_is_in_the_table() -> None:
    for endpoint in WITH_BODY:
        assert endpoint.body and set(endpoint.body) == set(invalid_fields(endpoint))


NAMING = [each for each in ENDPOINTS if "{" in each.path.partition("?")[0]]


@pytest.mark.parametrize("endpoint", NAMING, ids=str)
def test_a_path_to_no_record_is_refused(caller: Caller, facts: dict[str, str], endpoint: Endpoint) -> None:
    with nothing_changes():
        for name in PATH_PARTS:
            answer = caller.call(endpoint.method, endpoint.path.format(tenant=name, code=name, slug=name))
            assert "Set-Cookie" not in answer.headers
            if endpoint.path.startswith(("tenant/check-slug", "domain/check")) and answer.status == 200:
                # These endpoints refuse nothing: an invalid address is unavailable, and `nonsense` is valid.
                assert answer.body["available"] is (name in ("nonsense", "null"))
            elif endpoint.path.startswith("billing/invoices") and answer.status == 200:
                assert answer.body == []
                assert name.startswith("00000000")
            else:
                assert_clear(answer, name)
                assert answer.status == 404, name


QUERIES = (
    "limit[]=1",
    "cursor[$ne]=1",
    "type=%00",
    "type=%ff",
    "type=%ED%A0%80",
    "type='%20OR%20'1'='1",
    "type[]=x&type=y",
    "&&&=&",
    "%",
    "%zz=%zz",
    "format=xml",
    "format=api",
    "lang=%F0%9F%98%80",
    "lang=../../etc/passwd",
    "lang=" + "x" * 5_000,
    "version=nonsense",
    "_method=DELETE",
    "x=" + "y" * 50_000,
    "&" * 2_000,
    "p=1&" * 2_000,
)


READS = [each for each in ENDPOINTS if each.method == "GET"]
QUERIED = [each for each in READS if each.is_list or each.path in ("schema", "docs", "billing/balance")]


@pytest.mark.parametrize("endpoint", QUERIED, ids=str)
def test_an_invalid_query_string_is_refused(caller: Caller, facts: dict[str, str], endpoint: Endpoint) -> None:
    with nothing_changes():
        usual = caller.get(endpoint.path_with(**facts))
        for query in QUERIES if endpoint.path != "schema" else QUERIES[-9:]:
            answer = caller.get(f"{endpoint.path_with(**facts)}?{query}")
            if answer.status != usual.status:
                assert_clear(answer, query)


HEADERS: tuple[dict[str, str], ...] = (
    {"Accept": "image/png"},
    {"Accept": "text/html, */*;q=nonsense"},
    {"Accept": ";;;,,,"},
    {"Accept": "x" * 5_000},
    {"Accept_Language": "\xf0\x9f\x98\x80, xx-yy-zz;q=9"},
    {"X_HTTP_Method_Override": "DELETE"},
    {"X_Forwarded_For": "nonsense, <script>"},
    {"X_Forwarded_Host": "evil.example"},
    {"Cookie": "sessionid=nonsense; csrftoken=%00"},
    {"Cookie": "=;=;;;\xf0\x9f\x98\x80"},
    {"If_Modified_Since": "nonsense"},
    {"Range": "bytes=9-1"},
    {"Content_Encoding": "gzip"},
    {"Referer": "javascript:alert(1)"},
    {"Expect": "nonsense"},
)


ONE_OF_EACH = ("billing/balance", "billing/admin/orders", "catalog/plans", "tenant/orgs/{tenant}", "schema", "docs")


@pytest.mark.parametrize("endpoint", [each for each in READS if each.path in ONE_OF_EACH], ids=str)
def test_invalid_headers_are_refused(caller: Caller, facts: dict[str, str], endpoint: Endpoint) -> None:
    path = endpoint.path_with(**facts)
    usual = caller.get(path).status
    with nothing_changes():
        for headers in HEADERS if endpoint.path != "schema" else HEADERS[:5]:
            answer = caller.get(path, **headers)
            if answer.status != usual:
                # Only the API description exists in several formats.
                assert (endpoint.path, answer.status) in (("schema", 406), ("docs", 406)), headers
                assert_error(answer)
