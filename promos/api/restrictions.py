"""The restrictions of a campaign or a voucher, in requests and answers."""

from typing import Any

from rest_framework import serializers

from billing.api.fields import (
    FlagField,
    MoneyInput,
    MoneyRequestSerializer,
    MoneyResponseSerializer,
    TextField,
    WholeNumberField,
)
from promos.models.restrictions import ORDERS, TOP_UPS, USE_LIMITS
from promos.use_cases.restrictions.complete_restrictions import (
    MAX_CUSTOMER_LENGTH,
    MAX_CUSTOMERS,
    MAX_DOMAINS,
    MAX_USES,
)

# For the examples of endpoints whose bodies have restrictions.
RESTRICTIONS_EXAMPLE = {
    "plans": ["l", "xl"],
    "minimum_order_minor": 20_000,
    "first_order_only": True,
    "email_domains": ["bank.om"],
}
_ONLY = [(ORDERS, "With an order"), (TOP_UPS, "Into the balance")]
_MAX_ITEMS = 200
_HELP = {
    "only": "Redeemed only with an order, or only into the balance. A rule about the order makes it `orders`.",
    "plans": "The order is for one of these plans.",
    "addons": "The order has at least one of these add-ons.",
    "first_order_only": "The customer has no other order that was bought or awaits its payment.",
    "email_domains": "The customer's e-mail address has one of these domains, such as `example.com`.",
    "customers": "The customer has one of these user ids or e-mail addresses.",
    "uses_per_customer": "Live redemptions of one customer: of a campaign over all its vouchers and cards. A customer"
    " redeems a voucher once, or, where it has limits of its own, as often as they allow.",
    "uses_per_day": "The same within a calendar day of `time_zone`.",
    "uses_per_week": "The same within a week, from Monday.",
    "uses_per_month": "The same within a calendar month.",
}


def _texts(name: str, *, max_length: int, max_texts: int) -> serializers.ListField:
    return serializers.ListField(
        child=TextField(max_length=max_length), max_length=max_texts, required=False, help_text=_HELP[name]
    )


def _limit(name: str) -> WholeNumberField:
    return WholeNumberField(required=False, allow_null=True, min_value=1, max_value=MAX_USES, help_text=_HELP[name])


class RestrictionsRequestSerializer(MoneyRequestSerializer):
    """The rules of a restriction. They replace all rules that are there; an absent one is not set."""

    default_error_messages = {"invalid": "must be a JSON object"}
    money = (MoneyInput(name="minimum_order", required=False),)

    only = serializers.ChoiceField(choices=_ONLY, required=False, allow_null=True, help_text=_HELP["only"])
    plans = _texts("plans", max_length=64, max_texts=_MAX_ITEMS)
    addons = _texts("addons", max_length=64, max_texts=_MAX_ITEMS)
    first_order_only = FlagField(required=False, help_text=_HELP["first_order_only"])
    email_domains = _texts("email_domains", max_length=255, max_texts=MAX_DOMAINS)
    customers = _texts("customers", max_length=MAX_CUSTOMER_LENGTH, max_texts=MAX_CUSTOMERS)
    uses_per_customer = _limit("uses_per_customer")
    uses_per_day = _limit("uses_per_day")
    uses_per_week = _limit("uses_per_week")
    uses_per_month = _limit("uses_per_month")


class RestrictionsSerializer(MoneyResponseSerializer):
    money = ("minimum_order",)

    only = serializers.ChoiceField(choices=_ONLY, allow_null=True, help_text=_HELP["only"])
    plans = serializers.ListField(child=serializers.UUIDField(), help_text=_HELP["plans"])
    addons = serializers.ListField(child=serializers.UUIDField(), help_text=_HELP["addons"])
    first_order_only = serializers.BooleanField(help_text=_HELP["first_order_only"])
    email_domains = serializers.ListField(child=serializers.CharField(), help_text=_HELP["email_domains"])
    customers = serializers.ListField(child=serializers.CharField(), help_text=_HELP["customers"])
    uses_per_customer = serializers.IntegerField(allow_null=True, help_text=_HELP["uses_per_customer"])
    uses_per_day = serializers.IntegerField(allow_null=True, help_text=_HELP["uses_per_day"])
    uses_per_week = serializers.IntegerField(allow_null=True, help_text=_HELP["uses_per_week"])
    uses_per_month = serializers.IntegerField(allow_null=True, help_text=_HELP["uses_per_month"])
    time_zone = serializers.CharField(allow_null=True, help_text="The zone of days, weeks and months.")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Renders all rules, also those that are not set."""
        unset: dict[str, Any] = {
            **dict.fromkeys(("only", "time_zone", *USE_LIMITS)),
            **{name: [] for name in ("plans", "addons", "email_domains", "customers")},
            "minimum_order_minor": 0,
            "first_order_only": False,
        }
        rendered: dict[str, Any] = super().to_representation({**unset, **instance})
        return rendered
