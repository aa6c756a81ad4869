"""Form fields that vouchers, batches and campaigns share."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.admin.console.forms import ConsoleForm, MomentField
from billing.language import say, say_lazily
from billing.local_time import local_text
from promos.models import Campaign
from promos.models.credit_life import MAX_CREDIT_DAYS, CreditLife
from promos.models.promo_code import HOT_COUNTERS


class WindowForm(ConsoleForm):
    """A form with a window, from `starts_at` up to the field that `window_end` names."""

    window_end = "expires_at"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        starts_at, ends_at = data.get("starts_at"), data.get(self.window_end)
        if starts_at and ends_at and starts_at >= ends_at:
            self.add_error(self.window_end, "The end must be later than the start.")
        return data


def credit_days_field() -> forms.IntegerField:
    """Makes the input for the number of days that credit lasts."""
    return forms.IntegerField(
        label="Credit lasts (days)",
        min_value=1,
        max_value=MAX_CREDIT_DAYS,
        required=False,
        help_text="The credit expires so many days after the redemption. Leave empty if it should not.",
        widget=UnfoldAdminBigIntegerFieldWidget(),
    )


def credit_expires_field() -> MomentField:
    """Makes the input for the moment at which credit expires."""
    return MomentField(
        label="Credit expires", help_text="The moment at which all its credit expires, also if the days are not over."
    )


def written_credit_life(terms: CreditLife, *, otherwise: str = "never") -> str:
    """Returns in words when the credit of these terms expires."""
    ends = (
        [say("%(number)s days after the redemption", number=f"{terms.credit_days:,}")]
        if terms.credit_days is not None
        else []
    )
    if terms.credit_expires_at:
        ends.append(local_text(terms.credit_expires_at))
    return f", {say('or sooner:')} ".join(ends) or say(otherwise)


def campaign_field() -> "forms.ModelChoiceField[Campaign]":
    """Makes the choice of a campaign."""
    return forms.ModelChoiceField(
        Campaign.objects.exclude(status=Campaign.Status.ENDED).order_by("name"),
        required=False,
        empty_label="None",
        help_text=say_lazily("It stays in this campaign, and is redeemable only while the campaign is active."),
        widget=UnfoldAdminSelectWidget(),
    )


def text_field(*, max_length: int, help_text: str) -> forms.CharField:
    """Makes the input for an optional text of a few lines."""
    return forms.CharField(
        max_length=max_length,
        required=False,
        help_text=help_text,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "wide": True}),
    )


def rush_field(divided: str) -> forms.BooleanField:
    """Makes the switch for many redemptions at once. `divided` is what the counters hold."""
    return forms.BooleanField(
        label="Expect a rush",
        required=False,
        help_text=say_lazily(
            "Divides the %(divided)s over %(number)s counters, so that many customers can redeem at once.",
            divided=say_lazily(divided),
            number=HOT_COUNTERS,
        ),
        widget=UnfoldBooleanSwitchWidget(),
    )
