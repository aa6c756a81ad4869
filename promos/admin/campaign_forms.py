"""Forms for a campaign: its terms while it is a draft, and the budget and the end that may change later."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from billing.admin.console.forms import AmountField, ConsoleForm, MomentField, reason_field, with_currency
from billing.models import CreditClass
from promos.models import Campaign, VatTreatment
from promos.use_cases.campaigns.draft_campaign import MAX_NAME_LENGTH, MAX_PURPOSE_LENGTH, CampaignTerms

from .form_fields import credit_days_field, credit_expires_field, rush_field, text_field
from .restriction_fields import RestrictionsForm, initial_restrictions

# Error code of a refusal that names no field → the field it is about.
FIELD_OF_REFUSAL = {"campaign_name_taken": "name", "budget_below_used": "budget"}
_END_HELP = "From this moment on none of its vouchers is valid. Leave empty for no end."


class BudgetField(AmountField):
    """A campaign's budget."""

    def __init__(self) -> None:
        super().__init__(
            label=with_currency("Budget"),
            initial=0,
            help_text="The most credit that all its vouchers together grant. 0 means unlimited.",
        )

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value < 0:
            raise forms.ValidationError("The budget cannot be negative.")


class DraftForm(RestrictionsForm):
    """The terms of a campaign that is not approved yet."""

    name = forms.CharField(
        max_length=MAX_NAME_LENGTH, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )
    purpose = text_field(max_length=MAX_PURPOSE_LENGTH, help_text="What the campaign is for. Only staff see it.")
    owner_email = forms.EmailField(
        label="Owner's e-mail",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "email"}),
    )
    credit_class = forms.ChoiceField(
        choices=CreditClass.choices,
        initial=CreditClass.PROMOTIONAL.value,
        help_text="Whether customers paid for the credit, or got it as a promotion or a compensation.",
        widget=UnfoldAdminSelectWidget(choices=CreditClass.choices),
    )
    vat_treatment = forms.ChoiceField(
        label="VAT",
        choices=VatTreatment.choices,
        initial=VatTreatment.MULTI_PURPOSE.value,
        required=False,
        help_text="Single-purpose is for sold credit, no consideration for other credit. Both need credit that ends.",
        widget=UnfoldAdminSelectWidget(choices=VatTreatment.choices),
    )
    budget = BudgetField()
    hot = rush_field("budget")
    starts_at = MomentField(label="Valid from", help_text="Leave empty to start with the activation.")
    ends_at = MomentField(label="Valid until", help_text=_END_HELP)
    credit_days = credit_days_field()
    credit_expires_at = credit_expires_field()
    reason = reason_field()
    window_end = "ends_at"

    def terms(self) -> CampaignTerms:
        """Returns the entered terms."""
        apart = ("budget", "reason", *self.folded)
        data = {name: value for name, value in self.cleaned_data.items() if name not in apart}
        data["vat_treatment"] = data["vat_treatment"] or VatTreatment.MULTI_PURPOSE.value
        budget_minor = self.cleaned_data["budget"]
        return CampaignTerms(**data, budget_minor=budget_minor, restrictions=self.restrictions())


class BudgetForm(ConsoleForm):
    """A new budget, and the reason for it."""

    budget = BudgetField()
    reason = reason_field()


class EndForm(ConsoleForm):
    """A new end of the window, and the reason for it."""

    ends_at = MomentField(label="Valid until", help_text=_END_HELP)
    reason = reason_field()


def initial_terms(campaign: Campaign) -> dict[str, Any]:
    """Returns the campaign's current terms as the form's initial values."""
    names = (
        *("name", "purpose", "owner_email", "credit_class", "vat_treatment", "hot", "starts_at", "ends_at"),
        *("credit_days", "credit_expires_at"),
    )
    return {
        "budget": campaign.budget_minor,
        **{name: getattr(campaign, name) for name in names},
        **initial_restrictions(campaign.restrictions),
    }
