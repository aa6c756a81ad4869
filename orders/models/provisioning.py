from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.models import Organization
from billing.models.keys import Uuid7

from .order import Order
from .step import Step, progress_of, read_steps


class Deployment(models.Model):
    """Work of the provisioner for an organization: steps, completed one after the other.

    provisioning.sql keeps the steps: none is removed or moved, and a completed one stays completed.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    status = models.CharField(max_length=12)
    steps = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True

    @property
    def is_finished(self) -> bool:
        return self.status in (self.Status.SUCCEEDED, self.Status.FAILED)

    @property
    def progress(self) -> int:
        return progress_of(self.steps)

    def read_steps(self) -> list[Step]:
        return read_steps(self.steps)


class Provision(Deployment):
    """The deployment of what a completed order bought. Its key is the order's, so an order has at most one."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "provisioning"
        SUCCEEDED = "completed"
        FAILED = "failed"

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.PENDING: {Status.RUNNING, Status.SUCCEEDED, Status.FAILED},
        Status.RUNNING: {Status.SUCCEEDED, Status.FAILED},
        Status.SUCCEEDED: set(),
        # Staff retry a failed one.
        Status.FAILED: {Status.RUNNING},
    }

    order = models.OneToOneField(Order, on_delete=models.PROTECT, primary_key=True, related_name="provision")
    plan_id = models.UUIDField()
    apps = models.JSONField(default=list, blank=True, help_text="The ids of the apps that the order names.")
    subdomain = models.CharField(max_length=31)
    status = models.CharField(max_length=12, choices=Status, default=Status.PENDING, db_default=Status.PENDING)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "provisioning", "completed", "failed"]),
                name="orders_provision_status_known",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="orders_provision_newest"),
            models.Index(fields=["-created_at", "-order"], name="orders_provision_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.status} provision of {self.subdomain}"

    @property
    def id(self) -> UUID:
        return self.order_id


class AppJob(Deployment):
    """The installation of an app with what it needs, or its removal with what nothing else needs."""

    class Kind(models.TextChoices):
        INSTALL = "install"
        UNINSTALL = "uninstall"

    Status = Deployment.Status

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        Status.PENDING: {
            Status.RUNNING,
            Status.SUCCEEDED,
            Status.FAILED,
        },
        Status.RUNNING: {Status.SUCCEEDED, Status.FAILED},
        Status.SUCCEEDED: set(),
        # Staff retry a failed one.
        Status.FAILED: {Status.RUNNING},
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    kind = models.CharField(max_length=9, choices=Kind)
    status = models.CharField(
        max_length=12,
        choices=Deployment.Status,
        default=Deployment.Status.PENDING,
        db_default=Deployment.Status.PENDING,
    )
    app_id = models.UUIDField()
    app_slug = models.CharField(max_length=50)
    app_name = models.CharField(max_length=100)
    apps = models.JSONField(default=list, help_text="The ids of the apps that the job installs or removes.")
    dep_choices = models.JSONField(default=dict, help_text="By dependency, `dedicated` or the app that is reused.")
    purged_services = models.JSONField(null=True, help_text="The services that a removal deletes.")
    retained_services = models.JSONField(null=True, help_text="The services that other apps still need.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["install", "uninstall"]), name="orders_appjob_kind_known"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "running", "succeeded", "failed"]),
                name="orders_appjob_status_known",
            ),
            models.CheckConstraint(
                condition=Q(kind="install", purged_services__isnull=True, retained_services__isnull=True)
                | Q(kind="uninstall", purged_services__isnull=False, retained_services__isnull=False),
                name="orders_appjob_removal_names_services",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-created_at", "-id"], name="orders_appjob_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.app_slug}"


class UnsettledApp(models.Model):
    """An app of an organization that a job installs or removes, or where that failed. A settled app has no row.

    Without a job, it is an app of an order whose provision has failed.
    """

    class State(models.TextChoices):
        INSTALLING = "installing"
        UNINSTALLING = "uninstalling"
        FAILED = "failed"

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    app_id = models.UUIDField()
    state = models.CharField(max_length=12, choices=State)
    job = models.ForeignKey(AppJob, on_delete=models.PROTECT, null=True, related_name="unsettled_apps")

    class Meta:
        constraints = [
            # At most one job at a time changes an app.
            models.UniqueConstraint(fields=["organization", "app_id"], name="orders_unsettledapp_once"),
            models.CheckConstraint(
                condition=Q(state__in=["installing", "uninstalling", "failed"]),
                name="orders_unsettledapp_state_known",
            ),
            models.CheckConstraint(
                condition=Q(job__isnull=False) | Q(state="failed"), name="orders_unsettledapp_without_job_failed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.app_id}"


class DependencyUse(models.Model):
    """A service that an app needs and does not share. Without a row, the app uses the organization's shared one."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+", db_index=False)
    app_id = models.UUIDField()
    service_id = models.UUIDField()
    dedicated_to = models.UUIDField(
        null=True,
        help_text="The app whose own service it is, this one or another. Empty: the service was removed by force.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "app_id", "service_id"], name="orders_dependencyuse_once"
            ),
            models.CheckConstraint(condition=~Q(app_id=F("service_id")), name="orders_dependencyuse_of_another_app"),
        ]

    def __str__(self) -> str:
        return f"{self.app_id} uses {self.service_id} of {self.dedicated_to}"


class BackingServices(models.Model):
    """The services behind an organization's apps, as the provisioner last reported them."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="backing_services"
    )
    services = models.JSONField(default=list)
    reported_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "backing services"

    def __str__(self) -> str:
        return f"backing services of {self.organization_id}"


class ProvisioningReport(models.Model):
    """The id of a report of the provisioner that was applied. A report is applied once."""

    id = models.CharField(primary_key=True, max_length=255)
    received_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.id
