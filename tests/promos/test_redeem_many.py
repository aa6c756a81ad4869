"""One code for many users: an outcome for each, all in one transaction, never over the cap."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import InternalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.errors import DomainError, InvalidBatch, ReasonRequired
from billing.models import AuditEntry, Customer, LedgerEntry
from billing.queries import balance_of
from billing.use_cases.ledger.grant_many import MAX_BATCH
from promos.errors import (
    PromoAlreadyRedeemed,
    PromoChanged,
    PromoExhausted,
    PromoExpired,
    PromoInactive,
    PromoNotFound,
    PromoNotStarted,
)
from promos.models import PromoCode, Redemption
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.redeem_code import redeem, release
from promos.use_cases.redeem_many import Outcome, redeem_many
from tests.concurrency.schema_changes import function_definition
from tests.consistency import ledger_and_redemptions_agree, times_redeemed
from tests.factories import ADDRESS, CustomerFactory, PromoCodeFactory, acting, actor
from tests.faults.run_scenario import replaced_functions
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STAFF = actor(user_id="sara")
WRITTEN = ("billing_account", "billing_auditentry", "billing_ledgerentry", "promos_redemption")


def give(*user_ids: str, code: str = "GIFT", now: datetime = NOW) -> list[Outcome]:
    return redeem_many(code=code, user_ids=user_ids, why="for the fair", by=STAFF, now=now)


def results(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    for outcome in outcomes:
        assert (outcome.redemption_id is None) == (outcome.refusal is not None)
    return [(each.user_id, each.refusal.code if each.refusal else "redeemed") for each in outcomes]


def used(code: str = "GIFT") -> list[int]:
    return list(PromoCode.objects.get(code=code).counters.order_by("id").values_list("used", flat=True))


def test_each_has_a_redemption_and_its_credit_and_the_call_is_audited_once() -> None:
    ada, bob = CustomerFactory.create(user_id="ada"), CustomerFactory.create(user_id="bob")
    PromoCodeFactory.create(code="GIFT", credit_minor=25_000, max_redemptions=10)
    with only_changes(*WRITTEN, "promos_promocounter"):
        outcomes = give("bob", "ada", code=" gift\n")
    assert results(outcomes) == [("bob", "redeemed"), ("ada", "redeemed")]
    for customer, outcome in zip((bob, ada), outcomes, strict=True):
        redemption = Redemption.objects.get(id=str(outcome.redemption_id))
        assert (redemption.customer_id, redemption.status, redemption.credit_minor) == (
            customer.pk,
            "confirmed",
            25_000,
        )
        assert (redemption.reserved_at, redemption.confirmed_at, redemption.order_id) == (NOW, NOW, None)
        entry = LedgerEntry.objects.get(account_id=customer.pk)
        assert (entry.kind, entry.amount_minor, entry.version, entry.balance_after_minor) == (
            "grant",
            25_000,
            1,
            25_000,
        )
        assert (entry.reason, entry.note, entry.redemption_id) == ("promo:GIFT", "for the fair", redemption.id)
        assert (entry.actor_id, entry.actor_role, entry.channel, entry.address) == (
            "sara",
            "superadmin",
            "api",
            ADDRESS,
        )
    assert times_redeemed("GIFT") == 2
    audited = AuditEntry.objects.get(action="promo_code.redeemed_for_many")
    assert (audited.object_id, audited.changes, audited.reason) == ("GIFT", {"redemptions": [0, 2]}, "for the fair")
    assert (audited.actor_id, audited.actor_email, audited.address) == ("sara", STAFF.email, ADDRESS)
    assert ledger_and_redemptions_agree()


def test_no_row_of_the_code_itself_is_touched_and_an_uncapped_one_counts_nothing() -> None:
    CustomerFactory.create(user_id="ada")
    PromoCodeFactory.create(code="GIFT")
    with only_changes(*WRITTEN):
        give("ada")
    assert used() == []
    assert times_redeemed("GIFT") == 1


def test_users_whose_first_act_this_is_become_customers() -> None:
    CustomerFactory.create(user_id="ada")
    PromoCodeFactory.create(code="GIFT", credit_minor=5)
    assert results(give("new-2", "ada", "new-1")) == [
        ("new-2", "redeemed"),
        ("ada", "redeemed"),
        ("new-1", "redeemed"),
    ]
    assert [balance_of(user_id=user).credit_minor for user in ("ada", "new-1", "new-2")] == [5, 5, 5]
    assert Customer.objects.count() == 3
    assert ledger_and_redemptions_agree()


def test_user_who_is_named_twice_redeems_once() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=5)
    assert results(give("ada", "bob", "ada")) == [("ada", "redeemed"), ("bob", "redeemed")]
    assert times_redeemed("GIFT") == 2


def test_who_redeemed_it_already_is_told_so_and_does_not_keep_the_others_from_it() -> None:
    ada = CustomerFactory.create(user_id="ada")
    PromoCodeFactory.create(code="GIFT", credit_minor=5, max_redemptions=2)
    redeem(code="GIFT", user_id="ada", by=acting(ada), now=NOW)
    assert results(give("ada", "bob", "carol")) == [
        ("ada", "promo_already_redeemed"),
        ("bob", "redeemed"),
        ("carol", "promo_exhausted"),
    ]
    assert [balance_of(user_id=user).credit_minor for user in ("ada", "bob", "carol")] == [5, 5, 0]


def test_who_gave_it_back_may_be_given_it_again() -> None:
    ada = CustomerFactory.create(user_id="ada")
    PromoCodeFactory.create(code="GIFT", credit_minor=5, max_redemptions=1)
    redemption = redeem(code="GIFT", user_id="ada", by=acting(ada), now=NOW)
    release(redemption=redemption, reason="a mistake", by=STAFF)
    assert results(give("ada")) == [("ada", "redeemed")]
    assert (times_redeemed("GIFT"), balance_of(user_id="ada").credit_minor) == (1, 5)
    assert ledger_and_redemptions_agree()


@either_code
@pytest.mark.parametrize("cap", [1, 7, 16, 17, 99])
def test_places_go_to_the_first_of_the_list_and_the_rest_leave_no_trace(cap: int, hot: bool) -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=cap, hot=hot)
    users = [f"user-{number:03}" for number in range(100)]
    assert results(give(*users)) == [
        (user, "redeemed" if place < cap else "promo_exhausted") for place, user in enumerate(users)
    ]
    assert times_redeemed("GIFT") == Redemption.objects.count() == LedgerEntry.objects.count() == cap
    assert list(Customer.objects.order_by("user_id").values_list("user_id", flat=True)) == users[:cap]
    with nothing_changes():
        assert {refusal for _, refusal in results(give(*users))} == {"promo_already_redeemed", "promo_exhausted"}
    assert ledger_and_redemptions_agree()


def test_hot_code_keeps_room_in_all_of_its_counters() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=160, hot=True)
    give(*(f"user-{number}" for number in range(40)))
    assert sorted(used()) == [2] * 8 + [3] * 8
    give(*(f"other-{number}" for number in range(119)))
    assert sum(used()) == 159
    assert max(used()) == 10


def test_the_same_list_again_changes_nothing() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=5)
    give("ada", "bob")
    with nothing_changes():
        assert results(give("ada", "bob")) == [("ada", "promo_already_redeemed"), ("bob", "promo_already_redeemed")]
    assert results(give("ada", "carol"))[1] == ("carol", "redeemed")
    assert times_redeemed("GIFT") == 3


def test_everybody_is_told_what_stands_against_it_when_no_place_is_left() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=1)
    give("ada")
    with nothing_changes():
        assert [each.refusal for each in give("bob", "ada")] == [PromoExhausted, PromoAlreadyRedeemed]


def test_an_empty_list_is_nothing() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=MAX_BATCH * MAX_BATCH)
    with nothing_changes():
        assert give() == []


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"code": "NOSUCH"}, PromoNotFound),
        ({"code": ""}, PromoNotFound),
        ({"code": "RETIRED"}, PromoNotFound),
        ({"code": "PAUSED"}, PromoInactive),
        ({"code": "WINDOW", "now": NOW - timedelta(microseconds=1)}, PromoNotStarted),
        ({"code": "WINDOW", "now": NOW + timedelta(days=1)}, PromoExpired),
        ({"why": " "}, ReasonRequired),
        ({"user_ids": ["ada", ""]}, InvalidBatch),
        ({"user_ids": ["a" * 256]}, InvalidBatch),
        ({"user_ids": [str(number) for number in range(MAX_BATCH + 1)]}, InvalidBatch),
    ],
)
def test_what_is_refused_changes_nothing(changes: dict[str, object], refusal: type[DomainError]) -> None:
    for code in ("GIFT", "RETIRED", "PAUSED"):
        PromoCodeFactory.create(code=code)
    PromoCodeFactory.create(code="WINDOW", starts_at=NOW, expires_at=NOW + timedelta(days=1))
    retire_code(code="RETIRED", by=STAFF)
    pause_code(code="PAUSED", by=STAFF)
    asked = {"code": "GIFT", "user_ids": ["ada"], "why": "x", "by": STAFF, "now": NOW, **changes}
    with nothing_changes(), pytest.raises(DomainError) as caught:
        redeem_many(**asked)  # type: ignore[arg-type]
    assert caught.type is refusal


def test_nobody_redeems_anything_where_it_fails_for_one() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=50)
    ada = CustomerFactory.create(user_id="ada")
    true_definition = function_definition("billing_post_entry")
    fails = true_definition.replace(
        "  RETURN NEW;", f"  IF NEW.account_id = {ada.pk} THEN RAISE SQLSTATE 'XX000'; END IF;\n  RETURN NEW;"
    )
    assert fails != true_definition
    with replaced_functions({"billing_post_entry": fails}), nothing_changes(), pytest.raises(InternalError):
        give("new-1", "ada", "new-2")
    assert len(give("new-1", "ada", "new-2")) == 3


def test_places_that_are_always_gone_by_the_time_end_in_try_again() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=50)
    true_definition = function_definition("promos_claim_slots_of_code")
    never = true_definition.replace("  RETURN FOUND;", "  RETURN false;")
    assert never != true_definition
    with replaced_functions({"promos_claim_slots_of_code": never}), nothing_changes(), pytest.raises(PromoChanged):
        give("ada")


def test_inside_another_transaction_it_comes_and_goes_with_it() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=3)
    with nothing_changes(), transaction.atomic():
        assert results(give("ada")) == [("ada", "redeemed")]
        transaction.set_rollback(True)


def test_number_of_statements_is_the_same_for_one_and_for_a_thousand() -> None:
    PromoCodeFactory.create(code="GIFT", max_redemptions=2_000, hot=True)
    for number in (1, 1_000):
        with CaptureQueriesContext(connection) as queries:
            give(*(f"{number}-{each}" for each in range(number)))
        kinds = [str(each["sql"]).split()[0] for each in queries]
        # The code, who has redeemed it already, the free slots, the customers, the redemptions, whether it is still
        # redeemed once; the audit entry.
        assert kinds == ["SELECT", "BEGIN", *["SELECT"] * 5, "INSERT", "COMMIT"]
    assert times_redeemed("GIFT") == 1_001
    assert ledger_and_redemptions_agree()
