from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from billing.admin.console.forms import ConsoleForm, reason_field
from orders.admin.event_types import event_choice
from orders.models.webhooks.endpoint import MAX_DESCRIPTION_LENGTH, MAX_URL_LENGTH
from orders.use_cases.webhooks.keep_endpoints import EVENT_TYPES


class EndpointForm(ConsoleForm):
    """The address of an endpoint, and the events that it gets."""

    url = forms.CharField(
        label="Address",
        max_length=MAX_URL_LENGTH,
        help_text="Such as https://shop.example.com/hooks. Requests are signed, so it needs no password.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    description = forms.CharField(
        label="Description",
        required=False,
        max_length=MAX_DESCRIPTION_LENGTH,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    types = forms.MultipleChoiceField(
        label="Events",
        required=False,
        choices=[(each, event_choice(each)) for each in EVENT_TYPES],
        help_text="Choose none to send all.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    reason = reason_field()

    def values(self) -> dict[str, Any]:
        """Returns the arguments of the use case."""
        return {name: self.cleaned_data[name] for name in ("url", "description", "types", "reason")}
