"""The page that forecasts a campaign, and the forecast on the pages of a campaign that somebody approves."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminBigIntegerFieldWidget

from billing.admin.console.acts import find_for_act
from billing.admin.console.base import View
from billing.admin.console.display import Fact, Panel, Tool
from billing.admin.console.forms import AmountField, ConsoleForm, with_currency
from billing.admin.console.pages import form_page
from billing.admin.console.request_actor import actor_of
from billing.admin.console.submission import Done, Submission
from orders.use_cases.campaigns.forecast_campaign import Question, forecast_campaign
from orders.use_cases.campaigns.replay_orders import MAX_DAYS
from promos.admin.campaigns import CHANGE_CAMPAIGN, CampaignAdmin
from promos.admin.forecasts import forecast_facts
from promos.models import Campaign
from promos.models.campaign import BEFORE_START
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
    yield from forecast_facts(campaign.forecast or {})
    if campaign.forecast_is_stale:
        yield Fact("Out of date", "its terms have changed since")
