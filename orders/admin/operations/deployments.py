"""Provisions and app jobs: what is deployed for organizations, how far it is, and which step failed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import Column, Fact, Panel, Text, Tool, change_url, code, moment, state_badge
from billing.admin.console.filters import one_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.admin.ledger import order_link
from billing.language import say, say_known
from orders.admin.organizations import organization_link
from orders.models import AppJob, Provision
from orders.models.provisioning import Deployment
from orders.use_cases.provisioning.advance_deployment import lock_deployment
from orders.use_cases.provisioning.retry_deployment import retry_deployment


class DeploymentAdmin(ReadOnlyAdmin):
    """The list and page of deployments. A superadmin may repeat the failed step of one, with a reason."""

    deployment: ClassVar[type[Provision] | type[AppJob]]

    list_display = ("when", "organization_named", "subject", "state", "done")
    narrow_by = {"organization": "organization"}
    search_fields = ("pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any, Any]:
        return self.deployment._default_manager.select_related("organization")

    def search_filter(self, term: str) -> Q:
        try:
            return Q(pk=UUID(term)) | Q(organization=UUID(term))
        except ValueError:
            return Q(organization__slug=term)

    @admin.display(description="Time")
    def when(self, found: Deployment) -> Text:
        return moment(found.created_at)

    @admin.display(description="Organization")
    def organization_named(self, found: Deployment) -> Text:
        return organization_link(found.organization)

    @admin.display(description="State")
    def state(self, found: Deployment) -> Text:
        return state_badge(found.status)

    @admin.display(description="Done")
    def done(self, found: Deployment) -> Text:
        return f"{found.progress}%"

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("Done", self.done(record))
        yield Fact("Organization", self.organization_named(record))
        yield from self.own_facts(record)
        yield Fact("Started", moment(record.created_at))
        yield Fact("Changed", moment(record.updated_at))
        yield Fact("Id", code(record.pk))

    def own_facts(self, record: Any) -> Iterable[Fact]:
        return ()

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        yield Panel(
            title="Steps",
            columns=[Column("Step"), Column("State"), Column("Message"), Column("Started"), Column("Done")],
            rows=[
                (
                    step.name,
                    state_badge(step.status),
                    say_known(step.message),
                    _time(step.started_at),
                    _time(step.done_at),
                )
                for step in record.read_steps()
            ],
            empty="There are no steps.",
        )

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.status != record.Status.SUCCEEDED and request.user.has_perm(self._retry_permission):
            yield Tool("Try again", reverse(f"admin:{self.model_label}_retry", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:key>/retry/", "retry", self.retry_view)]

    def retry_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        """Asks for the reason, and repeats the failed step."""
        found = find_for_act(self, request, key, permission=self._retry_permission)

        def retry(reason: str) -> Done:
            retry_deployment(model=self.deployment, key=found.pk, by=actor_of(request), reason=reason)
            return Done("The failed step is tried again.", change_url(self.model_label, found.pk))

        return confirm_act(
            self,
            request,
            found,
            name="retry",
            title="Try again",
            submit="Try again",
            seen=found.updated_at,
            lock_state=lambda: lock_deployment(self.deployment, found.pk).updated_at,
            effect=retry,
            facts=[Fact("Organization", self.organization_named(found)), Fact("State", self.state(found))],
            warning="Repeats the failed step and the steps after it. Completed steps stay as they are.",
        )

    @property
    def _retry_permission(self) -> str:
        return "{}.change_{}".format(*self.model_label.split("_"))


@admin.register(Provision)
class ProvisionAdmin(DeploymentAdmin):
    deployment = Provision
    noun, nouns = "provision", "provisions"
    time_field = "created_at"
    list_filter = (one_of("status", tuple(Provision.Status.values)),)
    search_help_text = "Order or organization id, or the organization's address"

    @admin.display(description="Order")
    def subject(self, found: Provision) -> Text:
        return order_link(found.order_id)

    def own_facts(self, record: Any) -> Iterable[Fact]:
        yield Fact("Order", order_link(record.order_id))


@admin.register(AppJob)
class AppJobAdmin(DeploymentAdmin):
    deployment = AppJob
    noun, nouns = "app job", "app jobs"
    list_filter = (one_of("status", tuple(Deployment.Status.values)), one_of("kind", tuple(AppJob.Kind.values)))
    search_help_text = "Job or organization id, or the organization's address"

    @admin.display(description="Job")
    def subject(self, found: AppJob) -> Text:
        return f"{found.get_kind_display()} {found.app_name}"

    def own_facts(self, record: Any) -> Iterable[Fact]:
        yield Fact("Job", self.subject(record))
        for title, services in (("Deletes", record.purged_services), ("Keeps", record.retained_services)):
            if services:
                yield Fact(title, say(", ").join(service["name"] for service in services))


def _time(instant: str | None) -> Text:
    return moment(datetime.fromisoformat(instant) if instant else None)
