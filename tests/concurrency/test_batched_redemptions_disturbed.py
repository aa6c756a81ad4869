"""Batches of redemptions beside everything else that locks, and with lost connections: no customer redeems twice."""

from collections.abc import Callable
from functools import partial
from threading import Event
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction

from billing.models import Customer
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import PromoAlreadyRedeemed, PromoExhausted
from promos.models import Redemption
from promos.use_cases.redeem_code import redeem, release, reserve
from promos.use_cases.redeem_many import redeem_many
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.batched_redemptions import (
    LOCKED_COUNTERS,
    assert_exactly,
    calls_of,
    cut_waiting_batch,
    deadlocks,
    either_code,
    held,
    live,
    patient_batches,
    redeem_as,
    reporting,
)
from tests.concurrency.hold_batches import REDEMPTIONS, block_leader, record_batches
from tests.concurrency.threads import THREAD_TIMEOUT_SECONDS, ThreadGroup
from tests.concurrency.wait_for import other_connection, wait_for_waiters, wait_until
from tests.consistency import times_redeemed
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@either_code
def test_batches_beside_lists_single_redemptions_reservations_and_releases_cause_no_deadlock(hot: bool) -> None:
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
        # Some users of the lists redeem the code themselves at the same moment.
        partial(give, user_ids=users[16:38]),
        partial(give, user_ids=users[38:12:-1]),
    ]
    before = deadlocks()
    with record_batches(REDEMPTIONS) as batches, ThreadGroup(16 + len(beside)) as crew:
        with block_leader(REDEMPTIONS) as leader:
            opened = Event()

            def once_opened(call: Callable[[], object]) -> object:
                assert opened.wait(THREAD_TIMEOUT_SECONDS)
                return call()

            calls: list[Callable[[], object]] = [
                *calls_of(customers[8:24], promo_code),
                *(partial(once_opened, call) for call in beside),
            ]
            outcome = crew.start([reporting(call) for call in calls])
            leader.wait_for(16)
            opened.set()
            leader.release()
            outcome.finish()
    assert deadlocks() == before
    assert outcome.refusals.keys() <= {PromoAlreadyRedeemed}
    assert len(batches[0]) == 16
    # The users from the ninth to the last of the lists have it; the first eight gave it back.
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
    with ThreadGroup(2) as crew:
        outcome = crew.race([reporting(partial(take, first, second)), reporting(take_after_the_first)])
    assert sorted(outcome.values) == ["deadlock", "done"]
    assert deadlocks() == before + 1


@either_code
def test_a_batch_whose_connection_is_lost_leaves_nothing_and_its_requests_fail(hot: bool) -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=8, hot=hot)
    customers = CustomerFactory.create_batch(8)

    def outcome_of(call: Callable[[], Redemption]) -> str:
        try:
            call()
        except OperationalError:
            connection.close()
            return "unknown"
        return "redeemed"

    calls = [partial(outcome_of, call) for call in calls_of(customers, promo_code)]
    with (
        patient_batches("promos_redeem"),
        ThreadGroup(8) as crew,
        record_batches(REDEMPTIONS) as batches,
        block_leader(REDEMPTIONS) as leader,
    ):
        under_way = crew.start(calls)
        leader.wait_for(8)
        with nothing_changes(), other_connection() as other, held(other, LOCKED_COUNTERS, promo_code.id):
            leader.release()
            wait_for_waiters(1)
            cut_waiting_batch()
            assert under_way.finish().values == ["unknown"] * 8
        assert batches == [[False] * 8]
        assert crew.race(calls).values == ["redeemed"] * 8
    assert_exactly(promo_code, 8)


@either_code
def test_while_connections_are_lost_at_random_no_customer_has_the_code_twice(hot: bool) -> None:
    customers = CustomerFactory.create_batch(16)
    codes = [PromoCodeFactory.create(max_redemptions=12, hot=hot) for _ in range(12)]

    def redeem_all(customer: Customer) -> list[str]:
        mine = []
        for promo_code in codes:
            try:
                redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
                mine.append("redeemed")
            except PromoExhausted:
                mine.append("exhausted")
            except OperationalError:
                connection.close()
                mine.append("unknown")
        return mine

    def cut(condition: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                f" AND state = 'active' AND query LIKE '%promos_redeem_and_read(%'"
                f" AND pid <> pg_backend_pid() AND {condition} LIMIT 1"
            )
            return bool(cursor.fetchall())

    with ThreadGroup(len(customers)) as crew:
        # One batch is cut for certain, while it waits for this test's lock; chance may spare all others.
        with other_connection() as other, held(other, LOCKED_COUNTERS, codes[0].id):
            under_way = crew.start([partial(redeem_all, customer) for customer in customers])
            wait_until(lambda: cut("wait_event_type = 'Lock'"), "a batch that waits for the lock")
        while not under_way.done:
            cut("random() < 0.2")
        results = under_way.finish().values
    for place, promo_code in enumerate(codes):
        redeemed = [
            customer.pk for customer, mine in zip(customers, results, strict=True) if mine[place] == "redeemed"
        ]
        unknown = [customer.pk for customer, mine in zip(customers, results, strict=True) if mine[place] == "unknown"]
        have_it = list(Redemption.objects.filter(promo_code=promo_code).values_list("customer_id", flat=True))
        assert len(have_it) == len(set(have_it)) <= 12
        assert set(redeemed) <= set(have_it) <= {*redeemed, *unknown}
        assert_exactly(promo_code, len(have_it))
    assert any("unknown" in mine for mine in results)
