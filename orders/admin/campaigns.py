"""The page that forecasts a campaign, and the forecast on the pages of a campaign that somebody approves."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminBigIntegerFieldWidget

from billing.admin.console.acts import find_for_act
from billing.admin.console.base import View
from billing.admin.console.display import Fact, Panel, Tool, amount, moment
from billing.admin.console.forms import AmountField, ConsoleForm, with_currency
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from billing.money import format_money
from orders.use_cases.campaigns.forecast_campaign import MAX_DAYS, Question, forecast_campaign
from promos.admin.campaigns import CHANGE_CAMPAIGN, CampaignAdmin
from promos.models import Campaign
from promos.models.campaign import BEFORE_START
from promos.use_cases.attempts.rules import describe_rule
from promos.use_cases.issue_code import MAX_CAP


class ForecastForm(ConsoleForm):
    """The questions of a forecast: the credit of one use, the cap, and the days that are replayed."""

    credit = AmountField(label=with_currency("Credit"), help_text="What one voucher or card grants.")
    max_redemptions = forms.IntegerField(
        label="Cap",
        min_value=0,
        max_value=MAX_CAP,
        initial=0,
        help_text="How many customers can use it, or how many cards there are. 0 means unlimited.",
        widget=UnfoldAdminBigIntegerFieldWidget(),
    )
    days = forms.IntegerField(
        label="Past days",
        required=False,
        min_value=1,
        max_value=MAX_DAYS,
        help_text="Leave empty for as many days as the campaign lasts, or 30 where it has no end.",
        widget=UnfoldAdminBigIntegerFieldWidget(),
    )

    def question(self) -> Question:
        """Returns what was entered."""
        data = self.cleaned_data
        return Question(credit_minor=data["credit"], max_redemptions=data["max_redemptions"], days=data["days"])


admin.site.unregister(Campaign)


@admin.register(Campaign)
class ForecastCampaignAdmin(CampaignAdmin):
    """Campaigns, with the forecast of those that have not started."""

    def panels(self, request: HttpRequest, record: Any) -> Iterable[Panel]:
        if record.forecast:
            yield Panel(title="What if", facts=list(_facts(record)))
        yield from super().panels(request, record)

    def tools(self, request: HttpRequest, record: Any) -> Iterable[Tool]:
        yield from super().tools(request, record)
        if record.status in BEFORE_START and not record.is_default and request.user.has_perm(CHANGE_CAMPAIGN):
            yield Tool("What if", reverse("admin:promos_campaign_forecast", args=[record.pk]))

    def extra_views(self) -> Sequence[tuple[str, str, View]]:
        return [*super().extra_views(), ("<uuid:key>/forecast/", "forecast", self._forecast)]

    def _shown_facts(self, campaign: Any) -> Iterable[Fact]:
        yield from super()._shown_facts(campaign)
        if campaign.forecast and campaign.status in BEFORE_START:
            yield from _facts(campaign)

    def _forecast(self, request: HttpRequest, key: UUID) -> HttpResponse:
        campaign = find_for_act(self, request, key, permission=CHANGE_CAMPAIGN)
        form = ForecastForm(request.POST if request.method == "POST" else None)
        submission = Submission(request, f"{self.model_label}:forecast:{key}", None)

        def forecast() -> Done:
            forecast_campaign(campaign_id=key, question=form.question(), by=actor_of(request))
            return Done(
                "The past orders are replayed. The figures are stored with the campaign.", self._page(campaign)
            )

        if form.is_valid() and (answer := submission.submit(form, lock_state=lambda: None, effect=forecast)):
            return answer
        return form_page(
            self,
            request,
            title="What if",
            form=form,
            submission=submission,
            submit="Replay past orders",
            back=self._page(campaign),
            parent=(self.title_of(campaign), self._page(campaign)),
            facts=super()._shown_facts(campaign),
        )


def _facts(campaign: Campaign) -> Iterable[Fact]:
    """Yields the figures of a campaign's forecast, in words for the person who approves it."""
    found: dict[str, Any] = campaign.forecast or {}
    expected, worst = found["expected_redemptions"], found["worst_redemptions"]
    yield Fact("Expected cost", _cost(found["expected_minor"], expected))
    yield Fact("Worst cost", _cost(found["worst_minor"], worst))
    ceiling = found["ceiling_minor"]
    yield Fact("Most that its limits allow", "no limit" if ceiling is None else amount(ceiling))
    if found["full_after_days"] is not None:
        yield Fact("Used up at worst", f"after {found['full_after_days']} days")
    orders, customers = found["qualified_orders"], found["qualified_customers"]
    yield Fact("Past orders that qualify", f"{orders:,} of {found['orders']:,}, of {customers:,} customers")
    if found["refused"]:
        reasons = sorted(found["refused"].items(), key=lambda each: -each[1])
        yield Fact("Others", "\n".join(f"{number:,}: {describe_rule(rule)}" for rule, number in reasons))
    cap = f"{found['max_redemptions']:,} uses" if found["max_redemptions"] else "no cap"
    yield Fact("Asked for", f"{_money(found['credit_minor'])} a use, {cap}")
    yield Fact("Replayed from", moment(datetime.fromisoformat(found["since"])))
    yield Fact("Replayed until", moment(datetime.fromisoformat(found["until"])))
    if found["sampled_one_in"] > 1:
        yield Fact("Sample", f"one customer in {found['sampled_one_in']}; the figures are estimates")
    if campaign.forecast_is_stale:
        yield Fact("Out of date", "its terms have changed since")


def _cost(minor: int, redemptions: int) -> str:
    return f"{_money(minor)} for {redemptions:,} redemptions"


def _money(minor: int) -> str:
    return format_money(minor, currency=settings.SOVEREIGN_CURRENCY)
