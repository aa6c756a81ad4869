"""Forecasts in answers: that which a campaign keeps, and that of a voucher which is not issued yet."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rest_framework import serializers

from billing.api.fields import MoneyResponseSerializer
from promos.models import Campaign


class OfferForecastSerializer(MoneyResponseSerializer):
    """The figures of replayed orders. Amounts and numbers of a sample are multiplied, so they are estimates."""

    money = ("credit", "expected", "worst", "ceiling")

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
        help_text="Each qualified order uses it, once a customer unless its restrictions allow more."
    )
    is_unlimited = serializers.BooleanField(
        help_text="Neither cap nor budget limits the cost; `ceiling` is 0 then, else the most that they allow."
    )
    full_after_days = serializers.IntegerField(
        allow_null=True, help_text="After so many days cap or budget is used up in the worst case; null for never."
    )


class ForecastSerializer(OfferForecastSerializer):
    """The forecast that a campaign keeps."""

    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()
    is_stale = serializers.BooleanField(help_text="The campaign's terms have changed since.")


def forecast_row(campaign: Campaign) -> dict[str, Any] | None:
    """Returns the campaign's forecast as an answer shows it; None where there is none."""
    stored = campaign.forecast
    if stored is None:
        return None
    return {
        **offer_forecast_row(stored),
        "made_at": datetime.fromisoformat(stored["made_at"]),
        "is_stale": campaign.forecast_is_stale,
    }


def offer_forecast_row(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the figures of a forecast as an answer shows them."""
    return {
        **figures,
        **{name: datetime.fromisoformat(figures[name]) for name in ("since", "until")},
        "is_unlimited": figures["ceiling_minor"] is None,
        "ceiling_minor": figures["ceiling_minor"] or 0,
    }
