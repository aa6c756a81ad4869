from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.actor import AUDITOR
from billing.money import to_major
from billing.queries import revenue

from .permissions import roles


class RevenueSerializer(serializers.Serializer[Any]):
    total_mrr = serializers.DecimalField(
        max_digits=20, decimal_places=3, help_text="Monthly recurring revenue, in the currency."
    )
    total_mrr_minor = serializers.IntegerField()
    total_mrr_baisa = serializers.IntegerField(required=False)
    currency = serializers.CharField()
    total_customers = serializers.IntegerField()
    new_this_month = serializers.IntegerField(help_text="Since the first of this month, UTC.")
    active_subscriptions = serializers.IntegerField()


class RevenueView(APIView):
    permission_classes = (roles(AUDITOR),)

    @extend_schema(responses=RevenueSerializer, tags=["administration"], summary="Recurring revenue")
    def get(self, request: Request) -> Response:
        figures = revenue(now=timezone.now())
        currency = settings.SOVEREIGN_CURRENCY
        mirrored = {"total_mrr_baisa": figures.mrr_minor} if currency == "OMR" else {}
        return Response(
            {
                "total_mrr": to_major(figures.mrr_minor, currency=currency),
                "total_mrr_minor": figures.mrr_minor,
                **mirrored,
                "currency": currency,
                "total_customers": figures.total_customers,
                "new_this_month": figures.new_this_month,
                "active_subscriptions": figures.active_subscriptions,
            }
        )
