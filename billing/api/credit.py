"""The balance endpoint."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.api.access.authentication import principal_of
from billing.queries import balance_of

from .fields import MoneyResponseSerializer


class EntrySerializer(MoneyResponseSerializer):
    money = ("amount",)

    id = serializers.UUIDField()
    reason = serializers.CharField(
        help_text="`promo:<CODE>` for a grant, `order-payment` for a spend, `proration:<subscription>` for the unused"
        " month of a replaced subscription."
    )
    order_id = serializers.UUIDField(required=False, help_text="Absent if the entry belongs to no order.")
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        if data["order_id"] is None:
            del data["order_id"]
        return data


class BalanceSerializer(MoneyResponseSerializer):
    money = ("credit",)

    held_minor = serializers.IntegerField(help_text="The part of the credit that is set aside for an open payment.")
    available_minor = serializers.IntegerField(help_text="The credit minus the held part.")
    entries = EntrySerializer(many=True, help_text="The 20 newest entries.")


class BalanceView(APIView):
    @extend_schema(responses=BalanceSerializer, tags=["credit"], summary="Your credit and its newest entries")
    def get(self, request: Request) -> Response:
        return Response(BalanceSerializer(balance_of(user_id=principal_of(request).user_id)).data)
