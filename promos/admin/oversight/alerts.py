"""The pages of alerts: uses of codes that staff must look at. A member of staff closes one with a reason."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.console.acts import confirm_act, find_for_act
from billing.admin.console.base import ReadOnlyAdmin, View
from billing.admin.console.display import (
    Fact,
    Text,
    Tool,
    badge,
    change_url,
    code,
    list_url,
    moment,
    part_of_amount,
)
from billing.admin.console.filters import OpenFilter
from billing.admin.console.people import name_of
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done
from billing.language import say
from promos.locks import lock_alert
from promos.models import Alert
from promos.use_cases.alerts.close_alert import close_alert

_CHANGE = "promos.change_alert"
_OF_BUDGETS = (Alert.Kind.BUDGET_80, Alert.Kind.BUDGET_100)
_OF_CAPS = (Alert.Kind.CAP_80, Alert.Kind.CAP_100)
_EXPLANATIONS = {
    Alert.Kind.ADDRESS: "Someone at this address may be guessing codes. The limits already slow the address down;"
    " your gateway can block it.",
    Alert.Kind.CUSTOMER: "The customer may be guessing codes, or may need help with one.",
    Alert.Kind.RANGE: "Many of these cards are refused: they may be copied, or redeemed before they were sold. Lock"
    " the range until its dealer has explained it.",
    Alert.Kind.EARLY_CARD: "Somebody has codes of cards that are not for sale yet: they may be stolen from the"
    " printer or from a shop. Void the batch or the range if you cannot explain it.",
    Alert.Kind.COLLECTOR: "The customer redeems as many codes in a minute as many customers have. The cards may be"
    " stolen.",
    **dict.fromkeys(
        _OF_BUDGETS,
        "When the budget is used up, no voucher of the campaign can be redeemed. Raise the budget, or let the"
        " campaign end. This alerts again after the budget has changed.",
    ),
    **dict.fromkeys(
        _OF_CAPS,
        "When the cap is used up, the voucher cannot be redeemed any more. Raise the cap, or leave it. This"
        " alerts again after the cap has changed.",
    ),
}


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts, the newest first."""

    noun, nouns = "alert", "alerts"
    list_display = ("opened", "what", "subject_named", "times", "seen", "state")
    list_filter = (OpenFilter, "kind")
    search_fields = ("subject",)
    search_help_text = "Address, user id, or name of a batch, campaign or voucher"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert, Alert]:
        return Alert.objects.annotate(closer_name=name_of("closed_by"))

    def search_filter(self, term: str) -> Q:
        # Of a range, the name of the batch precedes the serial numbers.
        return Q(subject=term) | Q(kind=Alert.Kind.RANGE, subject__startswith=f"{term} ")

    @admin.display(description="Opened")
    def opened(self, alert: Alert) -> Text:
        return moment(alert.opened_at)

    @admin.display(description="Alert")
    def what(self, alert: Alert) -> Text:
        return alert.get_kind_display()

    @admin.display(description="Of")
    def subject_named(self, alert: Alert) -> Text:
        return code(alert.subject)

    @admin.display(description="Number")
    def times(self, alert: Alert) -> Text:
        if alert.kind in _OF_BUDGETS:
            return part_of_amount(alert.number, alert.allowed)
        if alert.allowed:
            return say("%(part)s of %(whole)s", part=f"{alert.number:,}", whole=f"{alert.allowed:,}")
        return f"{alert.number:,}"

    @admin.display(description="Last seen")
    def seen(self, alert: Alert) -> Text:
        return moment(alert.last_seen_at)

    @admin.display(description="State")
    def state(self, alert: Alert) -> Text:
        return badge("closed") if alert.closed_at else badge("open", "bad")

    def title_of(self, record: Any) -> str:
        return f"{record.get_kind_display()}: {record.subject}"

    def facts(self, request: HttpRequest, record: Any) -> Iterable[Fact]:
        yield Fact("State", self.state(record))
        yield Fact("What it means", say(_EXPLANATIONS[Alert.Kind(record.kind)]))
        yield Fact("Of", self.subject_named(record))
        yield Fact("Number", self.times(record))
        yield Fact("Opened", moment(record.opened_at))
        yield Fact("Last seen", moment(record.last_seen_at))
        if record.closed_at:
            yield Fact("Closed", moment(record.closed_at))
            yield Fact("Closed by", record.closer_name)

    def links(self, record: Any) -> Iterable[Tool]:
        narrowed = {
            Alert.Kind.ADDRESS: ("Refused attempts", "promos_refusedattempt", "address"),
            Alert.Kind.CUSTOMER: ("Refused attempts", "promos_refusedattempt", "user_id"),
            Alert.Kind.RANGE: ("Refused attempts", "promos_refusedattempt", "promo_code__code"),
            Alert.Kind.EARLY_CARD: ("Refused attempts", "promos_refusedattempt", "promo_code__code"),
            Alert.Kind.COLLECTOR: ("Redemptions", "promos_redemption", "customer__user_id"),
            **dict.fromkeys(_OF_BUDGETS, ("Campaign", "promos_campaign", "q")),
            **dict.fromkeys(_OF_CAPS, ("Voucher", "promos_promocode", "q")),
        }
        title, model, parameter = narrowed[Alert.Kind(record.kind)]
        subject = record.subject.partition(" ")[0] if record.kind == Alert.Kind.RANGE else record.subject
        yield Tool(title, list_url(model, **{parameter: subject}))

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        if record.closed_at is None and request.user.has_perm(_CHANGE):
            yield Tool("Close", reverse("admin:promos_alert_close", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [("<uuid:alert_id>/close/", "close", self.close_view)]

    def close_view(self, request: HttpRequest, alert_id: UUID) -> HttpResponse:
        """Asks for the reason, and closes the alert."""
        alert = find_for_act(self, request, alert_id, permission=_CHANGE)

        def close(reason: str) -> Done:
            close_alert(alert_id=alert.pk, why=reason, by=actor_of(request))
            return Done("The alert was closed.", change_url(self.model_label, alert.pk))

        return confirm_act(
            self,
            request,
            alert,
            name="close",
            title="Close",
            submit="Close this alert",
            seen=alert.closed_at,
            lock_state=lambda: lock_alert(alert_id=alert.pk).closed_at,
            effect=close,
            facts=[Fact("Alert", alert.get_kind_display()), Fact("Of", code(alert.subject))],
            warning="It opens again only by what happens from now on.",
        )
