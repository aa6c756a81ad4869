"""Events of other systems arrive from a real broker, and none holds up those behind it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import pytest
from django.db import OperationalError
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.errors import ReasonRequired
from billing.models import AuditEntry, Organization
from orders.api.provisioning.reports import parse_report
from orders.broker import DEAD_TOPIC, Broker
from orders.models import DeadLetter
from orders.tasks import apply_dead_letter as apply_dead_letter_job
from orders.use_cases.events import receive_events as module
from orders.use_cases.events.apply_dead_letter import apply_dead_letter, request_application
from orders.use_cases.events.receive_events import NeverApplicable, Outcome, apply_event, receive_batch
from orders.use_cases.organizations.delete_organization import delete_organization
from tests.factories import OrganizationFactory, actor
from tests.nats_server import NatsServer, nats_server

pytestmark = pytest.mark.django_db(transaction=True)
TENANT_TOPIC, PROVISION_TOPIC = "sme.tenant.events", "sme.provision.events"
APPLIED, IGNORED, SET_ASIDE, RETRIED = Outcome.APPLIED, Outcome.IGNORED, Outcome.SET_ASIDE, Outcome.RETRIED


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path) as running:
        yield running


@pytest.fixture
def broker(server: NatsServer) -> Iterator[Broker]:
    with Broker(server.url) as connected:
        receive(connected)  # makes the stream
        yield connected


def receive(broker: Broker) -> list[Outcome]:
    return receive_batch(broker, parse_report=parse_report)


def send(server: NatsServer, topic: str, *bodies: bytes | dict[str, Any]) -> None:
    async def publish() -> None:
        client = await nats.connect(server.url)
        for body in bodies:
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            await client.jetstream().publish(topic, text)
        await client.close()

    asyncio.run(publish())


def deleted(organization: Organization, **more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "type": "tenant.deleted",
        "source": "platform",
        "timestamp": "2026-11-27T12:00:00Z",
        "tenant_id": str(organization.pk),
        "data": {},
        "metadata": {},
        **more,
    }


def test_a_deleted_tenant_is_deleted_here_once(server: NatsServer, broker: Broker) -> None:
    first, second = OrganizationFactory.create(), OrganizationFactory.create()
    send(
        server,
        TENANT_TOPIC,
        deleted(first),
        deleted(first),
        deleted(first, tenant_id=None, data={"id": str(second.pk)}),
        deleted(first, tenant_id=str(uuid4())),
        deleted(OrganizationFactory.create(slug="stays"), source="qasima"),
        deleted(first, type="tenant.renamed"),
    )
    assert receive(broker) == [APPLIED, APPLIED, APPLIED, IGNORED, IGNORED, IGNORED]
    states = dict(Organization.objects.values_list("pk", "status"))
    assert (states[first.pk], states[second.pk]) == ("deleted", "deleted")
    assert Organization.objects.get(slug="stays").status != "deleted"
    entries = AuditEntry.objects.filter(action="organization.deleted")
    assert {(one.actor_id, one.reason) for one in entries} == {("platform", "the platform deleted it")}
    assert entries.count() == 2
    assert receive(broker) == []


@pytest.mark.parametrize("source", ["x\0", "\ud800", "x" * 300, 5, None])
def test_an_event_of_a_source_that_is_no_id_is_applied(source: object) -> None:
    body = json.dumps(deleted(OrganizationFactory.create(), source=source)).encode()
    assert apply_event(body, parse_report=parse_report) == APPLIED
    assert AuditEntry.objects.get(action="organization.deleted").actor_id == "events"


def test_poison_is_set_aside_and_the_next_event_goes_on(server: NatsServer, broker: Broker) -> None:
    organization = OrganizationFactory.create()
    send(
        server, TENANT_TOPIC, b"{", b"[]", {"type": "tenant.deleted", "data": 5}, deleted(organization, tenant_id="x")
    )
    send(server, TENANT_TOPIC, deleted(organization))
    report = {"type": "provision.progress", "source": "p", "id": "r1", "data": {"provision_id": str(uuid4())}}
    send(server, PROVISION_TOPIC, report, {**report, "data": {"status": "running"}})
    assert receive(broker) == [*[SET_ASIDE] * 4, APPLIED, SET_ASIDE, SET_ASIDE]
    assert receive(broker) == []
    dead = asyncio.run(read_dead(server))
    assert [reason for reason, _ in dead[:4]] == [
        "the event is no JSON",
        "the event has no type",
        "the event's data is no object",
        "the event names no organization",
    ]
    assert dead[5][0] == "the report is not valid: provision_id: give either provision_id or job_id"
    assert dead[0][1] == b"{" and len(dead) == 6
    kept = DeadLetter.objects.order_by("created_at", "id")
    assert [(each.reason, bytes(each.body)) for each in kept] == dead


def test_poison_that_fills_the_brokers_largest_message_is_set_aside(tmp_path: Path) -> None:
    """The broker refuses a copy of it with the reason in its headers, and ends the connection."""
    organization = OrganizationFactory.create()
    with nats_server(tmp_path, max_payload=3000) as server, Broker(server.url) as broker:
        receive(broker)
        send(server, TENANT_TOPIC, b"x" * 3000, deleted(organization))
        assert receive(broker) == [SET_ASIDE, APPLIED]
        assert receive(broker) == []
    assert bytes(DeadLetter.objects.get().body) == b"x" * 3000


@pytest.mark.parametrize("poison", [b"[" * 100_000, b'{"type": "tenant.deleted", "data": ' + b"9" * 5_000 + b"}"])
def test_json_that_no_parser_reads_is_never_applicable(poison: bytes) -> None:
    with pytest.raises(NeverApplicable, match="no JSON"):
        apply_event(poison, parse_report=parse_report)


@pytest.mark.parametrize("wrong", [None, True, {}, [], 1.5])
def test_a_report_without_an_id_is_not_taken_for_another_one(wrong: object) -> None:
    event = {"type": "provision.progress", "source": "p", "data": {"provision_id": str(uuid4()), "status": "running"}}
    for body in (event, event | {"id": wrong}):
        with pytest.raises(NeverApplicable, match="no id"):
            apply_event(json.dumps(body).encode(), parse_report=parse_report)


def test_a_dead_letter_is_applied_after_all_once_its_cause_is_mended(server: NatsServer, broker: Broker) -> None:
    organization = OrganizationFactory.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "delete_organization", lambda **_: (_ for _ in ()).throw(NeverApplicable("a bug")))
        send(server, TENANT_TOPIC, deleted(organization))
        assert receive(broker) == [SET_ASIDE]
        letter = DeadLetter.objects.get()
        assert not apply_dead_letter(dead_letter_id=letter.pk, parse_report=parse_report)
    with pytest.raises(ReasonRequired):
        request_application(dead_letter_id=letter.pk, by=actor(), reason=" ")
    for _ in range(2):
        request_application(dead_letter_id=letter.pk, by=actor(), reason="the bug is mended")
    [job] = ProcrastinateJob.objects.filter(task_name="apply_dead_letter")
    for _ in range(2):
        apply_dead_letter_job(**job.args)
    letter.refresh_from_db()
    organization.refresh_from_db()
    assert letter.applied_at is not None and organization.status == "deleted"


def test_an_event_that_cannot_be_applied_now_comes_again(
    server: NatsServer, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization, fails = OrganizationFactory.create(), [OperationalError("away"), RuntimeError("a bug")]

    def delete_or_fail(**options: Any) -> Any:
        if fails:
            raise fails.pop(0)
        return delete_organization(**options)

    monkeypatch.setattr(module, "delete_organization", delete_or_fail)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    send(server, TENANT_TOPIC, deleted(organization))
    assert receive(broker) == [RETRIED]
    assert receive(broker) == [RETRIED]
    assert receive(broker) == [APPLIED]
    organization.refresh_from_db()
    assert organization.status == "deleted"


async def read_dead(server: NatsServer) -> list[tuple[str, bytes]]:
    client = await nats.connect(server.url)
    subscription = await client.jetstream().pull_subscribe(DEAD_TOPIC, durable="reader")
    messages = await subscription.fetch(6, timeout=5)
    await client.close()
    return [((each.headers or {})["Qasima-Reason"], each.data) for each in messages]
