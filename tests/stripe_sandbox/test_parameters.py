"""The shape of requests: names, types, metadata, expansion, lists, keys; refused as Stripe refuses them."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import open_session, open_with_credit
from tests.stripe_sandbox.sandbox_process import SECRET_KEY, SandboxProcess


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("emial=a@b.c", "parameter_unknown", "emial"),
        ("email=", "parameter_invalid_empty", "email"),
        ("email=nobody", "email_invalid", "email"),
        ("metadata=x", None, "metadata"),
        ("name[first]=a", None, "name"),
        ("balance=5", "sandbox_unsupported", "balance"),
        ("a[b=c", None, "a[b"),
    ],
)
def test_customer_parameters(sandbox: SandboxProcess, form: str, code: str | None, param: str) -> None:
    answer = sandbox.api("POST", "/v1/customers", form)
    error = answer.json()["error"]
    assert (answer.status, error["type"]) == (400, "invalid_request_error")
    assert (error.get("code"), error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("form", "code", "message"),
    [
        ("duration=once", None, "exactly one"),
        ("duration=twice&percent_off=5", None, "Invalid duration: must be one of forever, once, repeating"),
        ("amount_off=ten&currency=omr", "parameter_invalid_integer", "Invalid integer: ten"),
        ("amount_off=10", "parameter_missing", "currency"),
        ("percent_off=", "parameter_invalid_empty", "You passed an empty string for 'percent_off'"),
    ],
)
def test_coupon_parameters(sandbox: SandboxProcess, form: str, code: str | None, message: str) -> None:
    answer = sandbox.api("POST", "/v1/coupons", form)
    error = answer.json()["error"]
    assert (answer.status, error.get("code")) == (400, code)
    assert message in error["message"]


def test_nested_required_parameter_is_missed(sandbox: SandboxProcess) -> None:
    form = "mode=subscription&success_url=http://a.example/&line_items[0][quantity]=1&line_items[0][price_data][unit_amount]=10"
    error = sandbox.api("POST", "/v1/checkout/sessions", form).json()["error"]
    assert (error["code"], error["param"]) == ("parameter_missing", "line_items[0][price_data][currency]")


def test_metadata_is_merged_unset_and_cleared(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"a": "1", "b": "2", "0": "x", "_own": "y"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2", "c": "3", "0": "x", "_own": "y"}
    cleared = client.v1.customers.update(customer.id, {"metadata": ""})
    assert cleared.metadata is not None
    assert cleared.metadata.to_dict() == {}


@pytest.mark.parametrize("metadata", [{"k" * 41: "v"}, {"k": "v" * 501}, {str(number): "v" for number in range(51)}])
def test_metadata_has_limits(client: stripe.StripeClient, metadata: dict[str, str]) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Metadata"):
        client.v1.customers.create({"metadata": metadata})


def test_expand_puts_objects_in_place_of_ids(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"email": "a@example.org"})
    session = open_session(client, customer=customer.id)
    expanded: Any = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["customer", "line_items.data.price.product"]}
    )
    assert expanded.customer.email == "a@example.org"
    assert [each.price.product.name for each in expanded.line_items.data] == ["Plan M", "Backup"]
    credited: Any = open_with_credit(client, expand=["total_details.breakdown", "line_items.data.discounts"])
    taken = credited.total_details.breakdown.discounts
    assert [(each.amount, each.discount.checkout_session) for each in taken] == [(7_340, credited.id)]
    assert [each.discounts[0].amount for each in credited.line_items.data] == [5_872, 1_468]
    listed: Any = client.v1.checkout.sessions.list({"customer": customer.id, "expand": ["data.customer"]}).data[0]
    assert listed.customer.id == customer.id


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("status", None),
        ("nothing", None),
        ("customer.nothing", None),
        ("subscription.latest_invoice.payments.data.payment", "property_expansion_max_depth"),
    ],
)
def test_expanding_what_is_no_object_is_refused(client: stripe.StripeClient, path: str, code: str | None) -> None:
    customer = client.v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match=r"expand") as refused:
        open_session(client, customer=customer.id, expand=[path])
    assert refused.value.code == code
    assert client.v1.checkout.sessions.list().data == []


def test_lists_are_paged_newest_first(client: stripe.StripeClient) -> None:
    made = [client.v1.customers.create({"name": str(number)}).id for number in range(5)]
    page = client.v1.customers.list({"limit": 2})
    assert ([each.id for each in page.data], page.has_more) == ([made[4], made[3]], True)
    page = client.v1.customers.list({"limit": 3, "starting_after": made[3]})
    assert ([each.id for each in page.data], page.has_more) == ([made[2], made[1], made[0]], False)
    page = client.v1.customers.list({"limit": 1, "ending_before": made[2]})
    assert ([each.id for each in page.data], page.has_more) == ([made[3]], True)
    assert [each.id for each in client.v1.customers.list({"limit": 2}).auto_paging_iter()] == made[::-1]
    with pytest.raises(stripe.InvalidRequestError, match="between 1 and 100"):
        client.v1.customers.list({"limit": 101})


def test_list_by_creation_time(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create({})
    assert len(client.v1.customers.list({"created": {"gte": made.created}}).data) == 1
    assert client.v1.customers.list({"created": {"gt": made.created + 60}}).data == []


def test_legacy_interface_of_the_library_works_too(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "api_base", sandbox.url)
    monkeypatch.setattr(stripe, "api_key", SECRET_KEY)
    # In this process the mirror has replaced the library's default client with one that makes no calls.
    monkeypatch.setattr(stripe, "default_http_client", None)
    customer = stripe.Customer.create(email="a@example.org", idempotency_key="one")
    assert stripe.Customer.retrieve(customer.id).email == "a@example.org"
    assert stripe.Customer.modify(customer.id, name="Ada").name == "Ada"
    assert stripe.Account.retrieve().id.startswith("acct_")


# --- Keys and routes --------------------------------------------------------------------------------------
def test_unknown_key_is_401_and_never_logged_whole(sandbox: SandboxProcess) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided") as refused:
        sandbox.client("sk_test_51SomebodyElse000000000").v1.customers.list()
    assert "Somebody" not in str(refused.value)
    logged = sandbox.requests()[-1]
    assert (logged["status"], logged["secret_key_last4"]) == (401, None)
    answer = sandbox.request("GET", "/v1/customers")
    assert (answer.status, "You did not provide an API key" in answer.text) == (401, True)


def test_key_may_come_as_basic_authentication(sandbox: SandboxProcess) -> None:
    credentials = base64.b64encode(f"{SECRET_KEY}:".encode()).decode()
    assert sandbox.api("GET", "/v1/customers", Authorization=f"Basic {credentials}").status == 200


def test_keys_are_accepted_and_refused_at_once(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.control("POST", "keys", {"secret_key": "sk_test_51TheNewOne000000000000one"})
    customer = client.v1.customers.create({})
    assert sandbox.client("sk_test_51TheNewOne000000000000one").v1.customers.retrieve(customer.id).id == customer.id
    sandbox.control("DELETE", "keys", {"secret_key": SECRET_KEY})
    with pytest.raises(stripe.AuthenticationError):
        client.v1.customers.list()
    assert sandbox.requests()[-2]["secret_key_last4"] == "0one"


def test_live_key_is_not_accepted(sandbox: SandboxProcess) -> None:
    answer = sandbox.request("POST", "/_sandbox/keys", '{"secret_key": "sk_live_1234567890"}')
    assert answer.status == 400


def test_missing_object_is_404_in_a_path_and_400_in_a_parameter(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription: 'sub_x'") as refused:
        client.v1.subscriptions.retrieve("sub_x")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.billing_portal.sessions.create({"customer": "cus_x"})
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (
        400,
        "resource_missing",
        "customer",
    )


def test_unknown_route_and_version_are_refused(sandbox: SandboxProcess) -> None:
    assert sandbox.api("GET", "/v1/nothing").status == 404
    assert sandbox.api("GET", "/v1/customers", Stripe_Version="yesterday").status == 400
    answer = sandbox.api("GET", "/v1/customers", Stripe_Version="2022-11-15")
    assert (answer.status, answer.headers["Stripe-Version"]) == (200, "2022-11-15")
    assert answer.headers["Request-Id"].startswith("req_")


def test_the_request_log_shows_each_request(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    before = sandbox.requests()[-1:]
    open_session(client, "key-1")
    logged = sandbox.requests(after=before[0]["number"] if before else 0, method="POST", path="/v1/checkout/*")
    assert len(logged) == 1
    assert (logged[0]["status"], logged[0]["idempotency_key"]) == (200, "key-1")
    items = logged[0]["parameters"]["line_items"]
    assert [each["price_data"]["unit_amount"] for each in items] == ["12000", "3000"]
    assert SECRET_KEY not in quote(str(logged))


def test_body_that_is_too_large_is_refused(sandbox: SandboxProcess) -> None:
    assert sandbox.api("POST", "/v1/customers", f"name={'x' * 5_001}").status == 400
    assert sandbox.api("POST", "/v1/customers", Content_Length="9999999999").status == 400
