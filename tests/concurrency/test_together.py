"""Who redeems one code at the same moment is served together: as exactly as one after the other, and nobody twice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from threading import Event
from typing import TypeVar
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction

from billing.models import Account, Customer, LedgerEntry
from billing.use_cases.verify_ledger import verify_ledger
from promos.errors import CapBelowUsed, PromoAlreadyRedeemed, PromoExhausted, PromoInactive, PromoNotFound
from promos.models import PromoCode, Redemption
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import _redeeming, redeem, release, reserve
from promos.use_cases.redeem_many import redeem_many
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.altering import definition_of, function_replaced, with_text_replaced
from tests.concurrency.counting import times_redeemed
from tests.concurrency.gathering import Door, batches_of, gathering, waiting_for
from tests.concurrency.racing import PATIENCE_SECONDS, Crew, Race, in_background
from tests.concurrency.watching import Other, other_connection, wait_for_waiters, wait_until
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes

T = TypeVar("T")

THREADS = 24
CREDIT_MINOR = 10_000

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])
any_code = pytest.mark.parametrize(
    ("cap", "hot"), [(0, False), (19, False), (19, True), (200, True)], ids=["uncapped", "ordinary", "hot", "roomy"]
)

HELD_ACCOUNT = "SELECT FROM billing_account WHERE customer_id = %s FOR NO KEY UPDATE"
HELD_COUNTERS = "SELECT FROM promos_promocounter WHERE promo_code_id = %s FOR NO KEY UPDATE"
UNCHECKED_CLAIM = """
CREATE OR REPLACE FUNCTION promos_claim_together(promo uuid, wanted bigint, counters bigint) RETURNS boolean
LANGUAGE sql AS $$ SELECT true $$
"""


class FalseExhausted(AssertionError):
    """Somebody was refused a place that nobody had."""


def redeem_as(customer: Customer, promo_code: PromoCode) -> Redemption:
    """Redeems it; whoever is refused looks at once whether all places are really taken (nobody gives one back)."""
    try:
        return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
    except PromoExhausted:
        really_taken, cap = live(promo_code), PromoCode.objects.get(id=promo_code.id).max_redemptions
        if really_taken < cap:
            message = f"refused with {really_taken} of {cap} places taken"
            raise FalseExhausted(message) from None
        raise


def live(promo_code: PromoCode) -> int:
    return Redemption.objects.filter(promo_code=promo_code, status__in=["reserved", "confirmed"]).count()


def calls_of(customers: Sequence[Customer], promo_code: PromoCode) -> list[Callable[[], Redemption]]:
    return [partial(redeem_as, customer, promo_code) for customer in customers]


def assert_exactly(promo_code: PromoCode, number: int) -> None:
    """So many redemptions, places in use and entries, of as many customers, and all of it adds up."""
    redemptions = Redemption.objects.filter(promo_code=promo_code, status="confirmed")
    assert (redemptions.count(), redemptions.values("customer").distinct().count()) == (number, number)
    assert times_redeemed(promo_code) == number
    if promo_code.capped:
        assert sum(promo_code.counters.values_list("used", flat=True)) == number
    entries = LedgerEntry.objects.filter(reason=f"promo:{promo_code.code}", kind="grant")
    assert {entry.redemption_id for entry in entries} == {redemption.id for redemption in redemptions}
    assert entries.count() == number
    assert {entry.amount_minor for entry in entries} <= {CREDIT_MINOR}
    assert verify_redemptions() is None
    assert verify_ledger().sound


def assert_told_the_truth(outcome: Race[Redemption], customers: Sequence[Customer]) -> None:
    """Everybody who was not refused holds his own redemption, as the database has it."""
    for customer, told in zip(customers, outcome.outcomes, strict=True):
        if isinstance(told, Redemption):
            stored = Redemption.objects.get(id=told.id)
            assert (told.customer_id, told.credit_minor) == (customer.pk, stored.credit_minor)
            assert (stored.customer_id, stored.confirmed_at) == (customer.pk, told.confirmed_at)


@contextmanager
def gathered(
    promo_code: PromoCode, calls: Sequence[Callable[[], Redemption]]
) -> Iterator[tuple[Door, Race[Redemption]]]:
    """All of the calls wait behind a door."""
    with Crew(len(calls)) as crew, gathering(_redeeming, promo_code.code) as door:
        under_way = crew.start(calls)
        door.wait_for(len(calls))
        yield door, under_way
        door.open()
        under_way.finish()


@contextmanager
def held(other: Other, statement: str, value: object) -> Iterator[None]:
    """Rows that another transaction keeps locked, then rolls back."""
    other.execute(statement.encode(), [value])
    yield
    other.rollback()


def deadlocks() -> int:
    """How many there were in this database, as told by the connections so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def telling(call: Callable[[], T]) -> Callable[[], T]:
    """The call, after which the connection tells at once what happened to it, deadlocks among it."""

    def call_and_tell() -> T:
        try:
            return call()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_stat_force_next_flush()")

    return call_and_tell


@any_code
def test_threads_of_one_moment_redeem_exactly_the_places_there_are(cap: int, hot: bool) -> None:
    customers = CustomerFactory.create_batch(THREADS)
    due = min(cap or THREADS, THREADS)
    with Crew(THREADS) as crew, batches_of(_redeeming) as batches:
        for _ in range(8):
            promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
            outcome = crew.race(calls_of(customers, promo_code))
            assert len(outcome.values) == due
            assert outcome.refusals == ({PromoExhausted: THREADS - due} if due < THREADS else {})
            assert_told_the_truth(outcome, customers)
            assert_exactly(promo_code, due)
    assert max(len(batch) for batch in batches) > 1
    # Where fewer places are left than asked for, everybody goes his own way.
    assert due < THREADS or any(all(batch) for batch in batches)


@any_code
def test_gathered_they_are_one_statement(cap: int, hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
    customers = CustomerFactory.create_batch(16)
    with batches_of(_redeeming) as batches, gathered(promo_code, calls_of(customers, promo_code)) as (_, under_way):
        pass
    assert batches == [[True] * 16]
    assert len({redemption.id for redemption in under_way.values}) == 16
    assert_told_the_truth(under_way, customers)
    assert_exactly(promo_code, 16)


@either_code
def test_where_fewer_places_are_left_than_gathered_all_of_them_are_taken(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=11, hot=hot)
    customers = CustomerFactory.create_batch(16)
    with batches_of(_redeeming) as batches, gathered(promo_code, calls_of(customers, promo_code)) as (_, under_way):
        pass
    assert batches[0] == [False] * 16
    assert (len(under_way.values), under_way.refusals) == (11, {PromoExhausted: 5})
    assert_exactly(promo_code, 11)


@either_code
@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
def test_a_place_that_may_still_come_free_is_waited_for_by_all_of_them(hot: bool, commits: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=8, hot=hot)
    customers, holding = CustomerFactory.create_batch(8), CustomerFactory.create()
    with batches_of(_redeeming) as batches, other_connection() as other:
        with gathered(promo_code, calls_of(customers, promo_code)) as (door, under_way):
            other.execute(
                "SELECT promos_redeem(%s, %s, ROW('test', 'system', 'command', NULL)::billing_actor, now())",
                [promo_code.id, holding.pk],
            )
            door.open()
            wait_for_waiters(1)
            assert live(promo_code) == 0
            if commits:
                other.commit()
            else:
                other.rollback()
    assert batches[0] == [not commits] * 8
    assert under_way.refusals == ({PromoExhausted: 1} if commits else {})
    assert live(promo_code) == 8
    assert verify_redemptions() is None


def test_control_a_claim_that_does_not_look_is_seen() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=8)
    customers = CustomerFactory.create_batch(8)
    with function_replaced("promos_claim_together", UNCHECKED_CLAIM):
        with gathered(promo_code, calls_of(customers, promo_code)):
            pass
    assert live(promo_code) == 8
    with pytest.raises(AssertionError):
        assert_exactly(promo_code, 8)


def test_control_a_claim_that_does_not_look_oversells() -> None:
    """With a place in flight, so that eight seem to be free and seven are."""
    promo_code = PromoCodeFactory.create(max_redemptions=8)
    customers = CustomerFactory.create_batch(8)
    with function_replaced("promos_claim_together", UNCHECKED_CLAIM), other_connection() as other:
        with gathered(promo_code, calls_of(customers, promo_code)):
            other.execute(
                "SELECT promos_redeem(%s, %s, ROW('test', 'system', 'command', NULL)::billing_actor, now())",
                [promo_code.id, CustomerFactory.create().pk],
            )
        other.commit()
    assert live(promo_code) == 9 > promo_code.max_redemptions


@either_code
def test_the_same_user_twice_in_one_moment_redeems_once_and_holds_up_nobody(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=10, hot=hot)
    customers = CustomerFactory.create_batch(6)
    calls = calls_of([customers[0], *customers, customers[0]], promo_code)
    with gathered(promo_code, calls) as (_, under_way):
        pass
    assert (len(under_way.values), under_way.refusals) == (6, {PromoAlreadyRedeemed: 2})
    assert {redemption.customer_id for redemption in under_way.values} == {customer.pk for customer in customers}
    assert_exactly(promo_code, 6)


def test_who_redeemed_it_already_and_a_newcomer_hold_up_nobody() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=10)
    customers = CustomerFactory.create_batch(6)
    redeem_as(customers[2], promo_code)
    newcomer = partial(redeem, code=promo_code.code, user_id="new", by=actor("customer", user_id="new"))
    moved = partial(
        redeem,
        code=promo_code.code,
        user_id=customers[5].user_id,
        email="moved@example.org",
        by=acting(customers[5]),
    )
    calls: list[Callable[[], Redemption]] = [*calls_of(customers[:5], promo_code), newcomer, moved]
    with batches_of(_redeeming) as batches, gathered(promo_code, calls) as (_, under_way):
        pass
    assert sorted(batches[0]) == [False, False, False, True, True, True, True]
    assert (len(under_way.values), under_way.refusals) == (6, {PromoAlreadyRedeemed: 1})
    assert Customer.objects.get(id=customers[5].pk).email == "moved@example.org"
    assert_exactly(promo_code, 7)


@any_code
def test_who_is_locked_elsewhere_does_not_hold_up_the_others(cap: int, hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=cap, hot=hot)
    customers = CustomerFactory.create_batch(8)
    with batches_of(_redeeming) as batches, other_connection() as other:
        with gathered(promo_code, calls_of(customers, promo_code)) as (door, under_way):
            with held(other, HELD_ACCOUNT, customers[3].pk):
                door.open()
                wait_until(lambda: live(promo_code) == 7, "redemption by the others")
                wait_for_waiters(1)
                assert not under_way.done
                assert not Redemption.objects.filter(customer=customers[3]).exists()
    assert sorted(batches[0]) == [False] + [True] * 7
    assert (len(under_way.values), under_way.refusals) == (8, {})
    assert_exactly(promo_code, 8)


def test_control_were_the_locked_one_waited_for_nobody_would_be_served() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    customers = CustomerFactory.create_batch(8)
    waits = with_text_replaced(definition_of("promos_redeem_together"), " SKIP LOCKED) AS mine", ") AS mine")
    with function_replaced("promos_redeem_together", waits), other_connection() as other:
        with gathered(promo_code, calls_of(customers, promo_code)) as (door, under_way):
            with held(other, HELD_ACCOUNT, customers[3].pk):
                door.open()
                wait_for_waiters(1)
                with pytest.raises(AssertionError, match="redemption by the others"):
                    wait_until(lambda: live(promo_code) == 7, "redemption by the others", seconds=0.3)
                assert live(promo_code) == 0
    assert len(under_way.values) == 8


def test_who_waits_alone_for_his_account_does_not_keep_the_others_behind_him() -> None:
    """The one at work hangs; whoever came meanwhile goes his own way after a while."""
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    stuck, *customers = CustomerFactory.create_batch(7)
    with other_connection() as other, Crew(6) as crew, held(other, HELD_ACCOUNT, stuck.pk):
        with in_background(partial(redeem_as, stuck, promo_code)) as hanging:
            wait_for_waiters(1)
            assert crew.race(calls_of(customers, promo_code)).refusals == {}
            assert not hanging.done
            assert live(promo_code) == 6
            other.rollback()
            assert len(hanging.finish().values) == 1
    assert_exactly(promo_code, 7)


@pytest.mark.parametrize(("stop", "told"), [(pause_code, PromoInactive), (retire_code, PromoNotFound)])
def test_a_code_that_is_stopped_while_they_gather_is_redeemed_by_none(
    stop: Callable[..., PromoCode], told: type[Exception]
) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    calls = calls_of(CustomerFactory.create_batch(8), promo_code)
    with ExitStack() as unchanged:
        with gathered(promo_code, calls) as (_, under_way):
            stop(code=promo_code.code, by=actor(), reason="enough")
            unchanged.enter_context(nothing_changes())
    assert under_way.refusals == {told: 8}


@pytest.mark.parametrize("cap", [0, 5, 8, 30])
def test_terms_that_change_while_they_gather_are_those_that_count(cap: int) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    customers = CustomerFactory.create_batch(8)
    terms = Terms(credit_minor=4_000, max_redemptions=cap, hot=True)
    with gathered(promo_code, calls_of(customers, promo_code)):
        promo_code = issue_code(code=promo_code.code, terms=terms, by=actor())
    due = min(cap or 8, 8)
    assert live(promo_code) == times_redeemed(promo_code) == due
    assert set(LedgerEntry.objects.values_list("amount_minor", flat=True)) == {4_000}
    assert LedgerEntry.objects.count() == due
    assert verify_redemptions() is None


def test_the_cap_holds_while_it_moves_under_batches() -> None:
    issue_code(code="MOVING", terms=Terms(credit_minor=CREDIT_MINOR, max_redemptions=7), by=actor())
    steps = cycle((40, 0, 16, 90, 7, 0, 60))
    finished: list[int] = []

    def redeem_all(customers: Sequence[Customer]) -> int:
        done = 0
        try:
            for customer in customers:
                try:
                    redeem(code="MOVING", user_id=customer.user_id, by=acting(customer))
                    done += 1
                except PromoExhausted:
                    continue
        finally:
            finished.append(done)
        return done

    def move_cap() -> int:
        for hot in cycle((False, True)):
            if len(finished) == 16:
                break
            try:
                terms = Terms(credit_minor=CREDIT_MINOR, max_redemptions=next(steps), hot=hot)
                issue_code(code="MOVING", terms=terms, by=actor())
            except CapBelowUsed:
                continue
        return 0

    before = deadlocks()
    calls: list[Callable[[], int]] = [
        partial(redeem_all, customers) for customers in [CustomerFactory.create_batch(8) for _ in range(16)]
    ]
    with Crew(17) as crew, batches_of(_redeeming) as batches:
        outcome = crew.race([*map(telling, calls), telling(move_cap)])
    assert deadlocks() == before
    assert any(len(batch) > 1 and any(batch) for batch in batches)
    promo_code = PromoCode.objects.get(code="MOVING")
    assert outcome.refusals == {}
    assert_exactly(promo_code, sum(outcome.values))
    assert not promo_code.capped or live(promo_code) <= promo_code.max_redemptions


@either_code
def test_batches_beside_lists_single_ones_reservations_and_releases_leave_no_deadlock(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=60, hot=hot)
    customers = CustomerFactory.create_batch(40)
    gave_back = [redeem_as(customer, promo_code) for customer in customers[:8]]
    users = [customer.user_id for customer in customers]

    def in_a_transaction(customer: Customer) -> object:
        with transaction.atomic():
            return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))

    give = partial(redeem_many, code=promo_code.code, why="test", by=actor())
    beside: list[Callable[[], object]] = [
        *(partial(in_a_transaction, customer) for customer in customers[22:26]),
        *(partial(release, redemption=each, reason="test", by=actor()) for each in gave_back),
        *(
            partial(reserve, promo_code=promo_code, customer_id=customer.pk, order_id=uuid4())
            for customer in customers[26:30]
        ),
        # Whoever is in a list may redeem it himself at the same moment.
        partial(give, user_ids=users[16:38]),
        partial(give, user_ids=users[38:12:-1]),
    ]
    before = deadlocks()
    with batches_of(_redeeming) as batches, Crew(16 + len(beside)) as crew:
        with gathering(_redeeming, promo_code.code) as door:
            opened = Event()

            def once_opened(call: Callable[[], object]) -> object:
                assert opened.wait(PATIENCE_SECONDS)
                return call()

            calls: list[Callable[[], object]] = [
                *calls_of(customers[8:24], promo_code),
                *(partial(once_opened, call) for call in beside),
            ]
            outcome = crew.start([telling(call) for call in calls])
            door.wait_for(16)
            opened.set()
            door.open()
            outcome.finish()
    assert deadlocks() == before
    assert outcome.refusals.keys() <= {PromoAlreadyRedeemed}
    assert len(batches[0]) == 16
    # Everybody from the ninth to the last of the lists has it, the first eight gave it back.
    assert live(promo_code) == times_redeemed(promo_code) == len(customers[8:39])
    assert Redemption.objects.filter(status="released").count() == 8
    assert verify_redemptions() is None
    assert verify_ledger().sound


def test_control_a_deadlock_is_counted() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=2, hot=True)
    first, second = promo_code.counters.values_list("id", flat=True)
    held_first = Event()

    def take(*counters: int) -> str:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL deadlock_timeout = '10ms'")
                for counter in counters:
                    cursor.execute("SELECT FROM promos_promocounter WHERE id = %s FOR UPDATE", [counter])
                    if not held_first.is_set():
                        held_first.set()
                        wait_for_waiters(1)
        except OperationalError:
            return "deadlock"
        return "done"

    def take_after_the_first() -> str:
        assert held_first.wait(10)
        return take(second, first)

    before = deadlocks()
    with Crew(2) as crew:
        outcome = crew.race([telling(partial(take, first, second)), telling(take_after_the_first)])
    assert sorted(outcome.values) == ["deadlock", "done"]
    assert deadlocks() == before + 1


@either_code
def test_a_connection_that_is_cut_in_a_batch_leaves_nothing_and_all_are_told(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=8, hot=hot)
    customers = CustomerFactory.create_batch(8)

    def tell(call: Callable[[], Redemption]) -> str:
        try:
            call()
        except OperationalError:
            connection.close()
            return "unknown"
        return "redeemed"

    calls = [partial(tell, call) for call in calls_of(customers, promo_code)]
    with Crew(8) as crew, batches_of(_redeeming) as batches, gathering(_redeeming, promo_code.code) as door:
        under_way = crew.start(calls)
        door.wait_for(8)
        with nothing_changes(), other_connection() as other, held(other, HELD_COUNTERS, promo_code.id):
            door.open()
            wait_for_waiters(1)
            cut_who_waits()
            assert under_way.finish().values == ["unknown"] * 8
        assert batches == [[False] * 8]
        assert crew.race(calls).values == ["redeemed"] * 8
    assert_exactly(promo_code, 8)


def cut_who_waits() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%together%'"
        )
        assert cursor.fetchall() == [(True,)]


@either_code
def test_while_connections_are_cut_at_random_nobody_has_it_twice(hot: bool) -> None:
    customers = CustomerFactory.create_batch(16)
    codes = [PromoCodeFactory.create(max_redemptions=12, hot=hot) for _ in range(12)]
    finished: list[Customer] = []

    def redeem_all(customer: Customer) -> list[str]:
        told = []
        for promo_code in codes:
            try:
                redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
                told.append("redeemed")
            except PromoExhausted:
                told.append("exhausted")
            except OperationalError:
                connection.close()
                told.append("unknown")
        finished.append(customer)
        return told

    def cut() -> list[str]:
        cuts = []
        while len(finished) < len(customers):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND state = 'active' AND query LIKE '%promos_redeem_together%' AND pid <> pg_backend_pid()"
                    " AND random() < 0.2 LIMIT 1"
                )
                cuts += ["cut"] * len(cursor.fetchall())
        return cuts

    with Crew(len(customers) + 1) as crew:
        calls: list[Callable[[], list[str]]] = [*(partial(redeem_all, customer) for customer in customers), cut]
        outcome = crew.race(calls)
    *told, cuts = outcome.values
    assert cuts
    for place, promo_code in enumerate(codes):
        redeemed = [customer.pk for customer, mine in zip(customers, told, strict=True) if mine[place] == "redeemed"]
        unknown = [customer.pk for customer, mine in zip(customers, told, strict=True) if mine[place] == "unknown"]
        have_it = list(Redemption.objects.filter(promo_code=promo_code).values_list("customer_id", flat=True))
        assert len(have_it) == len(set(have_it)) <= 12
        assert set(redeemed) <= set(have_it) <= {*redeemed, *unknown}
        assert_exactly(promo_code, len(have_it))
    assert any("unknown" in mine for mine in told)


def test_staff_who_redeem_for_somebody_are_named_as_who_acts() -> None:
    """Together or alone, the entry names who acted, not whom it was for (invariant I8)."""
    promo_code = PromoCodeFactory.create(max_redemptions=19)
    customers = CustomerFactory.create_batch(4)
    calls = [
        partial(redeem, code=promo_code.code, user_id=customer.user_id, by=actor(user_id="noor", channel="console"))
        for customer in customers
    ]
    with Crew(4) as crew, gathering(_redeeming, promo_code.code) as door:
        under_way = crew.start(calls)
        wait_until(lambda: under_way.done or waiting_for(_redeeming, promo_code.code) == 4, "redeeming or gathering")
        door.open()
        under_way.finish()
    entries = LedgerEntry.objects.values_list("actor_id", "actor_role", "channel")
    assert list(entries) == [("noor", "superadmin", "console")] * 4


def test_everybody_s_redemption_has_his_own_moment_and_address() -> None:
    promo_code = PromoCodeFactory.create()
    customers = CustomerFactory.create_batch(4)
    with batches_of(_redeeming) as batches, gathered(promo_code, calls_of(customers, promo_code)) as (_, under_way):
        pass
    assert batches == [[True] * 4]
    for customer, told in zip(customers, under_way.values, strict=True):
        entry = LedgerEntry.objects.get(account_id=customer.pk)
        assert (entry.actor_id, entry.address, entry.redemption_id) == (
            customer.user_id,
            acting(customer).address,
            told.id,
        )
    assert len({told.confirmed_at for told in under_way.values}) == 4
    assert set(Account.objects.values_list("balance_minor", flat=True)) == {CREDIT_MINOR}
