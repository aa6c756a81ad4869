"""Mirroring the events of one customer: few reads for many events, and a fresh read for each later one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Signal
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone
from djstripe import models as mirrored
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import system_actor
from billing.use_cases.processor_settings import change_processor_keys
from orders.models import Break, StripeEvent
from orders.stripe.replay import NoAnswer, NotRead
from orders.use_cases.payments import sweep_payments as sweep_payments_module
from orders.use_cases.payments.mirror_events import MAX_MIRROR_ATTEMPTS, mirror_events
from orders.use_cases.payments.settle_event import receive_event, settle_event
from orders.use_cases.payments.sweep_payments import MAX_ITEMS, sweep_payments
from orders.use_cases.reconciliation.reconcile_stripe import EVENTS, reconcile_stripe
from tests.factories import actor
from tests.operations.own_server import free_port
from tests.orders.stripe.stripe_object_server import Object, StripeObjectServer, event, paid_order_objects

KEY = "sk_test_the_key_of_this_moment"
WAIT = 10
# The events of one payment that name its customer, in the order in which Stripe sends them.
PAYMENT = (
    ("customer.created", "cus_A"),
    ("payment_method.attached", "pm_A"),
    ("customer.subscription.created", "sub_A"),
    ("invoice.created", "in_A"),
    ("invoice.finalized", "in_A"),
    ("payment_intent.created", "pi_A"),
    ("charge.succeeded", "ch_A"),
    ("payment_intent.succeeded", "pi_A"),
    ("invoice.payment_succeeded", "in_A"),
    ("checkout.session.completed", "cs_test_A"),
)
# The session and what it leads to, with the product and the payment method that dj-stripe reads beside them.
READS = 8

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings: Any) -> Iterator[StripeObjectServer]:
    """Stripe with one paid order, for a service that reads from it."""
    server = StripeObjectServer()
    server.put(*paid_order_objects())
    server.start()
    settings.STRIPE_API_BASE = server.url
    yield server
    server.stop()


def receive(server: StripeObjectServer, type_: str, identity: str, *, number: int) -> str:
    """Store an event about an object in its present state, and return the event's id."""
    payload = event(type_, server.get(identity), number=number)
    receive_event(payload)
    return str(payload["id"])


def receive_payment(server: StripeObjectServer) -> list[str]:
    return [receive(server, type_, identity, number=number) for number, (type_, identity) in enumerate(PAYMENT)]


def mirror(event_id: str) -> None:
    try:
        mirror_events(event_id=event_id, secret_key=KEY)
    finally:
        connections.close_all()


def unmirrored() -> set[str]:
    return set(StripeEvent.objects.filter(mirrored_at__isnull=True).values_list("id", flat=True))


def status_of_subscription() -> str:
    return str(mirrored.Subscription.objects.get().stripe_data["status"])


class TestReads:
    def test_the_events_of_a_payment_read_each_object_once(self, server: StripeObjectServer) -> None:
        first, *_ = receive_payment(server)
        mirror(first)
        assert sorted(server.requests) == sorted(set(server.requests))
        assert len(server.requests) == READS
        assert unmirrored() == set()
        assert mirrored.Event.objects.count() == len(PAYMENT)
        for kind in ("Customer", "Session", "Subscription", "Invoice", "PaymentIntent", "Charge"):
            assert getattr(mirrored, kind).objects.count() == 1, kind

    def test_another_job_of_mirrored_events_reads_nothing(self, server: StripeObjectServer) -> None:
        first, *_, last = receive_payment(server)
        mirror(first)
        server.requests.clear()
        mirror(first)
        mirror(last)
        assert server.requests == []

    def test_the_events_of_another_customer_are_left(self, server: StripeObjectServer) -> None:
        server.put(*paid_order_objects("B"))
        first, *_ = receive_payment(server)
        other = receive(server, "charge.succeeded", "ch_B", number=50)
        mirror(first)
        assert unmirrored() == {other}
        assert not mirrored.Charge.objects.filter(id="ch_B").exists()


class TestLaterEvents:
    def test_a_later_event_reads_its_object_again(self, server: StripeObjectServer) -> None:
        first, *_ = receive_payment(server)
        mirror(first)
        server.get("sub_A")["status"] = "canceled"
        mirror(receive(server, "customer.subscription.deleted", "sub_A", number=50))
        assert status_of_subscription() == "canceled"

    def test_an_event_that_comes_while_its_object_is_read_is_left_to_its_own_job(
        self, server: StripeObjectServer
    ) -> None:
        """The object changes after it was read: the copy is older than the event, though the run goes on."""
        first, *_ = receive_payment(server)
        late: list[str] = []

        def change(path: str) -> None:
            if path == "/v1/subscriptions/sub_A" and not late:
                server.put({**server.get("sub_A"), "status": "canceled"})
                late.append(receive(server, "customer.subscription.deleted", "sub_A", number=50))
                connections.close_all()

        server.on_get = change
        mirror(first)
        assert status_of_subscription() == "active"
        assert unmirrored() == set(late)
        mirror(*late)
        assert status_of_subscription() == "canceled"
        assert unmirrored() == set()

    def test_two_runs_at_once_leave_the_newest_copy_and_no_event(self, server: StripeObjectServer) -> None:
        """A worker that was taken for dead goes on beside the one that repeats its job."""
        first, *_ = receive_payment(server)
        read, go_on = Signal(), Signal()
        waiting = iter([True])

        def hold_up(path: str) -> None:
            if path == "/v1/subscriptions/sub_A" and next(waiting, False):
                read.set()
                assert go_on.wait(WAIT)

        server.on_get = hold_up
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(mirror, first)
            assert read.wait(WAIT)
            server.put({**server.get("sub_A"), "status": "canceled"})
            mirror(receive(server, "customer.subscription.deleted", "sub_A", number=50))
            go_on.set()
            slow.result(WAIT)
        assert status_of_subscription() == "canceled"
        assert unmirrored() == set()
        assert mirrored.Event.objects.count() == len(PAYMENT) + 1


class TestFailures:
    def test_an_event_that_fails_stops_no_other_and_is_tried_again(
        self, server: StripeObjectServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, *_ = receive_payment(server)

        def refuse_the_session(path: str) -> None:
            server.failing = 403 if path.startswith("/v1/checkout/") else 0

        server.on_get = refuse_the_session
        with pytest.raises(NotRead, match="403"):
            mirror(first)
        assert StripeEvent.objects.get(id__in=unmirrored()).type == "checkout.session.completed"
        assert mirrored.Charge.objects.exists()
        server.on_get, server.failing = lambda path: None, 0
        mirror(first)
        assert unmirrored() == set()

    def test_a_silent_stripe_is_asked_for_one_event_only(self, server: StripeObjectServer, settings: Any) -> None:
        first, *_ = receive_payment(server)
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(NoAnswer):
            mirror(first)
        assert mirrored.Event.objects.count() == 1

    @pytest.mark.parametrize("status", [401, 429])
    def test_a_refused_key_and_too_many_calls_are_no_failures_of_an_event(
        self, server: StripeObjectServer, status: int
    ) -> None:
        first, *_ = receive_payment(server)
        server.failing = status
        with pytest.raises(NoAnswer, match=str(status)):
            mirror(first)
        assert len(server.requests) == 1
        assert not StripeEvent.objects.exclude(mirror_attempts=0).exists()


class TestSetAside:
    @pytest.fixture
    def poisoned(self, server: StripeObjectServer) -> StripeEvent:
        """An event whose object Stripe refuses to read, with one attempt left."""
        receive_payment(server)

        def refuse_the_session(path: str) -> None:
            server.failing = 403 if path.startswith("/v1/checkout/") else 0

        server.on_get = refuse_the_session
        poisoned = StripeEvent.objects.filter(type="checkout.session.completed")
        poisoned.update(mirror_attempts=MAX_MIRROR_ATTEMPTS - 2)
        with pytest.raises(NotRead, match="403"):
            mirror(poisoned.get().id)
        assert not Break.objects.exists()
        return poisoned.get()

    def test_an_event_that_fails_too_often_is_a_break_and_is_tried_no_more(
        self, server: StripeObjectServer, poisoned: StripeEvent
    ) -> None:
        # All that is left to do is done: the job ends well, and does not delay the customer's later events.
        mirror(poisoned.id)
        found = Break.objects.get()
        assert (found.kind, found.object_id) == (Break.Kind.EVENT_NOT_MIRRORED, poisoned.id)
        assert found.details == {"type": poisoned.type, "error": "NotRead", "attempts": str(MAX_MIRROR_ATTEMPTS)}
        assert unmirrored() == {poisoned.id}
        server.requests.clear()
        mirror(receive(server, "charge.updated", "ch_A", number=50))
        assert "GET /v1/charges/ch_A" in server.requests
        assert not [path for path in server.requests if "/checkout/" in path]
        assert unmirrored() == {poisoned.id}

    def test_a_repair_lets_it_be_tried_again(self, server: StripeObjectServer, poisoned: StripeEvent) -> None:
        mirror(poisoned.id)
        for repair in (False, True):
            reconcile_stripe(
                since=timedelta(days=1), repair=repair, by=actor(), within=timedelta(minutes=1), parts=[EVENTS]
            )
            assert Break.objects.filter(closed_at=None).exists() is not repair
            assert ProcrastinateJob.objects.filter(task_name="mirror_stripe_event").exists() is repair
        server.on_get, server.failing = lambda path: None, 0
        mirror(poisoned.id)
        assert unmirrored() == set()


class TestLostJobs:
    @pytest.fixture
    def lost(self, server: StripeObjectServer) -> str:
        """The events of a payment that was settled an hour ago, and whose job was lost."""
        change_processor_keys(
            by=system_actor(channel="command", user_id="ops"), stripe_secret_key=KEY, reason="a test"
        )
        first, *_ = receive_payment(server)
        an_hour_ago = timezone.now() - timedelta(hours=1)
        StripeEvent.objects.update(received_at=an_hour_ago, settled_at=an_hour_ago)
        ProcrastinateJob.objects.all().update(status="failed")
        return first

    def jobs(self) -> list[ProcrastinateJob]:
        return list(ProcrastinateJob.objects.filter(task_name="mirror_stripe_event", status="todo"))

    @pytest.mark.usefixtures("lost")
    def test_the_sweeper_adds_one_job_for_a_customer(self) -> None:
        for _ in range(2):
            sweep_payments()
            (job,) = self.jobs()
        assert (job.queueing_lock, job.lock) == ("mirror:cus_A", "mirror:cus_A")
        mirror(job.args["event_id"])
        assert unmirrored() == set()

    def test_a_round_adds_a_limited_number_of_jobs(self, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep_payments_module, "MAX_SECONDS_OF_KIND", 600)
        event = StripeEvent.objects.get(id=lost)
        StripeEvent.objects.all().delete()
        StripeEvent.objects.bulk_create(
            StripeEvent(id=f"evt_{number}", type="x", payload={}, occurred_at=event.occurred_at)
            for number in range(MAX_ITEMS + 1)
        )
        StripeEvent.objects.update(received_at=event.received_at, settled_at=event.settled_at)
        sweep_payments()
        assert len(self.jobs()) == MAX_ITEMS
        for _ in range(5):
            sweep_payments()
        assert len(self.jobs()) > MAX_ITEMS

    @pytest.mark.usefixtures("lost")
    @pytest.mark.parametrize(
        "state",
        [{"received_at": Now()}, {"mirrored_at": Now()}, {"mirror_attempts": MAX_MIRROR_ATTEMPTS}],
    )
    def test_a_new_a_mirrored_and_a_set_aside_event_get_none(self, state: dict[str, Any]) -> None:
        StripeEvent.objects.update(**state)
        sweep_payments()
        assert self.jobs() == []

    @pytest.mark.usefixtures("lost")
    def test_without_a_key_no_job_is_added(self) -> None:
        change_processor_keys(
            by=system_actor(channel="command", user_id="ops"), stripe_secret_key="", reason="a test"
        )
        sweep_payments()
        assert self.jobs() == []


class TestJobs:
    def test_the_events_of_a_customer_are_one_job(self, server: StripeObjectServer) -> None:
        for event_id in receive_payment(server):
            settle_event(event_id=event_id)
        job = ProcrastinateJob.objects.get(task_name="mirror_stripe_event")
        assert (job.queueing_lock, job.lock) == ("mirror:cus_A", "mirror:cus_A")
        assert job.scheduled_at is not None

    def test_an_event_after_the_job_has_begun_has_a_job_of_its_own(self, server: StripeObjectServer) -> None:
        *before, last = receive_payment(server)
        for event_id in before:
            settle_event(event_id=event_id)
        ProcrastinateJob.objects.filter(task_name="mirror_stripe_event").update(status="doing")
        settle_event(event_id=last)
        job = ProcrastinateJob.objects.get(task_name="mirror_stripe_event", status="todo")
        assert job.args == {"event_id": last}

    @pytest.mark.parametrize(
        ("about", "key"),
        [
            ({"id": "re_1", "object": "refund", "customer": None}, "mirror:re_1"),
            ({"object": "balance"}, "mirror:evt_0001"),
            (
                {"id": "ch_1", "object": "charge", "customer": {"id": "cus_1", "name": "x" * 9_000}},
                'mirror:{"id": "cus_',
            ),
        ],
    )
    def test_an_object_without_a_customers_id_has_a_job(self, about: Object, key: str) -> None:
        payload = event("something.happened", about)
        receive_event(payload)
        settle_event(event_id=payload["id"])
        job = ProcrastinateJob.objects.get(task_name="mirror_stripe_event")
        assert str(job.queueing_lock).startswith(key)
