"""The provisioner reports progress: once an id, in any order, and nothing that has ended is moved back."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing.actor import SUPERADMIN
from billing.models import Customer
from orders import tasks
from orders.api.provisioning.reports import parse_report
from orders.models import App, AppJob, OutboxEvent, Provision
from orders.use_cases.events.receive_events import NeverApplicable, Outcome, apply_event
from orders.use_cases.provisioning.retry_deployment import retry_deployment
from tests.factories import actor, give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, by_token
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import JOB, PROVISION

pytestmark = pytest.mark.django_db(transaction=True)

SERVICE = {
    "id": "svc-1",
    "slug": "mariadb",
    "name": "MariaDB",
    "category": "database",
    "version": "11.4",
    "endpoint_host": "mariadb.acme.svc",
    "endpoint_port": 3306,
    "pod_status": "Running",
    "ready_replicas": 1,
    "total_replicas": 1,
}


@pytest.fixture(autouse=True)
def provisioner_elsewhere(settings: Any) -> None:
    settings.PROVISIONER = "external"


@pytest.fixture
def robot() -> Caller:
    return by_token("provisioner", "robot")


@pytest.fixture
def provision(checkout: Checkout, ada: Caller, acme: str) -> str:
    """The id of the provision of Ada's order of plan m with WordPress."""
    give_credit(Customer.objects.get(user_id="ada"), 50_000)
    order_id = str(checkout(apps=["wordpress"]).body["order_id"])
    tasks.provision_organization(order_id)
    return order_id


def report(caller: Caller, provision: str, *steps: tuple[str, str], **body: Any) -> Answer:
    listed = [{"name": name, "status": status} for name, status in steps]
    return caller.post("provisioning/report", {"provision_id": provision, "steps": listed, **body})


def states(body: Any) -> list[str]:
    return [step["status"] for step in body["steps"]]


def test_the_provisioner_is_asked_once_and_nothing_happens_until_it_reports(
    ada: Caller, acme: str, provision: str
) -> None:
    tasks.provision_organization(provision)
    event = OutboxEvent.objects.get(type="provision.requested")
    assert (event.topic, event.source, str(event.tenant_id)) == ("sme.provision.events", "qasima", acme)
    assert event.data == ada.get(f"provisioning/tenant/{acme}").body
    assert event.data["status"] == "pending"


def test_steps_are_reported_one_after_the_other_until_the_organization_is_active(
    robot: Caller, ada: Caller, acme: str, provision: str
) -> None:
    answer = report(robot, provision, ("Creating namespace", "running"))
    assert answer.status == 200
    assert_shape(answer.body, PROVISION)
    assert (answer.body["status"], states(answer.body)) == ("provisioning", ["running", *["pending"] * 3])
    names = [step["name"] for step in answer.body["steps"]]
    body = report(robot, provision, (names[0], "completed"), (names[1], "running")).body
    assert (states(body), body["progress"]) == (["completed", "running", "pending", "pending"], 25)
    assert ada.get(f"tenant/orgs/{acme}").body["status"] == "provisioning"
    body = report(robot, provision, *((name, "completed") for name in names[1:])).body
    assert (body["status"], body["progress"]) == ("completed", 100)
    assert all(step["started_at"] and step["done_at"] for step in body["steps"])
    assert ada.get(f"provisioning/tenant/{acme}").body == body
    assert ada.get(f"tenant/orgs/{acme}").body["status"] == "active"
    assert OutboxEvent.objects.filter(type="tenant.created").count() == 1


def test_a_report_with_the_same_id_changes_nothing(robot: Caller, provision: str) -> None:
    first = report(robot, provision, ("Creating namespace", "running"), id="r-1")
    with nothing_changes():
        again = report(robot, provision, ("Creating namespace", "failed"), id="r-1", services=[SERVICE])
    assert (again.status, again.body) == (200, first.body)


def test_the_same_step_twice_and_a_late_one_change_nothing(robot: Caller, provision: str) -> None:
    report(robot, provision, ("Creating namespace", "running"))
    done = report(robot, provision, ("Creating namespace", "completed")).body["steps"]
    for late in ("completed", "running", "pending", "failed"):
        assert report(robot, provision, ("Creating namespace", late)).body["steps"] == done


def test_reports_out_of_order_keep_the_order_of_steps(robot: Caller, provision: str) -> None:
    body = report(robot, provision, ("Deploying Wordpress", "running"), ("Creating namespace", "completed")).body
    assert states(body) == ["completed", "pending", "running", "pending"]
    body = report(robot, provision, ("Warming caches", "running")).body
    assert [step["name"] for step in body["steps"]] == [
        "Creating namespace",
        "Deploying Mariadb",
        "Deploying Wordpress",
        "Connecting acme.sovereign.example",
        "Warming caches",
    ]


@pytest.mark.parametrize("status", ["completed", "succeeded"])
def test_a_status_completes_every_step(robot: Caller, provision: str, status: str) -> None:
    body = report(robot, provision, status=status).body
    assert (body["status"], set(states(body)), body["progress"]) == ("completed", {"completed"}, 100)


def test_a_finished_provision_stays_as_it_is(robot: Caller, ada: Caller, acme: str, provision: str) -> None:
    done = report(robot, provision, status="completed").body
    for late in (
        report(robot, provision, status="failed"),
        report(robot, provision, status="provisioning"),
        report(robot, provision, ("Creating namespace", "running"), ("New", "pending")),
    ):
        assert late.body == done
    assert ada.get(f"tenant/orgs/{acme}").body["status"] == "active"


@pytest.mark.parametrize("with_step", [True, False])
def test_a_failed_step_shows_in_the_provision(
    robot: Caller, ada: Caller, acme: str, provision: str, with_step: bool
) -> None:
    steps = [("Creating namespace", "failed")] if with_step else []
    body = report(robot, provision, *steps, **({} if with_step else {"status": "failed"})).body
    assert (body["status"], states(body)[0]) == ("failed", "failed")
    assert ada.get(f"provisioning/tenant/{acme}").body["status"] == "failed"
    organization = ada.get(f"tenant/orgs/{acme}").body
    assert (organization["status"], organization["apps"] != []) == ("provisioning", True)
    assert organization["app_states"] == dict.fromkeys(organization["apps"], "failed")
    assert report(robot, provision, status="completed").body["status"] == "failed"


def test_a_retry_and_an_installation_settle_the_apps_of_a_failed_provision(
    robot: Caller, ada: Caller, acme: str, provision: str
) -> None:
    report(robot, provision, status="failed")
    retry_deployment(model=Provision, key=UUID(provision), by=actor(SUPERADMIN), reason="more room")
    assert ada.get(f"tenant/orgs/{acme}").body["app_states"] == {}
    report(robot, provision, status="failed")
    assert ada.post(f"tenant/orgs/{acme}/apps", {"slug": "wordpress"}).body["status"] == "queued"
    [job] = ada.get(f"provisioning/jobs?tenant_id={acme}").body
    assert robot.post("provisioning/report", {"job_id": job["id"], "status": "succeeded"}).status == 200
    assert ada.get(f"tenant/orgs/{acme}").body["app_states"] == {}


def test_services_are_those_of_the_newest_report(robot: Caller, ada: Caller, acme: str, provision: str) -> None:
    path = f"tenant/orgs/{acme}/backing-services"
    report(robot, provision, services=[SERVICE], reported_at="2026-11-01T10:00:00Z")
    assert ada.get(path).body == {"services": [SERVICE]}
    pending = {**SERVICE, "pod_status": "Pending", "image": "mariadb:11"}
    report(robot, provision, services=[pending], reported_at="2026-11-01T09:59:59Z")
    assert ada.get(path).body == {"services": [SERVICE]}
    report(robot, provision, services=[pending], reported_at="2026-11-01T10:00:01Z")
    assert ada.get(path).body == {"services": [pending]}
    report(robot, provision, services=[])
    assert ada.get(path).body == {"services": []}


def test_services_of_a_clock_that_is_ahead_do_not_refuse_later_ones(
    robot: Caller, ada: Caller, acme: str, provision: str
) -> None:
    report(robot, provision, services=[SERVICE], reported_at="2999-01-01T00:00:00Z")
    report(robot, provision, services=[])
    assert ada.get(f"tenant/orgs/{acme}/backing-services").body == {"services": []}


def test_a_job_succeeds_or_fails_with_its_apps(robot: Caller, ada: Caller, acme: str, provision: str) -> None:
    report(robot, provision, status="completed")
    App.objects.create(slug="ghost", name="Ghost", category="cms", dependencies=["mariadb"])
    ghost = str(App.objects.get(slug="ghost").id)
    path = f"tenant/orgs/{acme}/apps"
    ada.post(path, {"slug": "ghost"})
    job = AppJob.objects.get()
    body = {"job_id": str(job.id)}
    running = robot.post("provisioning/report", {**body, "status": "running"})
    assert (running.status, running.body["status"]) == (200, "running")
    assert_shape(running.body, JOB)
    assert robot.post("provisioning/report", {**body, "status": "failed"}).body["status"] == "failed"
    assert ada.get(f"tenant/orgs/{acme}").body["app_states"] == {ghost: "failed"}
    assert ada.post(path, {"slug": "ghost"}).body["status"] == "queued"
    second = AppJob.objects.exclude(id=job.id).get()
    robot.post("provisioning/report", {"job_id": str(second.id), "status": "succeeded"})
    assert ada.get(f"tenant/orgs/{acme}").body["app_states"] == {}


def test_only_the_provisioner_reports(ada: Caller, robot: Caller, provision: str) -> None:
    with nothing_changes():
        for caller in (ada, by_token("auditor"), by_token("sovereign-admin")):
            assert_refused(report(caller, provision, status="completed"), 403, "permission_denied")
        assert_refused(report(robot, str(uuid4()), status="completed"), 404, "provision_not_found")
        assert_refused(robot.post("provisioning/report", {"job_id": provision}), 404, "provision_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"provision_id": "x"},
        {"status": "done"},
        {"steps": [{"name": "x"}]},
        {"steps": [{"name": "x", "status": "lost"}]},
        {"steps": [{"name": "", "status": "running"}]},
        {"steps": [{"name": "x", "status": "running"}] * 101},
        {"services": [{**SERVICE, "pod_status": "Dead"}]},
        {"services": [{**SERVICE, "endpoint_port": "3306"}]},
        {"services": 5},
        {"id": "x" * 256},
        {"reported_at": "yesterday"},
        {"job_id": str(uuid4())},
    ],
)
def test_an_invalid_report_is_refused(robot: Caller, provision: str, body: dict[str, Any]) -> None:
    named = {} if body == {} else {"provision_id": provision}
    with nothing_changes():
        assert_refused(robot.post("provisioning/report", {**named, **body}), 400, "invalid_request")


def test_progress_may_arrive_as_an_event_too(ada: Caller, provision: str) -> None:
    envelope = {
        "id": "evt-1",
        "type": "provision.progress",
        "source": "provisioner",
        "tenant_id": None,
        "data": {"provision_id": provision, "status": "completed"},
    }
    for _ in range(2):
        assert apply_event(json.dumps(envelope).encode(), parse_report=parse_report) == Outcome.APPLIED
    answer = ada.get(f"provisioning/status/{provision}")
    assert (answer.body["status"], set(states(answer.body))) == ("completed", {"completed"})
    with pytest.raises(NeverApplicable, match="status"):
        wrong = {**envelope, "data": {"provision_id": provision, "status": "lost"}}
        apply_event(json.dumps(wrong).encode(), parse_report=parse_report)
