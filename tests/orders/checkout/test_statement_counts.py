"""A checkout sends few statements, each in its own transaction, without BEGIN and COMMIT.

If this process has priced the basket before, one statement places the order. If that does nothing, because the
catalog changed or the order is refused, the two statements of a first checkout follow.
"""

from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.errors import DomainError
from billing.models import Customer, Organization
from orders.errors import AlreadySubscribed, PaymentProcessorNotConfigured
from orders.models import Order, Plan
from promos.errors import PromoAlreadyRedeemed
from tests.factories import OrganizationFactory, PromoCodeFactory, forget_prices, give_credit
from tests.orders.conftest import Buy

pytestmark = pytest.mark.django_db(transaction=True)

BATCH, CONTEXT, PLACE = "place it in a batch", "read the context", "place it alone"
CARD, OPEN = "is a card processor configured", "is a payment open"
UNKNOWN = "is an earlier try of unknown outcome remembered"
PLACING = "SELECT id, balance, orders_vat_facts("
KINDS = {
    "LEFT JOIN billing_organization": CONTEXT,
    'FROM "billing_processorsettings"': CARD,
    """"orders_order"."status" = 'pending'""": OPEN,
    'FROM "billing_auditentry"': UNKNOWN,
}
KEY: dict[str, Any] = {"idempotency_key": "k-1", "fingerprint": "f" * 64}


@pytest.fixture(autouse=True)
def voucher(ada: Customer) -> None:
    PromoCodeFactory.create(code="FIFTY", credit_minor=50_000, max_redemptions=5)
    PromoCodeFactory.create(code="HOT", credit_minor=50_000, max_redemptions=50, hot=True)
    PromoCodeFactory.create(code="ONE", credit_minor=1)


@pytest.fixture
def bobs(ada: Customer) -> Organization:
    """Of the second customer."""
    return OrganizationFactory.create(customer__user_id="bob", slug="bobs")


def statements(buy: Buy, plan: str = "m", *, raises: type[DomainError] | None = None, **request: object) -> list[str]:
    refused = pytest.raises(raises) if raises else nullcontext()
    with CaptureQueriesContext(connection) as queries, refused:
        buy(plan, addons=("backup", "waf"), apps=("wordpress",), **request)
    return [str(query["sql"]).lstrip() for query in queries.captured_queries]


def kinds(sent: list[str]) -> list[str]:
    """Each statement by what it does."""
    return [
        {"false)": BATCH, "true)": PLACE}[statement.split()[-1]]
        if statement.startswith(PLACING)
        else next((kind for sign, kind in KINDS.items() if sign in statement), statement)
        for statement in sent
    ]


def is_query(statement: str) -> bool:
    return statement.lstrip(" \n(").startswith("SELECT ")


@pytest.mark.parametrize("code", ["FIFTY", "HOT"])
def test_first_checkout_with_voucher_and_key_is_two_statements(buy: Buy, code: str) -> None:
    sent = statements(buy, promo_code=code, **KEY)
    assert kinds(sent) == [CONTEXT, PLACE]


@pytest.mark.parametrize("code", ["FIFTY", "HOT"])
def test_the_second_customer_with_the_same_basket_is_one_statement(buy: Buy, bobs: Organization, code: str) -> None:
    statements(buy, promo_code=code, **KEY)
    sent = statements(buy, tenant=bobs, promo_code=code, **KEY)
    assert kinds(sent) == [BATCH]
    assert Order.objects.get(organization=bobs).promo_code == code


def test_so_it_is_without_key_and_without_voucher(buy: Buy, ada: Customer, bobs: Organization) -> None:
    for customer in (ada, bobs.customer):
        give_credit(customer, 50_000)
    assert kinds(statements(buy)) == [CONTEXT, PLACE]
    assert kinds(statements(buy, tenant=bobs)) == [BATCH]


def test_another_basket_is_two_statements_though_one_is_known(buy: Buy, ada: Customer, bobs: Organization) -> None:
    statements(buy, promo_code="FIFTY")
    give_credit(bobs.customer, 50_000)
    assert kinds(statements(buy, "l", tenant=bobs)) == [CONTEXT, PLACE]


def test_a_basket_of_another_catalog_is_three_statements(buy: Buy, ada: Customer, bobs: Organization) -> None:
    """And the next one is one again."""
    carols = OrganizationFactory.create(customer__user_id="carol", slug="carols")
    statements(buy, promo_code="FIFTY")
    Plan.objects.filter(slug="huge").update(price_minor=49_000)
    assert kinds(statements(buy, tenant=bobs, promo_code="FIFTY")) == [BATCH, CONTEXT, PLACE]
    assert kinds(statements(buy, tenant=carols, promo_code="FIFTY")) == [BATCH]


def test_a_change_of_plan_is_three_statements_once_the_basket_is_known(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 100_000)
    assert kinds(statements(buy)) == [CONTEXT, PLACE]
    assert kinds(statements(buy, "l")) == [CONTEXT, PLACE]
    assert kinds(statements(buy)) == [BATCH, CONTEXT, PLACE]


def test_replay_is_one_statement_and_one_more_once_the_basket_is_known(buy: Buy) -> None:
    statements(buy, promo_code="FIFTY", **KEY)
    assert kinds(statements(buy, promo_code="FIFTY", **KEY)) == [BATCH, CONTEXT]
    forget_prices()
    assert kinds(statements(buy, promo_code="FIFTY", **KEY)) == [CONTEXT]


def test_checkout_sends_no_begin_and_no_commit(buy: Buy, bobs: Organization) -> None:
    sent = statements(buy, promo_code="FIFTY", **KEY) + statements(buy, tenant=bobs, promo_code="FIFTY", **KEY)
    assert kinds(sent) == [CONTEXT, PLACE, BATCH]
    assert [statement for statement in sent if not is_query(statement)] == []
    assert connection.connection.autocommit is True


def test_refused_checkout_sends_no_rollback_and_leaves_no_transaction(buy: Buy) -> None:
    first = statements(buy, "huge", promo_code="ONE", raises=PaymentProcessorNotConfigured)
    known = statements(buy, "huge", promo_code="ONE", raises=PaymentProcessorNotConfigured)
    assert kinds(first) == [CONTEXT, CARD]
    assert kinds(known) == [BATCH, CONTEXT, CARD]
    assert [statement for statement in first + known if not is_query(statement)] == []
    assert connection.connection.info.transaction_status.name == "IDLE"


def test_what_the_context_refuses_is_one_statement_more_once_the_basket_is_known(buy: Buy, ada: Customer) -> None:
    statements(buy, promo_code="FIFTY")
    assert kinds(statements(buy, raises=AlreadySubscribed)) == [BATCH, CONTEXT, UNKNOWN]
    forget_prices()
    assert kinds(statements(buy, raises=AlreadySubscribed)) == [CONTEXT, UNKNOWN]

    another: dict[str, Any] = {"tenant": OrganizationFactory.create(customer=ada), "promo_code": "FIFTY"}
    assert kinds(statements(buy, raises=PromoAlreadyRedeemed, **another)) == [BATCH, CONTEXT, OPEN, UNKNOWN]
    forget_prices()
    assert kinds(statements(buy, raises=PromoAlreadyRedeemed, **another)) == [CONTEXT, OPEN, UNKNOWN]
