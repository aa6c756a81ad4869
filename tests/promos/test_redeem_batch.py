"""One statement redeems several codes for several customers: exactly what may be redeemed, and nothing else."""

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from billing.models import Customer, LedgerEntry
from billing.queries import balance_of
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.redeem_code import RedemptionRequest, redeem, redeem_batch
from tests.concurrency.schema_changes import function_definition, replace_text, replaced_function
from tests.consistency import ledger_and_redemptions_agree, times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

CREDITS = {"ORDINARY": 1, "HOT": 20, "OPEN": 300, "FULL": 4_000, "PAUSED": 5, "RETIRED": 6}


@pytest.fixture
def codes() -> None:
    """Three ordinary slots, forty of a hot code, no cap, no slot left, paused, retired."""
    PromoCodeFactory.create(code="ORDINARY", credit_minor=1, max_redemptions=3)
    PromoCodeFactory.create(code="HOT", credit_minor=20, max_redemptions=40, hot=True)
    PromoCodeFactory.create(code="OPEN", credit_minor=300)
    PromoCodeFactory.create(code="FULL", credit_minor=4_000, max_redemptions=1)
    other = CustomerFactory.create()
    redeem(code="FULL", user_id=other.user_id, by=acting(other))
    PromoCodeFactory.create(code="PAUSED", credit_minor=5)
    pause_code(code="PAUSED", by=actor())
    PromoCodeFactory.create(code="RETIRED", credit_minor=6)
    retire_code(code="RETIRED", by=actor())


def request(code: str, user_id: str) -> RedemptionRequest:
    return RedemptionRequest(code=code, user_id=user_id, by=actor("customer", user_id=user_id))


def assert_counted() -> None:
    """Every capped code's counters say what its live redemptions are; entries and redemptions agree."""
    for code in PromoCode.objects.filter(max_redemptions__gt=0):
        used = code.counters.aggregate(total=Sum("used"))["total"]
        assert (code.code, used) == (code.code, code.redemptions.filter(status="confirmed").count())
        assert used <= code.max_redemptions
    assert ledger_and_redemptions_agree()


@pytest.mark.parametrize("wait", [False, True])
def test_mixed_batch_redeems_exactly_what_may_be_redeemed(codes: None, wait: bool) -> None:
    ada = CustomerFactory.create(user_id="ada")
    redeem(code="ORDINARY", user_id="ada", by=acting(ada))
    asked = [
        ("ORDINARY", "ada", False),  # again
        ("ORDINARY", "nobody", False),  # no customer
        *(("ORDINARY", f"ordinary-{number}", number < 2) for number in range(5)),
        *(("HOT", f"hot-{number}", True) for number in range(6)),
        *(("OPEN", f"open-{number}", True) for number in range(4)),
        *((code, f"{code}-{number}", False) for code in ("FULL", "PAUSED", "RETIRED", "NOSUCH") for number in (1, 2)),
    ]
    for _, user, _ in asked:
        if user not in ("ada", "nobody"):
            CustomerFactory.create(user_id=user)
    requests = [request(code, user) for code, user, _ in asked]
    with CaptureQueriesContext(connection) as queries:
        redeemed = redeem_batch(requests, wait=wait)
    assert len(queries) == 1
    assert [redemption is not None for redemption in redeemed] == [expected for *_, expected in asked]
    for each, (code, user, _), redemption in zip(requests, asked, redeemed, strict=True):
        if redemption:
            stored = Redemption.objects.get(promo_code__code=code, customer__user_id=user)
            assert stored.id == redemption.id == each.id
            assert (stored.credit_minor, stored.status) == (CREDITS[code], "confirmed")
            assert balance_of(user_id=user).credit_minor == CREDITS[code]
        elif user != "ada":
            assert balance_of(user_id=user).credit_minor == 0
    assert {code: times_redeemed(code) for code in CREDITS} == {
        "ORDINARY": 3,
        "HOT": 6,
        "OPEN": 4,
        "FULL": 1,
        "PAUSED": 0,
        "RETIRED": 0,
    }
    assert Redemption.objects.count() == LedgerEntry.objects.count() == 14
    assert not Customer.objects.filter(user_id="nobody").exists()
    assert_counted()


def test_customer_twice_in_a_batch_is_served_once(codes: None) -> None:
    """One grant of a statement for each account; the other request goes on alone."""
    CustomerFactory.create(user_id="ada")
    first, second, same = redeem_batch([request("HOT", "ada"), request("OPEN", "ada"), request("HOT", "ada")])
    assert (first is not None, second, same) == (True, None, None)
    [second] = redeem_batch([request("OPEN", "ada")])
    assert second is not None
    assert balance_of(user_id="ada").credit_minor == 320
    assert_counted()


def test_batch_of_nothing_that_may_be_redeemed_writes_nothing(codes: None) -> None:
    for user in ("ada", "bob", "carol"):
        CustomerFactory.create(user_id=user)
    with nothing_changes():
        assert (
            redeem_batch([request(code, user) for code, user in (("FULL", "ada"), ("PAUSED", "bob"))]) == [None] * 2
        )


def test_slots_that_are_gone_when_they_are_claimed_refuse_the_batch_and_not_the_customer(codes: None) -> None:
    """The whole batch is rolled back; each of its customers then redeems alone, as long as there is a slot."""
    ada = CustomerFactory.create(user_id="ada")
    CustomerFactory.create(user_id="bob")
    claims_one = replace_text(
        function_definition("promos_claim_slots_of_code"),
        "AND used + wanted <= quota;",
        "AND wanted = 1 AND used < quota;",
    )
    with replaced_function("promos_claim_slots_of_code", claims_one):
        with nothing_changes(), pytest.raises(PromoExhausted):
            redeem_batch([request("ORDINARY", "ada"), request("ORDINARY", "bob")])
        redeem(code="ORDINARY", user_id="ada", by=acting(ada))
    assert times_redeemed("ORDINARY") == 1
    assert_counted()
