"""Stripe's objects in dj-stripe's tables: complete, never older over newer, without a key, money untouched."""

import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Signal
from typing import Any

import pytest
import stripe
from django.db import DatabaseError, connection, connections, transaction
from djstripe import models as mirrored

from billing.models import Customer
from orders.stripe import mirror as module
from orders.stripe import replay as mirror
from orders.stripe.mirror import mirror_event
from orders.stripe.replay import NotRead
from tests.factories import CustomerFactory
from tests.orders.stripe.stripe_object_server import FakeStripe, Object, dispute_of, event, paid_order, refund_of
from tests.snapshot import nothing_changes, snapshot

KEY = "sk_test_the_key_of_this_moment"
WAIT = 10
WHOLE_ORDER = ("cus_A", "pi_A", "ch_A", "sub_A", "in_A", "cs_test_A")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    """Stripe with one paid order."""
    server = FakeStripe()
    server.put(*paid_order())
    server.start()
    yield server
    server.stop()


def bring(fake: FakeStripe, told: Object, *, key: str = KEY) -> tuple[str, ...]:
    """Mirrors what an event tells of."""
    try:
        return mirror_event(told, secret_key=key, api_base=fake.url)
    finally:
        connections.close_all()


def tell(fake: FakeStripe, type_: str, identity: str, *, number: int = 1) -> tuple[str, ...]:
    """Mirrors an event about an object as it is now."""
    return bring(fake, event(type_, fake.get(identity), number=number))


class TestWhatIsMirrored:
    def test_a_completed_session_leads_to_everything_about_its_payment(self, fake: FakeStripe) -> None:
        assert tell(fake, "checkout.session.completed", "cs_test_A") == WHOLE_ORDER
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
        self, fake: FakeStripe, type_: str, identity: str
    ) -> None:
        assert set(tell(fake, type_, identity)) == set(WHOLE_ORDER) - {"cs_test_A"}

    def test_a_refund_is_mirrored_with_its_charge(self, fake: FakeStripe) -> None:
        refund_of(fake.get("ch_A"), amount=1_000)
        fake.put(fake.get("ch_A")["refunds"]["data"][0])
        assert tell(fake, "charge.refunded", "ch_A") == ("cus_A", "pi_A", "ch_A", "re_A1")
        refund = mirrored.Refund.objects.get()
        assert (refund.charge_id, refund.amount) == ("ch_A", 1_000)

    def test_a_dispute_is_mirrored_with_its_charge(self, fake: FakeStripe) -> None:
        fake.put(dispute_of(fake.get("ch_A")))
        assert tell(fake, "charge.dispute.created", "dp_A") == ("cus_A", "pi_A", "ch_A", "dp_A")
        assert mirrored.Dispute.objects.get().charge_id == "ch_A"
        assert mirrored.Charge.objects.get().disputed is True

    def test_the_event_is_stored_once_as_it_came(self, fake: FakeStripe) -> None:
        told = event("customer.updated", fake.get("cus_A"))
        bring(fake, told)
        bring(fake, told)
        stored = mirrored.Event.objects.get()
        assert (stored.id, stored.type, stored.stripe_data) == ("evt_0001", "customer.updated", told)

    @pytest.mark.parametrize("about", [{"id": "prod_A", "object": "product"}, {"object": "invoice"}])
    def test_an_event_about_something_else_is_stored_and_asks_nothing(self, fake: FakeStripe, about: Object) -> None:
        """Another kind of object; or none yet, as the upcoming invoice."""
        assert bring(fake, event("something.happened", about)) == ()
        assert mirrored.Event.objects.count() == 1
        assert fake.requests == []

    def test_an_object_that_stripe_knows_no_more_is_left_out(self, fake: FakeStripe) -> None:
        assert bring(fake, event("charge.refunded", {"id": "ch_gone", "object": "charge"})) == ()
        del fake.objects["/v1/subscriptions/sub_A"]
        assert set(tell(fake, "checkout.session.completed", "cs_test_A")) == set(WHOLE_ORDER) - {"sub_A"}

    def test_a_customer_with_a_discount_is_mirrored(self, fake: FakeStripe) -> None:
        fake.get("cus_A")["discount"] = fake.get("in_A")["discounts"][0]
        coupon = {"id": "CREDIT", "object": "coupon", "amount_off": 2_500, "currency": "omr", "livemode": False}
        fake.put({**coupon, "created": 1, "metadata": {}, "duration": "once", "valid": True})
        assert tell(fake, "customer.updated", "cus_A") == ("cus_A",)


class TestWhoseCustomer:
    def test_it_is_linked_by_our_own_note_and_not_by_metadata(self, fake: FakeStripe) -> None:
        CustomerFactory.create(user_id="somebody-else")
        ada = CustomerFactory.create(user_id="ada")
        tell(fake, "customer.created", "cus_A")
        assert mirrored.Customer.objects.get().subscriber is None
        Customer.objects.filter(pk=ada.pk).update(stripe_customer_id="cus_A")
        tell(fake, "customer.updated", "cus_A", number=2)
        assert mirrored.Customer.objects.get().subscriber == ada
        assert list(ada.djstripe_customers.values_list("id", flat=True)) == ["cus_A"]

    def test_what_dj_stripe_would_believe_of_metadata_is_ignored(self, fake: FakeStripe) -> None:
        """It would link the customer, and write to Stripe that it did."""
        eve = CustomerFactory.create(user_id="eve")
        for identity in ("cus_A", "cs_test_A"):
            fake.get(identity)["metadata"]["djstripe_subscriber"] = str(eve.pk)
        assert tell(fake, "checkout.session.completed", "cs_test_A") == WHOLE_ORDER
        assert mirrored.Customer.objects.get().subscriber is None


class TestOrder:
    def test_events_out_of_order_and_again_leave_what_stripe_has(self, fake: FakeStripe) -> None:
        active = event("customer.subscription.updated", fake.get("sub_A"), number=1)
        fake.get("sub_A")["status"] = "canceled"
        canceled = event("customer.subscription.deleted", fake.get("sub_A"), number=2)
        for told in (canceled, active, canceled, active):
            bring(fake, told)
            assert mirrored.Subscription.objects.get().stripe_data["status"] == "canceled"
        assert mirrored.Event.objects.count() == 2

    def test_mirroring_again_adds_no_row(self, fake: FakeStripe) -> None:
        told = event("checkout.session.completed", fake.get("cs_test_A"))
        bring(fake, told)
        before = {table: len(rows) for table, rows in snapshot().items()}
        bring(fake, told)
        assert {table: len(rows) for table, rows in snapshot().items()} == before

    def test_a_copy_that_was_read_earlier_never_replaces_a_later_one(self, fake: FakeStripe) -> None:
        assert _slow_reader_meets_fast_one(fake) == "canceled"
        assert fake.requests.count("GET /v1/subscriptions/sub_A") > 2

    def test_without_the_check_it_would(self, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
        """The control: the race is there, and the test above sees it."""
        monkeypatch.setattr(module, "_check_not_stored_since", lambda found, started_at: None)
        assert _slow_reader_meets_fast_one(fake) == "active"

    def test_many_at_once_for_one_customer_all_succeed(self, fake: FakeStripe) -> None:
        kinds = {"cs_test_A": "checkout.session.completed", "in_A": "invoice.paid", "ch_A": "charge.succeeded"}
        told = [
            event(type_, fake.get(identity), number=10 * turn + number)
            for turn in range(3)
            for number, (identity, type_) in enumerate(kinds.items())
        ]
        assert len(told) <= module.MAX_ATTEMPTS
        with ThreadPoolExecutor(len(told)) as pool:
            results = list(pool.map(lambda each: bring(fake, each), told))
        assert all(results)
        assert mirrored.Charge.objects.count() == 1
        assert mirrored.Event.objects.count() == len(told)


def _slow_reader_meets_fast_one(fake: FakeStripe) -> str:
    """One mirroring reads an active subscription and is held up; meanwhile it ends, and another mirrors that."""
    read, go_on = Signal(), Signal()
    waiting = iter([True])

    def hold_up(path: str) -> None:
        if path == "/v1/subscriptions/sub_A" and next(waiting, False):
            read.set()
            assert go_on.wait(WAIT)

    tell(fake, "customer.subscription.created", "sub_A", number=1)
    fake.on_get = hold_up
    first = event("customer.subscription.updated", fake.get("sub_A"), number=2)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(bring, fake, first)
        assert read.wait(WAIT)
        fake.put({**fake.get("sub_A"), "status": "canceled"})
        tell(fake, "customer.subscription.deleted", "sub_A", number=3)
        go_on.set()
        slow.result(WAIT)
    return str(mirrored.Subscription.objects.get().stripe_data["status"])


class TestKeys:
    def test_stripe_is_asked_with_the_key_given_and_only_asked(self, fake: FakeStripe) -> None:
        tell(fake, "checkout.session.completed", "cs_test_A")
        assert fake.keys == {f"Bearer {KEY}"}
        assert all(request.startswith("GET /v1/") for request in fake.requests)
        bring(fake, event("customer.updated", fake.get("cus_A"), number=2), key="rk_test_another")
        assert fake.keys == {f"Bearer {KEY}", "Bearer rk_test_another"}

    def test_no_key_is_stored_anywhere(self, fake: FakeStripe) -> None:
        tell(fake, "checkout.session.completed", "cs_test_A")
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

    def test_nor_does_it_change_anything_there(self, fake: FakeStripe) -> None:
        with (
            mirror.RecordedAnswers(secret_key=KEY, api_base=fake.url) as answers,
            answers.replayed(),
            pytest.raises(RuntimeError, match="may only read"),
        ):
            mirrored.Customer(id="cus_A")._api_update(api_key=KEY, metadata={})  # type: ignore[no-untyped-call]
        assert fake.requests == []


class TestFailures:
    @pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
    def test_stripe_refusing_or_failing_stores_the_event_alone(self, fake: FakeStripe, status: int) -> None:
        fake.failing = status
        with pytest.raises(NotRead) as caught:
            tell(fake, "charge.refunded", "ch_A")
        told = "".join(traceback.format_exception(caught.value))
        assert str(status) in str(caught.value)
        assert "sk_test" not in told
        assert mirrored.Event.objects.count() == 1
        assert not mirrored.Charge.objects.exists()

    def test_the_next_try_succeeds(self, fake: FakeStripe) -> None:
        fake.failing = 500
        with pytest.raises(NotRead):
            tell(fake, "charge.refunded", "ch_A")
        fake.failing = 0
        assert tell(fake, "charge.refunded", "ch_A") == ("cus_A", "pi_A", "ch_A")

    def test_failing_halfway_stores_no_object(self, fake: FakeStripe) -> None:
        def fail_at_the_product(path: str) -> None:
            fake.failing = 500 if path.startswith("/v1/products/") else 0

        fake.on_get = fail_at_the_product
        with pytest.raises(NotRead):
            tell(fake, "checkout.session.completed", "cs_test_A")
        assert not mirrored.Customer.objects.exists()

    def test_a_silent_stripe_is_not_waited_for_long(self, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
        over = Signal()
        fake.on_get = lambda path: over.wait(WAIT)
        monkeypatch.setattr(mirror, "READ_TIMEOUT_SECONDS", 0.2)
        with pytest.raises(NotRead, match="APIConnectionError"):
            tell(fake, "charge.refunded", "ch_A")
        over.set()

    def test_nobody_listening_is_told(self, fake: FakeStripe) -> None:
        told = event("charge.refunded", fake.get("ch_A"))
        with pytest.raises(NotRead, match="APIConnectionError"):
            mirror_event(told, secret_key=KEY, api_base="http://127.0.0.1:9")

    def test_without_a_key_it_is_told_and_the_event_is_stored(self, fake: FakeStripe) -> None:
        with pytest.raises(NotRead, match="no secret key"):
            bring(fake, event("charge.refunded", fake.get("ch_A")), key="")
        assert mirrored.Event.objects.count() == 1
        assert fake.requests == []

    def test_a_list_without_end_is_given_up(self, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mirror, "MAX_READS", 3)
        with pytest.raises(NotRead, match="more than 3 reads"):
            tell(fake, "checkout.session.completed", "cs_test_A")


class TestTransactions:
    def test_none_is_open_while_stripe_is_asked(self, fake: FakeStripe) -> None:
        states: list[str] = []

        def look(path: str) -> None:
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

        fake.on_get = look
        tell(fake, "checkout.session.completed", "cs_test_A")
        assert len(fake.requests) > len(WHOLE_ORDER)
        assert states == []

    def test_inside_of_one_it_refuses(self, fake: FakeStripe) -> None:
        with pytest.raises(RuntimeError, match="in a transaction"), transaction.atomic():
            mirror_event(event("charge.refunded", fake.get("ch_A")), secret_key=KEY, api_base=fake.url)
        assert fake.requests == []

    def test_only_dj_stripes_tables_change(self, fake: FakeStripe) -> None:
        CustomerFactory.create(user_id="ada")
        before = snapshot()
        fake.put(dispute_of(fake.get("ch_A")))
        tell(fake, "charge.dispute.created", "dp_A")
        tell(fake, "checkout.session.completed", "cs_test_A", number=2)
        after = snapshot()
        changed = {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)}
        assert changed
        assert all(table.startswith("public.djstripe_") for table in changed)


def test_the_statements_of_a_mirroring_are_bounded(fake: FakeStripe, django_assert_max_num_queries: Any) -> None:
    """Of a whole order that is mirrored already."""
    tell(fake, "checkout.session.completed", "cs_test_A")
    with django_assert_max_num_queries(90):
        tell(fake, "checkout.session.completed", "cs_test_A", number=2)
