from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models import Organization

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
        ]

    def __str__(self) -> str:
        return f"{self.status} provision of {self.subdomain}"

    @property
    def id(self) -> UUID:
        return self.order_id


def as_rows(steps: list[Step]) -> list[dict[str, Any]]:
    """Returns the steps as a deployment's row has them."""
    return [step.as_json() for step in steps]
