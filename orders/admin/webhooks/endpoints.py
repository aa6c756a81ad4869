"""The pages of subscribers' endpoints."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html_join

from billing.admin.audit import history_panel
from billing.admin.console.acts import StateChange, confirm_act, confirm_change, find_for_act
from billing.admin.console.base import RecordAdmin, View
from billing.admin.console.display import (
    NOTHING,
    Column,
    Fact,
    Panel,
    Text,
    Tool,
    badge,
    change_url,
    clipped,
    code,
    copyable,
    link,
    list_url,
    moment,
    state_badge,
)
from billing.admin.console.forms import ReasonForm
from billing.admin.console.pages import form_page
from billing.admin.console.people import name_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.language import say
from orders.admin.event_types import event_type
from orders.locks import lock_webhook_endpoint
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.use_cases.webhooks.endpoint_secrets import reveal_secret, rotate_secret
from orders.use_cases.webhooks.keep_endpoints import (
    change_endpoint,
    pause_endpoint,
    register_endpoint,
    resume_endpoint,
    retire_endpoint,
)
from orders.use_cases.webhooks.resend_failed import resend_failed
from orders.use_cases.webhooks.send_test import send_test

from .forms import EndpointForm

_PERMISSION = "orders.change_webhookendpoint"
_MAX_PANEL_ROWS = 10
_STATUS = WebhookEndpoint.Status
_CHANGES = {
    "pause": StateChange(
        name="Pause",
        done="paused",
        warning="Nothing is sent to it until it is resumed. Its events wait.",
        use_case=pause_endpoint,
        leads_to=_STATUS.PAUSED,
    ),
    "resume": StateChange(
        name="Resume",
        done="active",
        warning="The events that wait are sent at once.",
        use_case=resume_endpoint,
        leads_to=_STATUS.ACTIVE,
    ),
    "retire": StateChange(
        name="Retire",
        done="retired",
        warning="It gets no events any more, and those that wait are not sent. There is no way back.",
        use_case=retire_endpoint,
        leads_to=_STATUS.RETIRED,
        danger=True,
    ),
}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(RecordAdmin):
    """The list and pages of endpoints. A secret is shown on a page of its own, and each reading is recorded."""

    noun, nouns = "webhook", "webhooks"
    list_display = ("address", "about", "events", "state", "failing")
    list_filter = ("status",)
    search_fields = ("url",)
    search_help_text = "Address"
    ordering = ("-created_at", "-id")
    sortable_by = ()
    actions = None
    add_title = "Register a webhook"

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint, WebhookEndpoint]:
        return WebhookEndpoint.objects.annotate(registrar_name=name_of("created_by")).order_by(*self.ordering)

    def search_filter(self, term: str) -> Q:
        return Q(url__icontains=term)

    @admin.display(description="Address")
    def address(self, endpoint: WebhookEndpoint) -> Text:
        return clipped(endpoint.url)

    @admin.display(description="Description")
    def about(self, endpoint: WebhookEndpoint) -> Text:
        return endpoint.description or NOTHING

    @admin.display(description="Events")
    def events(self, endpoint: WebhookEndpoint) -> Text:
        return format_html_join(", ", "{}", ((code(each),) for each in endpoint.types)) or say("all")

    @admin.display(description="State")
    def state(self, endpoint: WebhookEndpoint) -> Text:
        return state_badge(endpoint.status)

    @admin.display(description="Failing since")
    def failing(self, endpoint: WebhookEndpoint) -> Text:
        return moment(endpoint.failing_since)

    def title_of(self, record: Any) -> str:
        return str(record.url)

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("Address", copyable(record.url))
        yield Fact("State", self.state(record))
        if record.pause_reason:
            yield Fact("Why it is paused", record.pause_reason)
        yield Fact("Description", self.about(record))
        yield Fact("Events", self.events(record))
        if record.failing_since:
            yield Fact("Failing since", moment(record.failing_since))
            yield Fact("Next attempt", moment(record.retry_at))
        if record.previous_secret_until:
            yield Fact("The earlier secret signs until", moment(record.previous_secret_until))
        yield Fact("Registered", moment(record.created_at))
        yield Fact("Registered by", record.registrar_name)
        yield Fact("Id", code(record.pk))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if not request.user.has_perm(_PERMISSION) or record.status == _STATUS.RETIRED:
            return
        for title, name in (("Test", "test"), ("Change", "edit"), ("Secret", "secret"), ("Rotate secret", "rotate")):
            yield Tool(title, self._url(name, record))
        failed = WebhookDelivery.objects.filter(endpoint=record, status=WebhookDelivery.Status.FAILED, closed_at=None)
        if failed.exists():
            yield Tool("Resend failed", self._url("resend", record))
        for name, change in _CHANGES.items():
            if change.leads_to in WebhookEndpoint.TRANSITIONS[record.status]:
                yield change.tool(self._url(name, record))

    def links(self, record: Any) -> Iterable[Tool]:
        yield Tool("All its deliveries", list_url("orders_webhookdelivery", endpoint_id=str(record.pk)))

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        deliveries = WebhookDelivery.objects.filter(endpoint=record).select_related("event")
        newest = deliveries.order_by("-created_at", "-pk")[:_MAX_PANEL_ROWS]
        yield Panel(
            title="Newest deliveries",
            columns=[Column("Recorded"), Column("Event"), Column("State"), Column("Attempts"), Column("Last answer")],
            rows=[
                (
                    link(moment(each.created_at), change_url("orders_webhookdelivery", each.pk)),
                    event_type(each.event.type),
                    delivery_state(each),
                    str(each.attempts),
                    last_answer(each),
                )
                for each in newest
            ],
            empty="Nothing yet. Send a test to try it.",
        )
        yield history_panel(object_type="webhookendpoint", object_id=str(record.pk))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [
            ("<uuid:endpoint_id>/edit/", "edit", self.edit_view),
            ("<uuid:endpoint_id>/secret/", "secret", self.secret_view),
            ("<uuid:endpoint_id>/rotate/", "rotate", self.rotate_view),
            ("<uuid:endpoint_id>/test/", "test", self.test_view),
            ("<uuid:endpoint_id>/resend/", "resend", self.resend_view),
            *(
                (f"<uuid:endpoint_id>/{name}/", name, partial(self.state_view, change=change, name=name))
                for name, change in _CHANGES.items()
            ),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = EndpointForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"{self.model_label}:add", None)

        def effect() -> Done:
            made = register_endpoint(**form.values(), by=actor_of(request)).endpoint
            page = change_url(self.model_label, made.pk)
            return Done("The webhook is registered. Show its secret to give it to the subscriber.", page)

        if form.is_valid() and (answer := submission.submit(form, lock_state=lambda: None, effect=effect)):
            return answer
        return form_page(
            self,
            request,
            title=self.add_title,
            form=form,
            submission=submission,
            submit="Register",
            back=list_url(self.model_label),
        )

    def edit_view(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """Changes the address, the description and the events."""
        endpoint = find_for_act(self, request, endpoint_id, permission=_PERMISSION)
        initial = {"url": endpoint.url, "description": endpoint.description, "types": endpoint.types}
        form = EndpointForm(request.POST if request.method == "POST" else None, initial=initial)
        submission = Submission(request, f"{self.model_label}:edit:{endpoint.pk}", endpoint.updated_at)
        page = change_url(self.model_label, endpoint.pk)

        def effect() -> Done:
            change_endpoint(endpoint_id=endpoint.pk, **form.values(), by=actor_of(request))
            return Done("The webhook is changed.", page)

        if form.is_valid() and (
            answer := submission.submit(form, lock_state=lambda: self._lock_state(endpoint.pk), effect=effect)
        ):
            return answer
        return form_page(
            self,
            request,
            title="Change",
            form=form,
            submission=submission,
            submit="Change",
            back=page,
            parent=(self.title_of(endpoint), page),
        )

    def secret_view(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """Shows the secret, after its reading is recorded. The page may be sent again: that is another reading."""
        endpoint = find_for_act(self, request, endpoint_id, permission=_PERMISSION)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        page, facts = change_url(self.model_label, endpoint.pk), [Fact("Address", endpoint.url)]
        if form.is_valid():
            facts.append(Fact("Secret", self._read_secret(request, endpoint, form.cleaned_data["reason"])))
        answer = form_page(
            self,
            request,
            title="Show the secret",
            form=form,
            submission=Submission(request, f"{self.model_label}:secret:{endpoint.pk}", endpoint.updated_at),
            submit="Show the secret",
            back=page,
            parent=(self.title_of(endpoint), page),
            facts=facts,
            warning="With the secret anyone can forge events to this subscriber. Your reading of it is recorded.",
        )
        add_never_cache_headers(answer)
        return answer

    def _read_secret(self, request: HttpRequest, endpoint: WebhookEndpoint, reason: str) -> Text:
        try:
            return copyable(reveal_secret(endpoint_id=endpoint.pk, by=actor_of(request), reason=reason))
        except InvalidToken:
            return "It cannot be decrypted, because SECRET_KEY changed. Rotate it."

    def rotate_view(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """Gives the endpoint a new secret."""
        endpoint = find_for_act(self, request, endpoint_id, permission=_PERMISSION)

        def rotate(reason: str) -> Done:
            rotate_secret(endpoint_id=endpoint.pk, by=actor_of(request), reason=reason)
            page = change_url(self.model_label, endpoint.pk)
            return Done("It has a new secret. Show it to give it to the subscriber within 24 hours.", page)

        return self._confirm(
            request,
            endpoint,
            name="rotate",
            title="Rotate the secret",
            effect=rotate,
            warning="Requests are signed with both secrets for 24 hours. Then only the new one counts.",
        )

    def test_view(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """Sends a test message."""
        endpoint = find_for_act(self, request, endpoint_id, permission=_PERMISSION)

        def test(reason: str) -> Done:
            answer = send_test(endpoint_id=endpoint.pk, by=actor_of(request), reason=reason)
            text = say(
                "The endpoint accepted it with %(status)s (%(number)s ms)."
                if answer.is_accepted
                else "The endpoint did not accept it: %(error)s (%(number)s ms).",
                status=answer.status,
                error=answer.error,
                number=answer.milliseconds,
            )
            return Done(text, change_url(self.model_label, endpoint.pk))

        return self._confirm(
            request,
            endpoint,
            name="test",
            title="Send a test",
            effect=test,
            warning="The endpoint gets a signed message of the type webhook.test at once.",
            with_calls=True,
            lock_state=lambda: WebhookEndpoint.objects.get(pk=endpoint.pk).updated_at,
        )

    def resend_view(self, request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
        """Sends all failed deliveries again."""
        endpoint = find_for_act(self, request, endpoint_id, permission=_PERMISSION)

        def resend(reason: str) -> Done:
            number = resend_failed(endpoint_id=endpoint.pk, by=actor_of(request), reason=reason)
            return Done(
                say("%(number)s failed deliveries are sent again.", number=number),
                change_url(self.model_label, endpoint.pk),
            )

        return self._confirm(
            request,
            endpoint,
            name="resend",
            title="Send failed ones again",
            effect=resend,
            warning="Every failed delivery that is not closed is sent again, with all its attempts.",
        )

    def state_view(self, request: HttpRequest, endpoint_id: UUID, *, change: StateChange, name: str) -> HttpResponse:
        """Pauses, resumes or retires the endpoint."""
        endpoint = find_for_act(self, request, endpoint_id, permission=_PERMISSION)
        return confirm_change(
            self,
            request,
            endpoint,
            change,
            name=name,
            arguments={"endpoint_id": endpoint.pk},
            seen=endpoint.updated_at,
            lock_state=lambda: self._lock_state(endpoint.pk),
            facts=[Fact("Address", endpoint.url)],
        )

    def _confirm(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, name: str, title: str, **options: Any
    ) -> HttpResponse:
        return confirm_act(
            self,
            request,
            endpoint,
            name=name,
            title=title,
            submit=title,
            seen=endpoint.updated_at,
            facts=[Fact("Address", endpoint.url)],
            **{"lock_state": lambda: self._lock_state(endpoint.pk), **options},
        )

    def _lock_state(self, endpoint_id: UUID) -> object:
        return lock_webhook_endpoint(endpoint_id=endpoint_id).updated_at

    def _url(self, name: str, record: WebhookEndpoint) -> str:
        return reverse(f"admin:{self.model_label}_{name}", args=[record.pk])


def delivery_state(delivery: WebhookDelivery) -> Text:
    """Formats the state of a delivery: a failed one may be closed."""
    if delivery.status == WebhookDelivery.Status.FAILED and delivery.closed_at:
        return badge("closed")
    return state_badge(delivery.status)


def last_answer(delivery: WebhookDelivery) -> Text:
    """Formats the answer to the latest attempt."""
    if not delivery.log:
        return NOTHING
    latest = delivery.log[-1]
    return clipped(
        latest["error"] or say("%(status)s in %(number)s ms", status=latest["status"], number=latest["milliseconds"])
    )
