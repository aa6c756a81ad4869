"""Cards over HTTP are previewed, redeemed and paid with as vouchers are. One that is not active looks unknown."""

import pytest

from orders.models import Order
from promos.models import Batch, Redemption
from promos.use_cases.alerts.raise_alerts import raise_alerts
from promos.use_cases.cards.change_batch import activate_batch
from tests.promos.cards.make_batch import DRAFTER, active, codes_of, released
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller, anonymous_caller, by_token
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import CHECKOUT, PREVIEW, TOP_UP

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def carl() -> Caller:
    return by_token("customer", "carl")


def preview(code: str) -> Answer:
    return anonymous_caller().post("billing/vouchers/redeem-preview", {"code": code})


def top_up(caller: Caller, code: str, key: str = "") -> Answer:
    return caller.post("billing/vouchers/redeem", {"code": code}, **({"Idempotency_Key": key} if key else {}))


def test_card_is_previewed_until_it_is_redeemed(carl: Caller) -> None:
    code = codes_of(active())[0]
    with nothing_changes():
        answer = preview(code)
    assert_shape(answer.body, PREVIEW)
    assert (answer.status, answer.body["code"], answer.body["credit_minor"]) == (200, code, 5_000)
    top_up(carl, code)
    used = preview(code)
    assert (used.status, used.body["accepting_redemptions"]) == (410, False)


def test_card_is_redeemed_into_the_balance_and_replayed(carl: Caller) -> None:
    code = codes_of(active())[0]
    first, again = (top_up(carl, code, key="k-1") for _ in range(2))
    assert_shape(first.body, TOP_UP)
    assert (first.status, first.body["code"], first.body["credit_balance_minor"]) == (200, code, 5_000)
    assert (again.status, again.body) == (200, first.body)
    assert Redemption.objects.count() == 1
    assert_refused(top_up(carl, code), 400, "promo_already_redeemed")
    assert_refused(top_up(by_token("customer", "bob"), code), 400, "promo_exhausted")


def test_card_pays_an_order(checkout: Checkout) -> None:
    first, second, _ = codes_of(active())
    answer = checkout(plan_id="s", promo_code=first.lower())
    assert_shape(answer.body, CHECKOUT)
    assert (answer.status, answer.body["credit_balance_minor"]) == (200, 0)
    assert Order.objects.get().promo_code == first
    assert Redemption.objects.get().order_id == Order.objects.get().id
    assert_refused(checkout(plan_id="m", promo_code=first), 400, "promo_already_redeemed")
    with nothing_changes():
        assert checkout(plan_id="xl", promo_code=second).body["code"] == "payment_processor_not_configured"


def test_card_of_a_batch_that_is_not_active_looks_unknown_and_is_counted(carl: Caller, checkout: Checkout) -> None:
    batch = released()
    code = codes_of(batch)[0]
    for number, (known, unknown) in enumerate(
        (
            (preview(code), preview("NOSUCHCODE12")),
            (top_up(carl, code), top_up(carl, "NOSUCHCODE12")),
            (checkout(promo_code=code), checkout(promo_code="NOSUCHCODE12")),
        ),
        start=1,
    ):
        assert (known.status, known.body) == (unknown.status, unknown.body), number
    raise_alerts()
    raise_alerts()
    batch = Batch.objects.get(pk=batch.pk)
    assert (batch.early_attempts, batch.last_early_attempt_at is None) == (3, False)
    activate_batch(batch=batch, by=DRAFTER, reason="in the shops")
    with only_changes("billing_account", "billing_customer", "billing_ledgerentry", "promos_redemption"):
        assert top_up(carl, code).status == 200
