"""Forms for a voucher's terms, to issue a voucher and to change one."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.admin.console.forms import AmountField, ConsoleForm, MomentField, reason_field
from promos.models import Campaign, PromoCode
from promos.models.promo_code import CODE_MATCH, HOT_COUNTERS
from promos.queries import normal_code
from promos.use_cases.issue_code import MAX_CAP, Terms

# Error code of a refusal that names no field → the field it is about.
FIELD_OF_REFUSAL = {"cap_below_used": "max_redemptions"}


class TermsForm(ConsoleForm):
    """The terms of a voucher: its credit, its number of customers, and its time."""

    credit = AmountField()
    max_redemptions = forms.IntegerField(
        label="Cap",
        min_value=0,
        max_value=MAX_CAP,
        initial=0,
        help_text="How many customers can redeem it. 0 means unlimited.",
        widget=UnfoldAdminBigIntegerFieldWidget(),
    )
    hot = forms.BooleanField(
        label="Expect a rush",
        required=False,
        help_text=f"Divides the cap over {HOT_COUNTERS} counters, so that many customers can redeem at once.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    description = forms.CharField(
        max_length=500,
        required=False,
        help_text="Shown to customers who preview the voucher.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "wide": True}),
    )
    starts_at = MomentField(label="Valid from", help_text="Leave empty to start at once.")
    expires_at = MomentField(
        label="Valid until", help_text="From this moment on it is no longer valid. Leave empty for no end."
    )
    active = forms.BooleanField(
        required=False,
        initial=True,
        help_text="Turn off to issue it paused.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    reason = reason_field()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["credit"].label = f"Credit ({settings.SOVEREIGN_CURRENCY})"
        self.fields["credit"].help_text = "The credit that one redemption grants."

    def clean_credit(self) -> int:
        credit: int = self.cleaned_data["credit"]
        if credit <= 0:
            raise forms.ValidationError("The credit must be more than zero.")
        return credit

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        starts_at, expires_at = data.get("starts_at"), data.get("expires_at")
        if starts_at and expires_at and starts_at >= expires_at:
            self.add_error("expires_at", "The end must be later than the start.")
        return data

    def terms(self) -> Terms:
        """Returns the entered terms."""
        data = self.cleaned_data
        return Terms(
            credit_minor=data["credit"],
            description=data["description"],
            active=data["active"],
            max_redemptions=data["max_redemptions"],
            hot=data["hot"],
            starts_at=data["starts_at"],
            expires_at=data["expires_at"],
        )


class IssueForm(TermsForm):
    """The terms of a new voucher, or of a retired one to bring back."""

    code = forms.CharField(
        max_length=100,
        help_text="3 to 64 letters, digits, '-' or '_'. It is stored in capitals.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )
    campaign = forms.ModelChoiceField(
        Campaign.objects.exclude(status=Campaign.Status.ENDED).order_by("name"),
        required=False,
        empty_label="None",
        help_text="The voucher stays in this campaign, and is redeemable only while the campaign is active.",
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ("code", "campaign", "credit")

    def campaign_id(self) -> UUID | None:
        """Returns the chosen campaign, if any."""
        campaign: Campaign | None = self.cleaned_data["campaign"]
        return campaign.pk if campaign else None

    def clean_code(self) -> str:
        text = normal_code(self.cleaned_data["code"])
        if not CODE_MATCH.fullmatch(text):
            raise forms.ValidationError("Use 3 to 64 of the letters A-Z, digits, '-' and '_'.")
        return text


def initial_terms(code: PromoCode) -> dict[str, Any]:
    """Returns the code's current terms as the form's initial values."""
    return {
        "credit": code.credit_minor,
        "max_redemptions": code.max_redemptions,
        "description": code.description,
        "starts_at": code.starts_at,
        "expires_at": code.expires_at,
        "active": code.active,
        "hot": code.hot,
    }
