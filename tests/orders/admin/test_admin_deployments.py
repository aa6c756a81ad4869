"""Staff see how far a deployment is and which step failed; a superadmin repeats that step, with a reason."""

from http import HTTPStatus
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import AuditEntry, Customer, Organization
from orders import tasks
from orders.models import AppJob, Provision, UnsettledApp
from orders.models.step import Step, StepStatus
from orders.use_cases.apps.install_app import install_app
from orders.use_cases.provisioning.report_progress import Report, report_progress
from tests.console import client_of, create_user
from tests.factories import AppFactory, acting, give_credit
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failed(buy: Buy, ada: Customer, settings: Any) -> Provision:
    """A provision whose second step failed."""
    settings.PROVISIONER = "external"
    give_credit(ada, 50_000)
    order_id = buy("m", apps=("wordpress",)).order_id
    tasks.provision_organization(str(order_id))
    steps = [
        Step(name="Creating namespace", status=StepStatus.COMPLETED),
        Step(name="Deploying Wordpress", status=StepStatus.FAILED, message="no such image"),
    ]
    report_progress(report=Report(model=Provision, key=order_id, steps=steps))
    settings.PROVISIONER = "none"
    return Provision.objects.get(pk=order_id)


def page_of(row: Provision | AppJob) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


def retry_of(row: Provision | AppJob) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_retry", args=[row.pk])


@pytest.mark.parametrize("role", [SUPERADMIN, AUDITOR])
def test_staff_see_the_failed_step(failed: Provision, role: str) -> None:
    client = client_of(create_user(role))
    listed = client.get(reverse("admin:orders_provision_changelist"), {"q": "acme"}).content.decode()
    assert "acme" in listed and "25%" not in listed and "33%" in listed
    shown = client.get(page_of(failed)).content.decode()
    assert "Deploying Wordpress" in shown and "no such image" in shown
    assert ("Try again" in shown) is (role == SUPERADMIN)


def test_an_organization_links_to_its_failed_provision(failed: Provision, acme: Organization) -> None:
    page = reverse("admin:billing_organization_change", args=[acme.pk])
    shown = client_of(create_user(SUPERADMIN)).get(page).content.decode()
    assert f'href="{page_of(failed)}">failed</a>' in shown


def test_a_superadmin_repeats_the_failed_step_with_a_reason(failed: Provision, acme: Organization) -> None:
    client = client_of(create_user(SUPERADMIN))
    with nothing_changes():
        assert client.submit(retry_of(failed), {"reason": " "}).status_code == HTTPStatus.OK
    assert client.submit(retry_of(failed), {"reason": "the image is there now"}).status_code == HTTPStatus.FOUND
    failed.refresh_from_db()
    assert (failed.status, [step["status"] for step in failed.steps]) == (
        "provisioning",
        ["completed", "pending", "pending"],
    )
    audit = AuditEntry.objects.get(action="deployment.retried")
    assert (audit.object_id, audit.reason) == (str(failed.pk), "the image is there now")
    assert audit.changes == {"status": ["failed", "provisioning"]}
    tasks.provision_organization(str(failed.pk))
    acme.refresh_from_db()
    assert acme.status == "active"
    assert not UnsettledApp.objects.exists()
    assert "Try again" not in client.get(page_of(failed)).content.decode()


def test_a_failed_installation_is_repeated(failed: Provision, acme: Organization, ada: Customer) -> None:
    AppFactory.create(slug="wiki")
    install_app(organization_id=acme.id, slug="wiki", dep_choices={}, by=acting(ada))
    job = AppJob.objects.get()
    report_progress(report=Report(model=AppJob, key=job.id, status="FAILED"))
    assert UnsettledApp.objects.get(job=job).state == "failed"
    client = client_of(create_user(SUPERADMIN))
    client.submit(retry_of(job), {"reason": "again"})
    assert UnsettledApp.objects.get(job=job).state == "installing"
    tasks.run_app_job(str(job.id))
    assert not UnsettledApp.objects.filter(job=job).exists()


def test_others_may_not_repeat_it(failed: Provision) -> None:
    for role in (AUDITOR, SOVEREIGN_ADMIN):
        client = client_of(create_user(role))
        with nothing_changes():
            assert client.get(retry_of(failed)).status_code == HTTPStatus.FORBIDDEN
            assert client.post(retry_of(failed), {"reason": "x"}).status_code == HTTPStatus.FORBIDDEN


def test_a_job_that_a_newer_one_replaced_is_not_repeated(
    failed: Provision, acme: Organization, ada: Customer
) -> None:
    AppFactory.create(slug="wiki")
    install_app(organization_id=acme.id, slug="wiki", dep_choices={}, by=acting(ada))
    old = AppJob.objects.get()
    report_progress(report=Report(model=AppJob, key=old.id, status="FAILED"))
    install_app(organization_id=acme.id, slug="wiki", dep_choices={}, by=acting(ada))
    newer = AppJob.objects.exclude(pk=old.pk).get()
    client = client_of(create_user(SUPERADMIN))
    for end in (None, "SUCCEEDED"):
        if end:
            report_progress(report=Report(model=AppJob, key=newer.id, status=end))
        with nothing_changes():
            answer = client.submit(retry_of(old), {"reason": "again"})
        assert answer.status_code == HTTPStatus.OK
        assert "A newer job has changed these apps since" in answer.content.decode()


def test_a_deployment_that_failed_after_its_last_step_is_completed(failed: Provision, acme: Organization) -> None:
    client = client_of(create_user(SUPERADMIN))
    client.submit(retry_of(failed), {"reason": "again"})
    steps = [Step(name=step["name"], status=StepStatus.COMPLETED) for step in failed.steps]
    report_progress(report=Report(model=Provision, key=failed.pk, steps=steps, status="FAILED"))
    failed.refresh_from_db()
    assert (failed.status, failed.progress) == ("failed", 100)
    client.submit(retry_of(failed), {"reason": "it is there"})
    tasks.provision_organization(str(failed.pk))
    failed.refresh_from_db()
    acme.refresh_from_db()
    assert (failed.status, acme.status) == ("completed", "active")
