"""TM Forum's TMF654 v4 for an operator's systems: top-ups with vouchers, and balances to read."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from django.conf import LazySettings
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from billing.actor import TOPUP_CHANNEL
from billing.models import Customer, LedgerEntry
from promos.models import Redemption, RefusedAttempt
from promos.use_cases.code_guessing import forget_blocked
from promos.use_cases.redeem_code import release
from tests.factories import CustomerFactory, PromoCodeFactory, actor, give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, anonymous_caller, by_token
from .tmf654_definitions import ACCUMULATED_BALANCE, BUCKET, ERROR, TOPUP_BALANCE, topup_balance_create

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.contract.tmf654_urls")]

ROOT = "tmf-api/prepayBalanceManagement/v4/"


@pytest.fixture
def ivr() -> Caller:
    return by_token(TOPUP_CHANNEL, "ivr")


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada", email="ada@example.org")


@pytest.fixture
def no_limits_yet() -> Iterator[None]:
    forget_blocked()
    yield
    forget_blocked()


def send(caller: Caller, voucher: str = "GIFT", customer: str = "ada", key: str = "", **changed: Any) -> Answer:
    body = {name: value for name, value in {**topup_balance_create(voucher, customer), **changed}.items() if value}
    return caller.post(f"{ROOT}topupBalance", body, **({"Idempotency_Key": key} if key else {}))


def assert_defined(answer: Answer, definition: dict[str, Any], *, status: int = 200) -> None:
    assert answer.status == status, answer.body
    plain = jsonschema_rs.validator_for(definition, validate_formats=True)
    for each in answer.body if isinstance(answer.body, list) else [answer.body]:
        plain.validate(each)


def assert_error(answer: Answer, status: int, code: str) -> None:
    assert_defined(answer, ERROR, status=status)
    assert (answer.body["code"], answer.body["status"], answer.body["@type"]) == (code, str(status), "Error")


def test_a_voucher_of_the_specifications_request_is_accepted(ivr: Caller, ada: Customer) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=12_250, credit_days=30)
    answer = send(ivr, " gift ")
    assert_defined(answer, TOPUP_BALANCE, status=201)
    redemption = Redemption.objects.get()
    href = f"http://testserver/api/{ROOT}topupBalance/{redemption.id}"
    assert answer.body == {
        "id": str(redemption.id),
        "href": href,
        "status": "completed",
        "requestedDate": answer.body["requestedDate"],
        "confirmationDate": answer.body["requestedDate"],
        "voucher": "GIFT",
        "usageType": "monetary",
        "amount": {"amount": answer.body["amount"]["amount"], "units": "OMR"},
        "validFor": {
            "startDateTime": answer.body["requestedDate"],
            "endDateTime": answer.body["validFor"]["endDateTime"],
        },
        "bucket": {"id": "ada", "href": f"http://testserver/api/{ROOT}bucket/ada"},
        "partyAccount": {"id": "ada"},
        "relatedParty": [{"id": "ada", "role": "customer", "@referredType": "Customer"}],
        "channel": {"id": "ivr-1", "name": "Hotline of the shop"},
        "requestor": {"id": "ivr", "role": "topup-channel", "@referredType": "Party"},
        "@type": "TopupBalance",
    }
    assert str(answer.body["amount"]["amount"]) == "12.25"
    assert answer.headers["Location"] == href
    assert ivr.get(href.removeprefix("http://testserver")).body == answer.body
    entry = LedgerEntry.objects.get()
    assert (entry.account_id, entry.amount_minor, entry.note) == (ada.id, 12_250, "channel ivr-1 Hotline of the shop")
    assert (entry.actor_id, entry.actor_role, entry.channel) == ("ivr", "topup-channel", "api")
    assert by_token("customer", "ada").get("billing/balance").body["credit_minor"] == 12_250


def test_the_same_request_under_a_key_redeems_once(ivr: Caller, ada: Customer) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=5_000)
    PromoCodeFactory.create(code="MORE", credit_minor=5_000)
    first, second = send(ivr, key="try-1"), send(ivr, key="try-1", amount={"amount": 5, "units": "OMR"})
    assert (first.status, second.status, second.body) == (201, 201, first.body)
    assert_error(send(ivr, "MORE", key="try-1"), 422, "idempotency_key_reused")
    assert_error(send(ivr, key="try-2"), 400, "promo_already_redeemed")
    assert Redemption.objects.count() == LedgerEntry.objects.count() == 1


def test_a_rejection_has_a_reason_changes_nothing_and_is_recorded(ivr: Caller, ada: Customer) -> None:
    PromoCodeFactory.create(code="OLD", expires_at=timezone.now() - timedelta(days=1))
    with nothing_changes():
        assert_error(send(ivr, "UNKNOWN"), 400, "promo_not_found")
        refused = send(ivr, "OLD")
    assert_error(refused, 400, "promo_expired")
    assert refused.body["reason"] == "invalid promo code: expired"
    attempts = RefusedAttempt.objects.order_by("created_at").values_list("rule", "user_id", "act")
    assert list(attempts) == [("promo_not_found", "ada", "redemption"), ("promo_expired", "ada", "redemption")]


def test_refused_codes_of_one_customer_are_limited_and_others_go_on(
    ivr: Caller, ada: Customer, settings: LazySettings, no_limits_yet: None
) -> None:
    settings.REFUSED_CODE_RATE_LIMIT = "2/min"
    CustomerFactory.create(user_id="bob")
    PromoCodeFactory.create(code="GIFT")
    for expected in (400, 400, 429):
        answer = send(ivr, "UNKNOWN")
        assert answer.status == expected
    assert_error(answer, 429, "throttled")
    assert int(answer.headers["Retry-After"]) > 0
    assert send(ivr).status == 429
    assert send(ivr, customer="bob").status == 201


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"voucher": ""}, "voucher"),
        ({"partyAccount": {"id": "bob"}}, "partyAccount.id"),
        ({"partyAccount": None, "bucket": None, "logicalResource": None}, "partyAccount.id"),
        ({"partyAccount": {"id": "nobody"}, "bucket": None}, "there is no such customer"),
        ({"amount": {"amount": 1, "units": "EUR"}}, "amount.units"),
        ({"amount": {"amount": "1", "units": "OMR"}}, "amount.amount"),
        ({"usageType": "data"}, "usageType"),
        ({"isAutoTopup": True}, "isAutoTopup"),
        ({"channel": {"id": "two words"}}, "channel.id"),
    ],
)
def test_bad_input_names_the_field(ivr: Caller, ada: Customer, changed: dict[str, Any], named: str) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=5_000)
    with nothing_changes():
        answer = send(ivr, **changed)
    assert_error(answer, 400, "invalid_request")
    assert named in answer.body["message"]


def test_the_amount_is_none_or_the_vouchers_credit(ivr: Caller, ada: Customer) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=5_000)
    with nothing_changes():
        assert_error(send(ivr, amount={"amount": 6, "units": "OMR"}), 400, "wrong_amount")
    assert send(ivr, amount={"amount": 5, "units": "OMR"}).status == 201


@pytest.mark.parametrize(
    "named",
    [
        {"bucket": {"id": "ada"}},
        {"relatedParty": [{"id": "shop-1", "role": "seller"}, {"id": "ada", "role": "Customer"}]},
        {"logicalResource": [{"id": "ada"}]},
    ],
)
def test_any_reference_can_name_the_customer(ivr: Caller, ada: Customer, named: dict[str, Any]) -> None:
    PromoCodeFactory.create(code="GIFT")
    answer = ivr.post(f"{ROOT}topupBalance", {"voucher": "GIFT", **named})
    assert_defined(answer, TOPUP_BALANCE, status=201)
    assert answer.body["channel"] == {"id": "api"}


def test_the_list_has_the_customers_own_top_ups_newest_first(ivr: Caller, ada: Customer) -> None:
    CustomerFactory.create(user_id="bob")
    for code in ("ONE", "TWO", "THREE"):
        PromoCodeFactory.create(code=code)
        assert send(ivr, code).status == 201
    send(ivr, "ONE", customer="bob")
    two = Redemption.objects.get(promo_code__code="TWO")
    release(redemption=two, reason="sent to the wrong number", by=actor())
    answer = ivr.get(f"{ROOT}topupBalance?partyAccount.id=ada&offset=1&limit=1")
    assert_defined(answer, TOPUP_BALANCE)
    assert [(each["voucher"], each["status"], each["reason"]) for each in answer.body] == [
        ("TWO", "cancelled", "sent to the wrong number")
    ]
    assert (answer.headers["X-Total-Count"], answer.headers["X-Result-Count"]) == ("3", "1")
    chosen = ivr.get(f"{ROOT}topupBalance?relatedParty.id=ada&fields=voucher,status,color")
    assert [sorted(each) for each in chosen.body] == [["href", "id", "status", "voucher"]] * 3
    assert ivr.get(f"{ROOT}topupBalance?bucket.id=nobody").body == []


def test_the_balance_is_a_bucket_and_a_total(ivr: Caller, ada: Customer) -> None:
    give_credit(ada, 12_500)
    for bucket in (ivr.get(f"{ROOT}bucket/ada"), ivr.get(f"{ROOT}bucket?partyAccount.id=ada")):
        assert_defined(bucket, BUCKET)
    [listed] = bucket.body
    assert (listed["remainingValueName"], listed["reservedValue"]["amount"]) == ("12.500 OMR", 0)
    total = ivr.get(f"{ROOT}accumulatedBalance?bucket.id=ada")
    assert_defined(total, ACCUMULATED_BALANCE)
    assert total.headers["X-Total-Count"] == "1"
    assert str(total.body[0]["totalBalance"]) == "{'amount': Decimal('12.5'), 'units': 'OMR'}"
    assert ivr.get(f"{ROOT}accumulatedBalance/ada?fields=name").body == {
        "id": "ada",
        "href": f"http://testserver/api/{ROOT}accumulatedBalance/ada",
        "name": "Credit",
    }


def test_a_bucket_ends_with_its_last_credit_that_expires(ivr: Caller, ada: Customer) -> None:
    PromoCodeFactory.create(code="GIFT", credit_days=30)
    until = send(ivr).body["validFor"]["endDateTime"]
    assert ivr.get(f"{ROOT}bucket/ada").body["validFor"] == {"endDateTime": until}
    give_credit(ada, 1_000)
    assert "validFor" not in ivr.get(f"{ROOT}bucket/ada").body


@pytest.mark.parametrize(
    "path", ["bucket", "accumulatedBalance", "topupBalance", "bucket?partyAccount.id=ada&limit=0"]
)
def test_a_list_names_its_customer_and_a_valid_window(ivr: Caller, ada: Customer, path: str) -> None:
    assert_error(ivr.get(f"{ROOT}{path}"), 400, "invalid_limit" if "limit" in path else "invalid_request")


@pytest.mark.parametrize("path", ["bucket/nobody", "accumulatedBalance/nobody", "topupBalance/nobody"])
def test_what_does_not_exist_is_a_404(ivr: Caller, path: str) -> None:
    code = "topup_not_found" if path.startswith("topup") else "customer_not_found"
    assert_error(ivr.get(f"{ROOT}{path}"), 404, code)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_a_channel_and_a_superadmin_are_admitted(ada: Customer, method: str) -> None:
    PromoCodeFactory.create(code="GIFT")
    path, body = f"{ROOT}topupBalance?partyAccount.id=ada", topup_balance_create("GIFT", "ada")
    assert_error(anonymous_caller().call(method, path, body), 401, "not_authenticated")
    for role in ("customer", "sovereign-admin", "auditor", "support", "dealer", "provisioner"):
        assert_error(by_token(role).call(method, path, body), 403, "permission_denied")
    assert by_token("superadmin").call(method, path, body).status in (200, 201)


def test_a_channel_may_do_nothing_else(ivr: Caller) -> None:
    for path in ("billing/admin/orders", "billing/proposals", "billing/admin/settings"):
        assert ivr.get(path).status == 403


def test_it_is_described_only_where_it_is_on() -> None:
    described, usual = (
        SchemaGenerator(urlconf=urls).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        for urls in ("tests.contract.tmf654_urls", "config.urls")
    )
    validate_schema(described)  # type: ignore[no-untyped-call]
    paths = [path for path in described["paths"] if ROOT in path]
    assert len(paths) == 6
    create = described["paths"][f"/api/{ROOT}topupBalance"]["post"]
    error = create["responses"]["default"]["content"]["application/json"]["schema"]
    assert error == {"$ref": "#/components/schemas/TmfError"}
    assert not [path for path in usual["paths"] if "tmf-api" in path]
