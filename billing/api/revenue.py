from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import AUDITOR, FINANCE
from billing.api.access.api_view import ApiView
from billing.api.access.permissions import roles
from billing.api.renderers import Response
from billing.queries import revenue

from .fields import MIRRORED_CURRENCY, CurrencyField, MajorAmountField, MinorAmountField


class RevenueSerializer(serializers.Serializer[Any]):
    total_mrr = MajorAmountField(
        source="mrr_minor", read_only=True, help_text="Monthly recurring revenue, in the currency."
    )
    total_mrr_minor = MinorAmountField(source="mrr_minor", read_only=True)
    total_mrr_baisa = MinorAmountField(source="mrr_minor", read_only=True)
    currency = CurrencyField()
    total_customers = serializers.IntegerField()
    new_this_month = serializers.IntegerField(help_text="Since the first of this month, UTC.")
    active_subscriptions = serializers.IntegerField()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if settings.SOVEREIGN_CURRENCY != MIRRORED_CURRENCY:
            del fields["total_mrr_baisa"]
        return fields


class RevenueView(ApiView):
    permission_classes = (roles(AUDITOR, FINANCE),)

    @extend_schema(responses=RevenueSerializer, tags=["administration"], summary="Recurring revenue")
    def get(self, request: Request) -> Response:
        return Response(RevenueSerializer(revenue(now=timezone.now())).data)
