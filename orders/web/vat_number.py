"""The field for a buyer's VAT number, in the shop and on the page of an organization."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy

from billing.models.organizations.organization import VAT_NUMBER_INPUT


class VatNumberField(forms.CharField):
    """A VAT number in any case and grouping, or nothing."""

    def __init__(self, **options: Any) -> None:
        check = RegexValidator(VAT_NUMBER_INPUT, gettext_lazy("Use 4 to 30 Latin letters and digits."))
        widget = forms.TextInput({"autocomplete": "off", "spellcheck": "false", "dir": "ltr"})
        super().__init__(
            label=gettext_lazy("VAT number"),
            max_length=60,
            required=False,
            validators=[check],
            widget=widget,
            **options,
        )
