"""Events reach a real broker: each once, in the order of its organization, also after the broker was away."""

import logging
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.errors import ReasonRequired
from billing.models import AuditEntry
from orders.broker import TIMEOUT_SECONDS, Broker, BrokerUnavailable, Message
from orders.models import OutboxEvent
from orders.use_cases.events import deliver_events as module
from orders.use_cases.events.deliver_events import deliver_batch, deliver_events
from orders.use_cases.events.resend_event import resend_event
from tests.factories import actor
from tests.nats_server import NatsServer, nats_server

pytestmark = pytest.mark.django_db(transaction=True)

MAX_ROUNDS = 10
TENANTS = [uuid4() for _ in range(3)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path) as running:
        yield running


@pytest.fixture
def broker(server: NatsServer) -> Iterator[Broker]:
    with Broker(server.url) as connected:
        yield connected


def record(number: int = 0, *, tenant: UUID | None = TENANTS[0], **data: Any) -> OutboxEvent:
    return OutboxEvent.objects.create(
        type="subscription.changed",
        topic="sme.order.events",
        source="qasima",
        tenant_id=tenant,
        data={"number": number, **data},
    )


def test_an_event_is_stored_as_its_envelope_and_marked(server: NatsServer, broker: Broker) -> None:
    event = record(amount_omr=Decimal("1.230"), name="مقهى")
    assert deliver_batch(broker) == 1
    [message] = server.messages()
    event.refresh_from_db()
    assert message == {
        "id": str(event.id),
        "Nats-Msg-Id": str(event.id),
        "type": "subscription.changed",
        "source": "qasima",
        "timestamp": event.created_at.isoformat().replace("+00:00", "Z"),
        "tenant_id": str(TENANTS[0]),
        "data": {"number": 0, "amount_omr": 1.23, "name": "مقهى"},
        "metadata": {},
    }
    assert event.delivered_at is not None and event.as_message().count(b"1.230") == 1
    assert deliver_batch(broker) == 0
    assert len(server.messages()) == 1


def test_each_organization_has_its_events_in_order(
    server: NatsServer, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_SIZE", 40)
    for number in range(130):
        record(number, tenant=TENANTS[number % 7 % 3])
    while deliver_batch(broker):
        pass
    stored = server.messages()
    assert len(stored) == 130
    for tenant in TENANTS:
        numbers = [each["data"]["number"] for each in stored if each["tenant_id"] == str(tenant)]
        assert numbers == sorted(numbers) and len(numbers) > 30


def test_a_second_delivery_is_stored_once(server: NatsServer, broker: Broker) -> None:
    event = record()
    deliver_batch(broker)
    # As if the process had died between the broker's answer and the commit.
    OutboxEvent.objects.filter(id=event.id).update(delivered_at=None)
    assert deliver_batch(broker) == 1
    assert [each["id"] for each in server.messages()] == [str(event.id)]


def test_a_refused_event_is_set_aside_and_holds_up_no_other(tmp_path: Path) -> None:
    with nats_server(tmp_path, max_payload=2000) as server, Broker(server.url) as broker:
        large, small = record(1, text="a" * 3000), record(2)
        assert deliver_batch(broker) == 2
        large.refresh_from_db()
        small.refresh_from_db()
        assert [each["data"]["number"] for each in server.messages()] == [2]
        assert (large.delivered_at, large.refusal) == (None, "nats: maximum payload exceeded")
        assert large.refused_at is not None and small.delivered_at is not None
        assert deliver_batch(broker) == 0


@pytest.mark.parametrize("room", [0, 40, 62])
def test_an_event_that_has_no_room_for_its_header_holds_up_no_other(tmp_path: Path, room: int) -> None:
    """The broker's limit counts the header too, and it ends the connection of a client that exceeds it."""
    with nats_server(tmp_path, max_payload=4000) as server, Broker(server.url) as broker:
        large = record(1, text="")
        large.data["text"] = "a" * (4000 - room - len(large.as_message()))
        large.save()
        small = record(2)
        assert deliver_batch(broker) == 2
        large.refresh_from_db()
        assert [each["id"] for each in server.messages()] == [str(small.id)]
        assert large.refusal == "nats: maximum payload exceeded"


def test_an_event_that_just_fits_is_delivered(tmp_path: Path) -> None:
    with nats_server(tmp_path, max_payload=4000) as server, Broker(server.url) as broker:
        event = record(1, text="")
        event.data["text"] = "a" * (4000 - 63 - len(event.as_message()))
        event.save()
        deliver_batch(broker)
        assert [each["id"] for each in server.messages()] == [str(event.id)]


def test_events_wait_while_the_brokers_storage_is_full(tmp_path: Path) -> None:
    """The broker answers as to a bad request, but nothing is wrong with the event."""
    with nats_server(tmp_path, storage="10KB") as server, Broker(server.url) as broker:
        first, second, third = (record(number, text="a" * 6000) for number in range(3))
        with pytest.raises(BrokerUnavailable):
            deliver_batch(broker)
        assert not OutboxEvent.objects.exclude(refused_at=None).exists()
        server.stop()
    with nats_server(tmp_path, storage="1MB") as server, Broker(server.url) as broker:
        while deliver_batch(broker):
            pass
        assert [each["id"] for each in server.messages()] == [str(each.id) for each in (first, second, third)]


def test_a_refused_event_is_delivered_after_staff_send_it_again(tmp_path: Path) -> None:
    with nats_server(tmp_path, max_payload=2000) as server, Broker(server.url) as broker:
        event = record(1, text="a" * 3000)
        deliver_batch(broker)
        server.stop()
    with nats_server(tmp_path, max_payload=8000) as server, Broker(server.url) as broker:
        assert deliver_batch(broker) == 0
        with pytest.raises(ReasonRequired):
            resend_event(event_id=event.id, why=" ", by=actor())
        for _ in range(2):
            resend_event(event_id=event.id, why="the limit was raised", by=actor())
        assert deliver_batch(broker) == 1
        assert [each["id"] for each in server.messages()] == [str(event.id)]
    [entry] = AuditEntry.objects.filter(action="event.resent")
    assert entry.changes == {"refusal": ["nats: maximum payload exceeded", ""]}


def test_events_wait_for_a_broker_that_is_away(
    server: NatsServer, settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVENTS_URL = server.url
    events = [record(number) for number in range(20)]
    server.stop()
    with caplog.at_level(logging.WARNING):
        deliver_events(seconds=3)
    assert [each.message.split(":")[0] for each in caplog.records] == ["the broker is unavailable, events wait"]
    assert not OutboxEvent.objects.exclude(delivered_at=None).exists()
    server.start()
    deliver_events(seconds=2)
    assert [each["id"] for each in server.messages()] == [str(event.id) for event in events]


def test_a_broker_that_dies_in_a_batch_loses_nothing(server: NatsServer, settings: Any) -> None:
    settings.EVENTS_URL = server.url
    events = [record(number) for number in range(60)]
    publish = Broker.publish
    turns: list[int] = []

    def kill_after_some(broker: Broker, messages: list[Message]) -> dict[UUID, str]:
        turns.append(len(messages))
        if len(turns) == 20:
            server.stop()
            threading.Thread(target=server.start).start()
        return publish(broker, messages)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Broker, "publish", kill_after_some)
        # The call that the broker's death interrupts takes until its time limit, and the new start a while.
        for _ in range(MAX_ROUNDS):
            deliver_events(seconds=TIMEOUT_SECONDS)
            if not OutboxEvent.objects.filter(delivered_at=None).exists():
                break
    assert not OutboxEvent.objects.filter(delivered_at=None).exists()
    assert [each["id"] for each in server.messages()] == [str(event.id) for event in events]


def test_an_event_recorded_in_a_round_is_delivered_in_it(server: NatsServer, settings: Any) -> None:
    settings.EVENTS_URL = server.url
    later = threading.Timer(0.5, record)
    later.start()
    deliver_events(seconds=4)
    later.join()
    assert OutboxEvent.objects.get().delivered_at is not None


def test_a_stream_of_the_operator_is_used(server: NatsServer, broker: Broker) -> None:
    broker._run(broker._jetstream.add_stream(name="operators", subjects=["sme.order.events"]))
    record()
    deliver_batch(broker)
    assert broker._run(broker._jetstream.find_stream_name_by_subject("sme.order.events")) == "operators"
    assert len(server.messages("sme.order.events")) == 1


def test_a_wrong_address_is_unavailable() -> None:
    with pytest.raises(BrokerUnavailable), Broker("nats://127.0.0.1:1"):
        pass
    assert module.MIN_PAUSE_SECONDS < module.MAX_PAUSE_SECONDS
