"""The form that drafts a bulk grant from a file."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from billing.admin.console.forms import AmountField, ConsoleForm, CsvField, MomentField, reason_field, with_currency
from billing.errors import InvalidFile
from billing.language import say
from billing.models import CreditClass
from billing.text import as_sentence
from billing.use_cases.bulk.draft_bulk_grant import GrantTerms, good_rows
from billing.use_cases.bulk.read_grant_list import GrantRow, read_grant_list


class BulkGrantForm(ConsoleForm):
    """The list and the terms of a new bulk grant. `rows` are those of the valid file."""

    name = forms.CharField(
        max_length=80,
        help_text="Such as outage-2026. A customer gets a grant of one name once. Ledger entries name it.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autofocus": True}),
    )
    file = CsvField(columns="The customer (user_id or email) and the amount in each row, with or without titles.")
    amount = AmountField(
        label=with_currency("Amount each"), required=False, help_text="For rows that have no amount of their own."
    )
    credit_class = forms.ChoiceField(
        label="Kind of credit",
        choices=CreditClass.choices,
        initial=CreditClass.COMPENSATION,
        widget=UnfoldAdminSelectWidget(),
    )
    expires_at = MomentField(label="Credit expires", help_text="Leave empty if it should not.")
    reason = reason_field()
    rows: list[GrantRow] = []

    def clean_amount(self) -> int | None:
        amount: int | None = self.cleaned_data["amount"]
        if amount is not None and amount <= 0:
            raise forms.ValidationError("The amount must be positive.")
        return amount

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("file") and "amount" in data:
            try:
                self.rows = good_rows(read_grant_list(data["file"], amount_minor=data["amount"]))
            except InvalidFile as error:
                for text in (error.fields or {})["file"]:
                    self.add_error("file", as_sentence(say(text)))
        return data

    def terms(self) -> GrantTerms:
        """Returns the terms of a valid form."""
        data = self.cleaned_data
        return GrantTerms(**{name: data[name] for name in ("name", "reason", "credit_class", "expires_at")})
