"""Under a key the same request has one order and one answer for 24 hours; refusals are not stored."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from billing.errors import IdempotencyMismatch, OrganizationNotFound
from billing.models import Customer, IdempotencyKey, LedgerEntry, Organization
from billing.queries import balance_of
from orders.errors import AlreadySubscribed, PaymentProcessorNotConfigured, UnknownPlan
from orders.models import Order, Plan
from orders.use_cases.organizations.delete_organization import delete_organization
from promos.use_cases.change_code import retire_code
from tests.factories import OrganizationFactory, PromoCodeFactory, acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
KEY = {"idempotency_key": "k-1", "fingerprint": "f" * 64}


@pytest.fixture(autouse=True)
def credit(ada: Customer) -> None:
    give_credit(ada, 50_000)


def test_same_request_again_has_the_same_answer_and_no_second_order(buy: Buy) -> None:
    PromoCodeFactory.create(code="TEN", credit_minor=10_000)
    first = buy("m", promo_code="TEN", now=NOW, **KEY)
    with nothing_changes():
        again = buy("m", promo_code="TEN", now=NOW + timedelta(hours=23), **KEY)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.order_id, again.balance_minor) == (first.order_id, 51_000)
    assert Order.objects.count() == 1


def test_a_stored_answer_does_not_change_with_later_changes(buy: Buy, ada: Customer, acme: Organization) -> None:
    PromoCodeFactory.create(code="TEN", credit_minor=10_000)
    first = buy("m", promo_code="TEN", **KEY)
    give_credit(ada, 1_000)
    retire_code(code="TEN", by=actor())
    Plan.objects.filter(slug="m").update(active=False)
    delete_organization(organization_id=acme.id, by=acting(ada))
    with nothing_changes():
        again = buy("m", promo_code="TEN", **KEY)
    assert (again.order_id, again.balance_minor, again.replayed) == (first.order_id, 51_000, True)


def test_stored_answer_lives_a_day(buy: Buy) -> None:
    buy("m", now=NOW, **KEY)
    stored = IdempotencyKey.objects.get()
    assert (stored.created_at, stored.expires_at) == (NOW, NOW + DAY)
    assert (stored.key, stored.request_hash, stored.balance_after_minor) == ("k-1", "f" * 64, 41_000)


def test_same_key_for_another_request_is_refused(buy: Buy) -> None:
    buy("m", **KEY)
    with nothing_changes(), pytest.raises(IdempotencyMismatch):
        buy("l", idempotency_key="k-1", fingerprint="e" * 64)


def test_key_is_free_again_after_24_hours_and_not_before(buy: Buy, ada: Customer) -> None:
    first = buy("m", now=NOW, **KEY)
    with nothing_changes():
        assert buy("m", now=NOW + DAY - timedelta(microseconds=1), **KEY).order_id == first.order_id
    second = buy("l", now=NOW + DAY, idempotency_key="k-1", fingerprint="e" * 64)
    assert (second.replayed, second.order_id != first.order_id) == (False, True)
    stored = IdempotencyKey.objects.get()
    assert (stored.result_id, stored.request_hash) == (second.order_id, "e" * 64)
    assert (stored.created_at, stored.expires_at) == (NOW + DAY, NOW + 2 * DAY)
    with nothing_changes():
        assert buy("l", now=NOW + DAY, idempotency_key="k-1", fingerprint="e" * 64).replayed


def test_the_same_key_of_another_customer_is_another_key(buy: Buy) -> None:
    other = OrganizationFactory.create()
    give_credit(other.customer, 50_000)
    first = buy("m", **KEY)
    second = buy("m", tenant=other, **KEY)
    assert (second.replayed, second.order_id != first.order_id) == (False, True)
    assert IdempotencyKey.objects.count() == Order.objects.count() == 2


def test_another_key_for_the_same_request_is_another_request(buy: Buy) -> None:
    buy("m", **KEY)
    with nothing_changes(), pytest.raises(AlreadySubscribed):
        buy("m", idempotency_key="k-2", fingerprint="f" * 64)


def test_a_refusal_is_not_stored_so_the_same_key_can_retry(buy: Buy, ada: Customer) -> None:
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
        buy("huge", addons=("backup",), **KEY)
    with nothing_changes(), pytest.raises(UnknownPlan):
        buy("nosuch", **KEY)
    give_credit(ada, 3_000)
    placed = buy("huge", addons=("backup",), **KEY)
    assert (placed.replayed, placed.balance_minor) == (False, 0)


def test_a_refused_order_with_a_key_and_a_voucher_changes_nothing(buy: Buy, ada: Customer) -> None:
    PromoCodeFactory.create(code="ONE", credit_minor=1, max_redemptions=1)
    with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
        buy("huge", addons=("backup",), promo_code="ONE", **KEY)


def test_a_replay_of_a_free_order_repeats_the_balance_of_that_time(buy: Buy, ada: Customer) -> None:
    first = buy("flexi", **KEY)
    give_credit(ada, 5)
    again = buy("flexi", **KEY)
    assert (first.balance_minor, again.balance_minor) == (50_000, 50_000)
    assert balance_of(user_id="ada").credit_minor == 50_005
    assert LedgerEntry.objects.filter(order_id=first.order_id).count() == 0


def test_unknown_organization_is_refused_under_a_key_too(buy: Buy, acme: Organization) -> None:
    with nothing_changes(), pytest.raises(OrganizationNotFound):
        buy("m", tenant_id=uuid4(), **KEY)
