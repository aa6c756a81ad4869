"""Forms for a voucher's terms, to issue a voucher and to change one."""

from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.admin.console.forms import AmountField, MomentField, reason_field, with_currency
from promos.models import Campaign, PromoCode
from promos.models.promo_code import CODE_MATCH
from promos.queries import normal_code
from promos.use_cases.forecasts.forecast_offer import Offer, offer_in_campaign
from promos.use_cases.issue_code import MAX_CAP, Terms
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions

from .form_fields import (
    campaign_field,
    credit_days_field,
    credit_expires_field,
    rush_field,
    text_field,
)
from .restriction_fields import RestrictionsForm, initial_restrictions, limit_field

# Error code of a refusal that names no field → the field it is about.
FIELD_OF_REFUSAL = {"cap_below_used": "max_redemptions"}


class TermsForm(RestrictionsForm):
    """The terms of a voucher: its credit, how often it is redeemed, and its time."""

    credit = AmountField(label=with_currency("Credit"), help_text="The credit that one redemption grants.")
    max_redemptions = forms.IntegerField(
        label="Cap",
        min_value=0,
        max_value=MAX_CAP,
        initial=0,
        help_text="How often it can be redeemed, by all customers together. 0 means unlimited.",
        widget=UnfoldAdminBigIntegerFieldWidget(),
    )
    hot = rush_field("cap")
    description = text_field(max_length=500, help_text="Shown to customers who preview the voucher.")
    starts_at = MomentField(label="Valid from", help_text="Leave empty to start at once.")
    expires_at = MomentField(
        label="Valid until", help_text="From this moment on it is no longer valid. Leave empty for no end."
    )
    credit_days = credit_days_field()
    credit_expires_at = credit_expires_field()
    active = forms.BooleanField(
        required=False,
        initial=True,
        help_text="Turn off to issue it paused.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    reason = reason_field()
    uses_per_customer = limit_field(
        "Uses per customer", "Leave empty for once, or for any number within the limits below."
    )

    def clean_credit(self) -> int:
        credit: int = self.cleaned_data["credit"]
        if credit <= 0:
            raise forms.ValidationError("The credit must be more than zero.")
        return credit

    def offer(self, *, campaign_id: UUID | None) -> Offer:
        """Returns what past orders are replayed against. Raises: InvalidRestrictions, CampaignNotFound."""
        data = self.cleaned_data
        return offer_in_campaign(
            credit_minor=data["credit"],
            max_redemptions=data["max_redemptions"],
            starts_at=data["starts_at"],
            ends_at=data["expires_at"],
            restrictions=complete_restrictions(self.restrictions()),
            campaign_id=campaign_id,
        )

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
            credit_days=data["credit_days"],
            credit_expires_at=data["credit_expires_at"],
            restrictions=self.restrictions(),
        )


class IssueForm(TermsForm):
    """The terms of a new voucher, or of a retired one to bring back."""

    code = forms.CharField(
        max_length=100,
        help_text="3 to 64 letters, digits, '-' or '_'. It is stored in capitals.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )
    campaign = campaign_field()
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
        "credit_days": code.credit_days,
        "credit_expires_at": code.credit_expires_at,
        "active": code.active,
        "hot": code.hot,
        **initial_restrictions(code.restrictions),
    }
