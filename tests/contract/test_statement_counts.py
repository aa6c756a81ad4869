"""Each request costs an exact number of SQL statements, BEGIN and COMMIT included."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Customer
from tests.contract.endpoint import ANONYMOUS
from tests.contract.request_bodies import DEFAULT_CAMPAIGN
from tests.factories import PromoCodeFactory, forget_prices, give_credit

from .api_client import Answer, Caller, by_session
from .conftest import BATCH_ID, GRANT_ID, WEBHOOK_ID, Checkout
from .endpoints import ENDPOINTS

pytestmark = pytest.mark.django_db(transaction=True)

# One statement reads the state, one writes; if the basket was priced before, the first one is not needed.
CHECKOUT = 2
BATCHED = 1


def counted(answer_of: object, *args: object, **given: object) -> tuple[Answer, list[str]]:
    with CaptureQueriesContext(connection) as queries:
        answer: Answer = answer_of(*args, **given)  # type: ignore[operator]
    return answer, [str(query["sql"]) for query in queries]


@pytest.mark.parametrize("hot", [False, True])
def test_a_credit_only_checkout_with_voucher_and_key(checkout: Checkout, hot: bool) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000, max_redemptions=50, hot=hot)
    order = {"promo_code": "GIFT", "apps": ["wordpress"], "addons": ["backup", "waf"]}
    answer, statements = counted(checkout, "a-key", **order)
    assert answer.status == 200
    assert len(statements) == CHECKOUT
    answer, statements = counted(checkout, "a-key", **order)
    assert (answer.status, len(statements)) == (200, BATCHED + 1)
    forget_prices()
    answer, statements = counted(checkout, "a-key", **order)
    assert (answer.status, len(statements)) == (200, 1)


@pytest.mark.parametrize("hot", [False, True])
def test_a_checkout_of_a_basket_whose_price_is_cached(checkout: Checkout, bob: Caller, bobs: str, hot: bool) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000, max_redemptions=50, hot=hot)
    order = {"plan_id": "m", "promo_code": "GIFT", "apps": ["wordpress"], "addons": ["backup", "waf"]}
    assert checkout("a-key", **order).status == 200
    answer, statements = counted(bob.post, "billing/checkout", {"tenant_id": bobs, **order}, Idempotency_Key="a-key")
    assert (answer.status, len(statements)) == (200, BATCHED)
    assert " FROM orders_place_orders(" in statements[0]


def test_checkouts_without_voucher_or_key(checkout: Checkout, ada: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(), 50_000)
    answer, statements = counted(checkout)
    assert (answer.status, len(statements)) == (200, CHECKOUT)
    answer, statements = counted(checkout)
    assert (answer.code, len(statements)) == ("already_subscribed", BATCHED + 2)
    forget_prices()
    answer, statements = counted(checkout)
    assert (answer.code, len(statements)) == ("already_subscribed", 2)
    answer, statements = counted(checkout, plan_id="nope")
    assert (answer.code, len(statements)) == ("unknown_plan", 1)
    answer, statements = counted(checkout, tenant_id=None)
    assert (answer.status, len(statements)) == (400, 0)


def test_a_refused_checkout_with_voucher_and_key(checkout: Checkout, acme: str) -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=1)
    answer, statements = counted(checkout, "a-key", plan_id="xl", promo_code="GIFT")
    assert answer.status == 503
    # The context, whether a card could pay, and, after the refusal, whether a request under the same key was faster.
    assert len(statements) == 3
    assert not [each for each in statements if each.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT"))]
    answer, statements = counted(checkout, "a-key", plan_id="xl", promo_code="GIFT")
    assert answer.status == 503
    assert len(statements) == BATCHED + 3
    assert not [each for each in statements if each.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT"))]


# Reads, and requests refused without identity or role, by token.
COSTS = {
    "GET billing/balance": 1,
    # With a subscription, its open payment is a second query.
    "GET billing/subscription": 1,
    "GET billing/subscription/{tenant}": 1,
    "GET billing/admin/revenue": 2,
    "GET auth/me": 2,
    # Who it is and who was merged into it, in a transaction, and the record of the export.
    "GET billing/personal-data": 5,
    # A download takes the locks of the batch, and is recorded.
    f"GET billing/batches/{BATCH_ID}/printer-file": 7,
    "GET tenant/orgs/{tenant}": 1,
    "GET tenant/check-slug/{slug}": 1,
    # The organization, its services, the catalog's apps, the services that are not shared, and unsettled apps.
    "GET tenant/admin/tenants/{tenant}/backing-services": 5,
    # The page, the states of its apps, and the number of all rows.
    "GET tenant/admin/tenants": 3,
    # Without an organization, or without a provider, there is nothing to read.
    "GET provisioning/jobs": 0,
    "GET auth/google": 0,
    # No order is complete here. Where one is, the first statement finds its provision.
    "GET provisioning/tenant/{tenant}": 2,
    # The batch, and its redeemed cards, its cards or its ranges.
    **{f"GET billing/batches/{BATCH_ID}{part}": 2 for part in ("", "/cards", "/ranges")},
    # The record with its figures, its previews, its use, refused attempts, and dealers.
    **{f"GET billing/{part}/figures": 5 for part in (f"batches/{BATCH_ID}", f"campaigns/{DEFAULT_CAMPAIGN}")},
    # The bulk grant and its rows.
    f"GET billing/grants/{GRANT_ID}/rows": 2,
    # Its closing twice, the rules and the rates; figures and totals, each in a transaction without a time limit.
    "GET billing/admin/months/2026-01": 13,
    # One statement, in a transaction without a time limit.
    "GET billing/admin/past/trial-balance": 5,
    # The endpoint and its deliveries.
    f"GET billing/admin/webhooks/{WEBHOOK_ID}/deliveries": 2,
    "GET schema": 0,
    "GET docs": 0,
}


def test_reads(root: Caller, acme: str) -> None:
    found, expected = {}, {}
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET":
            if endpoint.path.startswith("catalog/"):
                root.get(endpoint.path)  # the first read renders the list, which the process then keeps
            _, statements = counted(root.get, endpoint.path_with(tenant=acme, slug="acme", code="NONE"))
            found[str(endpoint)] = len(statements)
            expected[str(endpoint)] = COSTS.get(str(endpoint), 0 if endpoint.status == 400 else 1)
    assert found == expected


def test_a_forbidden_request_costs_no_statement(anybody: Caller, ada: Caller) -> None:
    for endpoint in ENDPOINTS:
        path = endpoint.path_with(tenant="x", slug="x", code="X")
        if ANONYMOUS not in endpoint.roles:
            _, statements = counted(anybody.call, endpoint.method, path)
            assert statements == []
        if "customer" not in endpoint.roles:
            _, statements = counted(ada.call, endpoint.method, path)
            assert statements == []


def test_a_session_costs_its_own_row_its_user_and_the_users_groups_and_proof(shop: None) -> None:
    caller = by_session("customer")
    _, statements = counted(caller.get, "billing/balance")
    assert len(statements) == 5


def test_previews(anybody: Caller) -> None:
    PromoCodeFactory.create(code="GIFT")
    first, statements = counted(anybody.post, "billing/vouchers/redeem-preview", {"code": "GIFT"})
    assert (first.status, len(statements)) == (200, 4)
    second, statements = counted(anybody.post, "billing/vouchers/redeem-preview", {"code": "GIFT"})
    assert (second.status, len(statements)) == (200, 3)
