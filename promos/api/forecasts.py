"""The forecast that a campaign keeps, in answers."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from billing.api.fields import MoneyResponseSerializer
from promos.models import Campaign


class ForecastSerializer(MoneyResponseSerializer):
    """The figures of replayed orders. Amounts and numbers of a sample are multiplied, so they are estimates."""

    money = ("credit", "expected", "worst", "ceiling")

    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()
    is_stale = serializers.BooleanField(help_text="The campaign's terms have changed since.")
    max_redemptions = serializers.IntegerField(help_text="The cap that was asked for; 0 is unlimited.")
    since = serializers.DateTimeField(help_text="The first instant of the orders that were replayed.")
    until = serializers.DateTimeField()
    sampled_one_in = serializers.IntegerField(
        help_text="1 where all orders were replayed, else one customer in so many."
    )
    orders = serializers.IntegerField(help_text="Orders that were replayed.")
    qualified_orders = serializers.IntegerField(help_text="Those of them that keep to the restrictions.")
    qualified_customers = serializers.IntegerField()
    refused = serializers.DictField(
        child=serializers.IntegerField(), help_text="The other orders, by the code of the refusal."
    )
    expected_redemptions = serializers.IntegerField(
        help_text="As many of the qualified orders as used a code then, within cap and budget."
    )
    worst_redemptions = serializers.IntegerField(
        help_text="Each qualified order uses the campaign, once a customer unless its restrictions allow more."
    )
    is_unlimited = serializers.BooleanField(
        help_text="Neither cap nor budget limits the cost; `ceiling` is 0 then, else the most that they allow."
    )
    full_after_days = serializers.IntegerField(
        allow_null=True, help_text="After so many days cap or budget is used up in the worst case; null for never."
    )


def forecast_row(campaign: Campaign) -> dict[str, Any] | None:
    """Returns the campaign's forecast as an answer shows it; None where there is none."""
    stored = campaign.forecast
    if stored is None:
        return None
    return {
        **stored,
        **{name: datetime.fromisoformat(stored[name]) for name in ("made_at", "since", "until")},
        "is_stale": campaign.forecast_is_stale,
        "is_unlimited": stored["ceiling_minor"] is None,
        "ceiling_minor": stored["ceiling_minor"] or 0,
    }
