"""Mirroring Stripe's objects into dj-stripe's tables: complete, never replaced by older copies, and without keys."""

import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Signal
from typing import Any

import pytest
import stripe
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import F
from django.utils import timezone
from djstripe import models as mirrored

from billing.models import Customer
from orders.stripe import mirror as mirror_module
from orders.stripe import replay
from orders.stripe.mirror import mirror_event
from orders.stripe.replay import NotRead
from tests.factories import CustomerFactory
from tests.orders.stripe.stripe_object_server import (
    Object,
    StripeObjectServer,
    dispute_of,
    event,
    paid_order_objects,
    refund_of,
)
from tests.snapshot import nothing_changes, snapshot

KEY = "sk_test_the_key_of_this_moment"
WAIT = 10
WHOLE_ORDER = ("cus_A", "pi_A", "ch_A", "sub_A", "in_A", "cs_test_A")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[StripeObjectServer]:
    """Stripe with one paid order."""
    server = StripeObjectServer()
    server.put(*paid_order_objects())
    server.start()
    yield server
    server.stop()


def mirror_payload(server: StripeObjectServer, payload: Object, *, key: str = KEY) -> tuple[str, ...]:
    """Mirror the object of an event."""
    try:
        return mirror_event(payload, secret_key=key, api_base=server.url)
    finally:
        connections.close_all()


def mirror_object(server: StripeObjectServer, type_: str, identity: str, *, number: int = 1) -> tuple[str, ...]:
    """Mirror an event about an object in its present state."""
    return mirror_payload(server, event(type_, server.get(identity), number=number))


class TestWhatIsMirrored:
    def test_a_completed_session_leads_to_everything_about_its_payment(self, server: StripeObjectServer) -> None:
        assert mirror_object(server, "checkout.session.completed", "cs_test_A") == WHOLE_ORDER
        kinds = ("Customer", "Session", "Subscription", "SubscriptionItem", "Invoice", "LineItem", "PaymentIntent")
        for kind in (*kinds, "Charge", "PaymentMethod", "BalanceTransaction", "Price", "Product", "Discount"):
            assert getattr(mirrored, kind).objects.count() == 1, kind
        session = mirrored.Session.objects.get()
        assert (session.customer_id, session.subscription_id) == ("cus_A", "sub_A")
        charge = mirrored.Charge.objects.get()
        assert (charge.payment_intent_id, charge.payment_method_id, charge.customer_id) == ("pi_A", "pm_A", "cus_A")
        assert charge.stripe_data["amount"] == 9_500
        assert mirrored.Invoice.objects.get().subscription_id == "sub_A"

    @pytest.mark.parametrize(
        ("type_", "identity"),
        [
            ("invoice.paid", "in_A"),
            ("customer.subscription.updated", "sub_A"),
        ],
    )
    def test_an_invoice_or_a_subscription_leads_to_all_but_the_session(
        self, server: StripeObjectServer, type_: str, identity: str
    ) -> None:
        assert set(mirror_object(server, type_, identity)) == set(WHOLE_ORDER) - {"cs_test_A"}

    def test_a_refund_is_mirrored_with_its_charge(self, server: StripeObjectServer) -> None:
        refund_of(server.get("ch_A"), amount=1_000)
        server.put(server.get("ch_A")["refunds"]["data"][0])
        assert mirror_object(server, "charge.refunded", "ch_A") == ("cus_A", "pi_A", "ch_A", "re_A1")
        refund = mirrored.Refund.objects.get()
        assert (refund.charge_id, refund.amount) == ("ch_A", 1_000)

    def test_a_dispute_is_mirrored_with_its_charge(self, server: StripeObjectServer) -> None:
        server.put(dispute_of(server.get("ch_A")))
        assert mirror_object(server, "charge.dispute.created", "dp_A") == ("cus_A", "pi_A", "ch_A", "dp_A")
        assert mirrored.Dispute.objects.get().charge_id == "ch_A"
        assert mirrored.Charge.objects.get().disputed is True

    def test_the_event_is_stored_once_as_it_came(self, server: StripeObjectServer) -> None:
        payload = event("customer.updated", server.get("cus_A"))
        mirror_payload(server, payload)
        mirror_payload(server, payload)
        stored = mirrored.Event.objects.get()
        assert (stored.id, stored.type, stored.stripe_data) == ("evt_0001", "customer.updated", payload)

    @pytest.mark.parametrize("about", [{"id": "prod_A", "object": "product"}, {"object": "invoice"}])
    def test_an_event_about_another_object_is_stored_without_requests(
        self, server: StripeObjectServer, about: Object
    ) -> None:
        """The event is about another kind of object, or one without an id, such as the upcoming invoice."""
        assert mirror_payload(server, event("something.happened", about)) == ()
        assert mirrored.Event.objects.count() == 1
        assert server.requests == []

    def test_an_object_that_stripe_no_longer_has_is_left_out(self, server: StripeObjectServer) -> None:
        assert mirror_payload(server, event("charge.refunded", {"id": "ch_gone", "object": "charge"})) == ()
        del server.objects["/v1/subscriptions/sub_A"]
        assert set(mirror_object(server, "checkout.session.completed", "cs_test_A")) == set(WHOLE_ORDER) - {"sub_A"}

    def test_a_customer_with_a_discount_is_mirrored(self, server: StripeObjectServer) -> None:
        server.get("cus_A")["discount"] = server.get("in_A")["discounts"][0]
        coupon = {"id": "CREDIT", "object": "coupon", "amount_off": 2_500, "currency": "omr", "livemode": False}
        server.put({**coupon, "created": 1, "metadata": {}, "duration": "once", "valid": True})
        assert mirror_object(server, "customer.updated", "cus_A") == ("cus_A",)


class TestLinkedCustomer:
    def test_a_customer_is_linked_by_the_stored_id_and_not_by_metadata(self, server: StripeObjectServer) -> None:
        CustomerFactory.create(user_id="somebody-else")
        ada = CustomerFactory.create(user_id="ada")
        mirror_object(server, "customer.created", "cus_A")
        assert mirrored.Customer.objects.get().subscriber is None
        Customer.objects.filter(pk=ada.pk).update(stripe_customer_id="cus_A")
        mirror_object(server, "customer.updated", "cus_A", number=2)
        assert mirrored.Customer.objects.get().subscriber == ada
        assert list(ada.djstripe_customers.values_list("id", flat=True)) == ["cus_A"]

    def test_the_metadata_that_dj_stripe_trusts_is_ignored(self, server: StripeObjectServer) -> None:
        """dj-stripe would link the customer and write that to Stripe."""
        eve = CustomerFactory.create(user_id="eve")
        for identity in ("cus_A", "cs_test_A"):
            server.get(identity)["metadata"]["djstripe_subscriber"] = str(eve.pk)
        assert mirror_object(server, "checkout.session.completed", "cs_test_A") == WHOLE_ORDER
        assert mirrored.Customer.objects.get().subscriber is None


class TestOrder:
    def test_repeated_events_out_of_order_leave_the_state_at_stripe(self, server: StripeObjectServer) -> None:
        active = event("customer.subscription.updated", server.get("sub_A"), number=1)
        server.get("sub_A")["status"] = "canceled"
        canceled = event("customer.subscription.deleted", server.get("sub_A"), number=2)
        for payload in (canceled, active, canceled, active):
            mirror_payload(server, payload)
            assert mirrored.Subscription.objects.get().stripe_data["status"] == "canceled"
        assert mirrored.Event.objects.count() == 2

    def test_mirroring_again_adds_no_row(self, server: StripeObjectServer) -> None:
        payload = event("checkout.session.completed", server.get("cs_test_A"))
        mirror_payload(server, payload)
        before = {table: len(rows) for table, rows in snapshot().items()}
        mirror_payload(server, payload)
        assert {table: len(rows) for table, rows in snapshot().items()} == before

    def test_an_older_copy_never_replaces_a_newer_one(self, server: StripeObjectServer) -> None:
        assert _mirror_slowly_and_quickly(server) == "canceled"
        assert server.requests.count("GET /v1/subscriptions/sub_A") > 2

    def test_control_without_the_check_an_older_copy_replaces_a_newer_one(
        self, server: StripeObjectServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The control: the race exists, and the test above notices it."""
        monkeypatch.setattr(mirror_module, "_check_not_stored_since", lambda found: None)
        assert _mirror_slowly_and_quickly(server) == "active"

    @pytest.mark.parametrize("clock_goes", ["back", "on"])
    def test_a_clock_that_jumps_lets_no_older_copy_replace_a_newer_one(
        self, server: StripeObjectServer, clock_goes: str
    ) -> None:
        """The newer copies seem to be stored an hour before, or after, the slow run began."""
        hour = timedelta(hours=-1 if clock_goes == "back" else 1)

        def move_clock() -> None:
            for kind in mirror_module.KINDS.values():
                kind.model.objects.update(djstripe_updated=F("djstripe_updated") + hour)

        assert _mirror_slowly_and_quickly(server, after_newer=move_clock) == "canceled"

    def test_an_object_that_was_stored_in_the_future_is_mirrored_at_once(self, server: StripeObjectServer) -> None:
        """The clock was ahead, and was put right."""
        mirror_object(server, "customer.subscription.created", "sub_A", number=1)
        mirrored.Subscription.objects.update(djstripe_updated=timezone.now() + timedelta(hours=1))
        server.get("sub_A")["status"] = "canceled"
        server.requests.clear()
        mirror_object(server, "customer.subscription.deleted", "sub_A", number=2)
        assert mirrored.Subscription.objects.get().stripe_data["status"] == "canceled"
        assert server.requests.count("GET /v1/subscriptions/sub_A") == 1

    def test_concurrent_events_of_one_customer_all_succeed(self, server: StripeObjectServer) -> None:
        kinds = {"cs_test_A": "checkout.session.completed", "in_A": "invoice.paid", "ch_A": "charge.succeeded"}
        payload = [
            event(type_, server.get(identity), number=10 * turn + number)
            for turn in range(3)
            for number, (identity, type_) in enumerate(kinds.items())
        ]
        assert len(payload) <= mirror_module.MAX_ATTEMPTS
        with ThreadPoolExecutor(len(payload)) as pool:
            results = list(pool.map(lambda each: mirror_payload(server, each), payload))
        assert all(results)
        assert mirrored.Charge.objects.count() == 1
        assert mirrored.Event.objects.count() == len(payload)


def _mirror_slowly_and_quickly(server: StripeObjectServer, *, after_newer: Callable[[], None] = lambda: None) -> str:
    """Delay one mirroring after it has read an active subscription, and let another mirror its end first."""
    read, go_on = Signal(), Signal()
    waiting = iter([True])

    def hold_up(path: str) -> None:
        if path == "/v1/subscriptions/sub_A" and next(waiting, False):
            read.set()
            assert go_on.wait(WAIT)

    mirror_object(server, "customer.subscription.created", "sub_A", number=1)
    server.on_get = hold_up
    first = event("customer.subscription.updated", server.get("sub_A"), number=2)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(mirror_payload, server, first)
        assert read.wait(WAIT)
        server.put({**server.get("sub_A"), "status": "canceled"})
        mirror_object(server, "customer.subscription.deleted", "sub_A", number=3)
        after_newer()
        go_on.set()
        slow.result(WAIT)
    return str(mirrored.Subscription.objects.get().stripe_data["status"])


class TestKeys:
    def test_mirroring_only_reads_and_uses_the_given_key(self, server: StripeObjectServer) -> None:
        mirror_object(server, "checkout.session.completed", "cs_test_A")
        assert server.keys == {f"Bearer {KEY}"}
        assert all(request.startswith("GET /v1/") for request in server.requests)
        mirror_payload(server, event("customer.updated", server.get("cus_A"), number=2), key="rk_test_another")
        assert server.keys == {f"Bearer {KEY}", "Bearer rk_test_another"}

    def test_no_key_is_stored_anywhere(self, server: StripeObjectServer) -> None:
        mirror_object(server, "checkout.session.completed", "cs_test_A")
        assert not mirrored.APIKey.objects.exists()
        assert not mirrored.Account.objects.exists()
        assert KEY not in str(snapshot())

    @pytest.mark.parametrize("table", ["djstripe_apikey", "djstripe_webhookendpoint"])
    def test_the_database_refuses_keys_in_dj_stripes_tables(self, table: str) -> None:
        columns = {
            "djstripe_apikey": "id, type, name, secret, livemode",
            "djstripe_webhookendpoint": (
                "id, api_version, enabled_events, secret, status, url, application, djstripe_uuid,"
                " djstripe_tolerance, djstripe_validation_method"
            ),
        }[table]
        values = {
            "djstripe_apikey": "'x', 'secret', '', 'sk_test_x', false",
            "djstripe_webhookendpoint": "'x', '', '[]', 's', 'enabled', 'u', '', gen_random_uuid(), 300, 'v'",
        }[table]
        with (
            nothing_changes(),
            pytest.raises(DatabaseError, match=f"{table}_stays_empty"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"INSERT INTO {table} (djstripe_created, djstripe_updated, stripe_data, {columns})"
                f" VALUES (now(), now(), '{{}}', {values})"
            )

    def test_dj_stripe_reaches_stripe_in_no_other_way(self) -> None:
        with pytest.raises(RuntimeError, match="only while an event is mirrored"):
            stripe.Customer.retrieve("cus_A", api_key=KEY)
        with pytest.raises(RuntimeError, match="only while an event is mirrored"):
            mirrored.Customer(id="cus_A").api_retrieve(api_key=KEY)  # type: ignore[no-untyped-call]

    def test_dj_stripe_changes_nothing_at_stripe(self, server: StripeObjectServer) -> None:
        with (
            replay.RecordedAnswers(secret_key=KEY, api_base=server.url) as answers,
            answers.replayed(),
            pytest.raises(RuntimeError, match="may only read"),
        ):
            mirrored.Customer(id="cus_A")._api_update(api_key=KEY, metadata={})  # type: ignore[no-untyped-call]
        assert server.requests == []


class TestFailures:
    @pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
    def test_if_stripe_fails_only_the_event_is_stored(self, server: StripeObjectServer, status: int) -> None:
        server.failing = status
        with pytest.raises(NotRead) as caught:
            mirror_object(server, "charge.refunded", "ch_A")
        payload = "".join(traceback.format_exception(caught.value))
        assert str(status) in str(caught.value)
        assert "sk_test" not in payload
        assert mirrored.Event.objects.count() == 1
        assert not mirrored.Charge.objects.exists()

    def test_the_next_try_succeeds(self, server: StripeObjectServer) -> None:
        server.failing = 500
        with pytest.raises(NotRead):
            mirror_object(server, "charge.refunded", "ch_A")
        server.failing = 0
        assert mirror_object(server, "charge.refunded", "ch_A") == ("cus_A", "pi_A", "ch_A")

    def test_a_failure_halfway_stores_no_object(self, server: StripeObjectServer) -> None:
        def fail_at_the_product(path: str) -> None:
            server.failing = 500 if path.startswith("/v1/products/") else 0

        server.on_get = fail_at_the_product
        with pytest.raises(NotRead):
            mirror_object(server, "checkout.session.completed", "cs_test_A")
        assert not mirrored.Customer.objects.exists()

    def test_a_silent_stripe_times_out(self, server: StripeObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
        over = Signal()
        server.on_get = lambda path: over.wait(WAIT)
        monkeypatch.setattr(replay, "READ_TIMEOUT_SECONDS", 0.2)
        with pytest.raises(NotRead, match="APIConnectionError"):
            mirror_object(server, "charge.refunded", "ch_A")
        over.set()

    def test_an_unreachable_stripe_is_an_error(self, server: StripeObjectServer) -> None:
        payload = event("charge.refunded", server.get("ch_A"))
        with pytest.raises(NotRead, match="APIConnectionError"):
            mirror_event(payload, secret_key=KEY, api_base="http://127.0.0.1:9")

    def test_without_a_key_mirroring_fails_and_the_event_is_stored(self, server: StripeObjectServer) -> None:
        with pytest.raises(NotRead, match="no secret key"):
            mirror_payload(server, event("charge.refunded", server.get("ch_A")), key="")
        assert mirrored.Event.objects.count() == 1
        assert server.requests == []

    def test_an_endless_list_is_an_error(self, server: StripeObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replay, "MAX_READS", 3)
        with pytest.raises(NotRead, match="more than 3 reads"):
            mirror_object(server, "checkout.session.completed", "cs_test_A")


class TestTransactions:
    def test_no_transaction_is_open_during_a_request_to_stripe(self, server: StripeObjectServer) -> None:
        states: list[str] = []

        def record_states(path: str) -> None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT state FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
                        " AND backend_type = 'client backend'"
                    )
                    states.extend(str(state) for (state,) in cursor.fetchall())
            finally:
                connections.close_all()

        server.on_get = record_states
        mirror_object(server, "checkout.session.completed", "cs_test_A")
        assert len(server.requests) > len(WHOLE_ORDER)
        assert states == []

    def test_mirroring_inside_a_transaction_is_refused(self, server: StripeObjectServer) -> None:
        with pytest.raises(RuntimeError, match="in a transaction"), transaction.atomic():
            mirror_event(event("charge.refunded", server.get("ch_A")), secret_key=KEY, api_base=server.url)
        assert server.requests == []

    def test_only_dj_stripes_tables_change(self, server: StripeObjectServer) -> None:
        CustomerFactory.create(user_id="ada")
        before = snapshot()
        server.put(dispute_of(server.get("ch_A")))
        mirror_object(server, "charge.dispute.created", "dp_A")
        mirror_object(server, "checkout.session.completed", "cs_test_A", number=2)
        after = snapshot()
        changed = {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)}
        assert changed
        assert all(table.startswith("public.djstripe_") for table in changed)


def test_the_statements_of_a_mirroring_are_bounded(
    server: StripeObjectServer, django_assert_max_num_queries: Any
) -> None:
    """Counts the statements for a whole order that is already mirrored."""
    mirror_object(server, "checkout.session.completed", "cs_test_A")
    with django_assert_max_num_queries(90):
        mirror_object(server, "checkout.session.completed", "cs_test_A", number=2)
