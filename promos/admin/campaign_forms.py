"""Forms for a campaign: its terms while it is a draft, and the budget and the end that may change later."""

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.admin.console.forms import AmountField, ConsoleForm, MomentField, reason_field
from promos.models import Campaign
from promos.models.promo_code import HOT_COUNTERS
from promos.use_cases.campaigns.draft_campaign import MAX_NAME_LENGTH, MAX_PURPOSE_LENGTH, CampaignTerms

# Error code of a refusal that names no field → the field it is about.
FIELD_OF_REFUSAL = {"campaign_name_taken": "name", "budget_below_used": "budget"}
_END_HELP = "From this moment on none of its vouchers is valid. Leave empty for no end."


def _budget_field() -> AmountField:
    return AmountField(
        label=f"Budget ({settings.SOVEREIGN_CURRENCY})",
        initial=0,
        help_text="The most credit that all its vouchers together grant. 0 means unlimited.",
    )


class DraftForm(ConsoleForm):
    """The terms of a campaign that is not approved yet."""

    name = forms.CharField(
        max_length=MAX_NAME_LENGTH, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )
    purpose = forms.CharField(
        max_length=MAX_PURPOSE_LENGTH,
        required=False,
        help_text="What the campaign is for. Only staff see it.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "wide": True}),
    )
    owner_email = forms.EmailField(
        label="Owner's e-mail",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "email"}),
    )
    credit_class = forms.ChoiceField(
        choices=Campaign.CreditClass.choices,
        initial=Campaign.CreditClass.PROMOTIONAL.value,
        help_text="Whether customers paid for the credit, or got it as a promotion or a compensation.",
        widget=UnfoldAdminSelectWidget(choices=Campaign.CreditClass.choices),
    )
    hot = forms.BooleanField(
        label="Expect a rush",
        required=False,
        help_text=f"Divides the budget over {HOT_COUNTERS} counters, so that many customers can redeem at once.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    starts_at = MomentField(label="Valid from", help_text="Leave empty to start with the activation.")
    ends_at = MomentField(label="Valid until", help_text=_END_HELP)
    reason = reason_field()
    field_order = ("name", "purpose", "owner_email", "credit_class", "budget")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["budget"] = _budget_field()
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        starts_at, ends_at = data.get("starts_at"), data.get("ends_at")
        if starts_at and ends_at and starts_at >= ends_at:
            self.add_error("ends_at", "The end must be later than the start.")
        if (data.get("budget") or 0) < 0:
            self.add_error("budget", "The budget cannot be negative.")
        return data

    def terms(self) -> CampaignTerms:
        """Returns the entered terms."""
        data = {name: value for name, value in self.cleaned_data.items() if name not in ("budget", "reason")}
        return CampaignTerms(**data, budget_minor=self.cleaned_data["budget"])


class BudgetForm(ConsoleForm):
    """A new budget, and the reason for it."""

    reason = reason_field()
    field_order = ("budget", "reason")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["budget"] = _budget_field()
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if (data.get("budget") or 0) < 0:
            self.add_error("budget", "The budget cannot be negative.")
        return data


class EndForm(ConsoleForm):
    """A new end of the window, and the reason for it."""

    ends_at = MomentField(label="Valid until", help_text=_END_HELP)
    reason = reason_field()


def initial_terms(campaign: Campaign) -> dict[str, Any]:
    """Returns the campaign's current terms as the form's initial values."""
    names = ("name", "purpose", "owner_email", "credit_class", "hot", "starts_at", "ends_at")
    return {"budget": campaign.budget_minor, **{name: getattr(campaign, name) for name in names}}
