"""The restrictions of campaigns, vouchers and batches: a part of their forms, and the lines of their pages."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from billing.admin.console.display import NOTHING, Fact, Text, badge, two_lines
from billing.admin.console.forms import AmountField, with_currency
from billing.language import say
from promos.admin.form_fields import WindowForm, text_field
from promos.models.restrictions import ORDERS, TOP_UPS, USE_LIMITS, Restrictions
from promos.use_cases.restrictions.complete_restrictions import MAX_USES
from promos.use_cases.restrictions.describe_restrictions import describe_to_staff
from promos.use_cases.restrictions.sold_items import load_sold_items

_ONLY = [
    ("", "With an order or into the balance"),
    (ORDERS, "Only with an order"),
    (TOP_UPS, "Only into the balance"),
]
_LISTS = ("email_domains", "customers")
_MAX_LIST_LENGTH = 100_000
_SEPARATORS = re.compile(r"[\s,;]+")


def _items_field(label: str, help_text: str) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, required=False, help_text=help_text, widget=UnfoldAdminCheckboxSelectMultipleWidget()
    )


def limit_field(label: str, help_text: str = "Leave empty for no limit.") -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=MAX_USES,
        help_text=help_text,
        widget=UnfoldAdminBigIntegerFieldWidget(),
    )


class RestrictionsForm(WindowForm):
    """A form with a window and restrictions. The restrictions are folded until one is set, or one is refused."""

    only = forms.ChoiceField(
        label="Redeemed", choices=_ONLY, required=False, widget=UnfoldAdminSelectWidget(choices=_ONLY)
    )
    plans = _items_field("Plans", "Only with an order of one of these. None chosen means any.")
    addons = _items_field("Add-ons", "Only with an order that has one of these. None chosen means any.")
    minimum_order = AmountField(
        label=with_currency("Minimum order"),
        required=False,
        help_text="The lowest total of an order, before credit. Leave empty for none.",
    )
    first_order_only = forms.BooleanField(
        label="First order only",
        required=False,
        help_text="Only for customers who have bought nothing yet.",
        widget=UnfoldBooleanSwitchWidget(),
    )
    email_domains = text_field(
        max_length=_MAX_LIST_LENGTH,
        help_text="Only for addresses at these domains, such as example.com. One per line.",
    )
    customers = text_field(
        max_length=_MAX_LIST_LENGTH,
        help_text="Only for customers with these e-mail addresses or user ids. One per line.",
    )
    uses_per_customer = limit_field("Uses per customer")
    uses_per_day = limit_field("Uses per customer and day")
    uses_per_week = limit_field("Uses per customer and week", "From Monday to Sunday. Leave empty for no limit.")
    uses_per_month = limit_field("Uses per customer and month")

    folded_title = "Restrictions"
    folded: tuple[str, ...] = (
        "only",
        "minimum_order",
        "plans",
        "addons",
        "first_order_only",
        "email_domains",
        "customers",
        *USE_LIMITS,
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["email_domains"].label = say("E-mail domains")
        reason = [name for name in self.fields if name == "reason"]
        others = [name for name in self.fields if name not in (*self.folded, *reason)]
        self.order_fields([*others, *self.folded, *reason])
        sold = load_sold_items()
        for rule in ("plans", "addons"):
            chosen = self.initial.get(rule) or ()
            field: Any = self.fields[rule]
            field.choices = [(item.id, item.local_name) for item in sold[rule] if item.offered or item.id in chosen]

    def folded_fields(self) -> list[forms.BoundField]:
        """Returns the fields of the folded part."""
        return [self[name] for name in self.folded]

    def is_unfolded(self) -> bool:
        """Returns whether the folded part is shown at first: it has a value or an error."""
        return any(self[name].errors or self[name].value() for name in self.folded)

    def restrictions(self) -> Restrictions:
        """Returns the entered rules. The use case checks them."""
        rules: Any = {name: self.cleaned_data[name] for name in self.folded}
        for name in _LISTS:
            rules[name] = [each for each in _SEPARATORS.split(rules[name]) if each]
        rules["minimum_order_minor"] = rules.pop("minimum_order")
        entered: Restrictions = rules
        return entered


def initial_restrictions(restrictions: Restrictions | None) -> dict[str, Any]:
    """Returns the rules as the form's initial values."""
    rules: dict[str, Any] = dict(restrictions or {})
    rules["minimum_order"] = rules.pop("minimum_order_minor", None)
    return {**rules, **{name: "\n".join(rules[name]) for name in _LISTS if name in rules}}


def restriction_facts(own: Restrictions | None, of_campaign: Restrictions | None = None) -> Iterable[Fact]:
    """Yields the restrictions of a record, and those of its campaign. A query each if it names plans or add-ons."""
    yield Fact("Restrictions", _sentences(describe_to_staff(own)))
    if of_campaign:
        yield Fact("Restrictions of its campaign", _sentences(describe_to_staff(of_campaign)))


def with_restricted(state: Text, *, restricted: bool) -> Text:
    """Returns the state of a row of a list, with a badge below it where the row is restricted."""
    return two_lines(state, badge("Restricted", "info")) if restricted else state


def _sentences(sentences: Sequence[str]) -> Text:
    return "\n".join(sentences) if sentences else NOTHING
