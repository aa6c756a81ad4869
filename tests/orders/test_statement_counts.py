"""How many statements a checkout sends: few, each its own transaction, without BEGIN and COMMIT."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Customer
from orders.errors import PaymentProcessorNotConfigured
from tests.factories import PromoCodeFactory, give_credit

from .conftest import Buy

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"idempotency_key": "k-1", "fingerprint": "f" * 64}


@pytest.fixture(autouse=True)
def voucher(ada: Customer) -> None:
    PromoCodeFactory.create(code="FIFTY", credit_minor=50_000, max_redemptions=5)
    PromoCodeFactory.create(code="HOT", credit_minor=50_000, max_redemptions=50, hot=True)
    PromoCodeFactory.create(code="ONE", credit_minor=1)


def statements(buy: Buy, **request: object) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        buy("m", addons=("backup", "waf"), apps=("wordpress",), **request)
    return [str(query["sql"]).lstrip() for query in queries.captured_queries]


def is_query(statement: str) -> bool:
    return statement.lstrip(" \n(").startswith("SELECT ")


@pytest.mark.parametrize("code", ["FIFTY", "HOT"])
def test_checkout_with_voucher_and_key_is_two_statements(buy: Buy, code: str) -> None:
    sent = statements(buy, promo_code=code, **KEY)
    assert len(sent) == 2
    assert sent[-1].startswith("SELECT placed_order, balance, replayed FROM orders_place_order(")


def test_so_it_is_without_key_and_without_voucher(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    assert len(statements(buy)) == 2


def test_replay_is_one_statement(buy: Buy) -> None:
    statements(buy, promo_code="FIFTY", **KEY)
    assert len(statements(buy, promo_code="FIFTY", **KEY)) == 1


def test_checkout_sends_no_begin_and_no_commit(buy: Buy) -> None:
    sent = statements(buy, promo_code="FIFTY", **KEY)
    assert [statement for statement in sent if not is_query(statement)] == []
    assert connection.connection.autocommit is True


def test_refused_checkout_sends_no_rollback_and_leaves_no_transaction(buy: Buy) -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(PaymentProcessorNotConfigured):
        buy("huge", promo_code="ONE")
    assert [query for query in queries.captured_queries if not is_query(str(query["sql"]))] == []
    # The third asks whether a card processor is configured.
    assert len(queries) == 3
    assert connection.connection.info.transaction_status.name == "IDLE"
