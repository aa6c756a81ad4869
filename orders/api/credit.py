"""The endpoint that explains a balance to its customer."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import principal_of
from billing.api.fields import MoneyResponseSerializer
from billing.api.renderers import Response
from orders.use_cases.ledger.explain_to_customer import explain_to_customer


class CreditUseSerializer(MoneyResponseSerializer):
    money = ("amount",)

    words = serializers.CharField(help_text="What the credit paid, or why it went, in the language of the request.")
    at = serializers.DateTimeField()
    order_id = serializers.UUIDField(allow_null=True)
    organization = serializers.CharField(allow_null=True, help_text="The name of the organization it paid for.")


class CreditSourceSerializer(MoneyResponseSerializer):
    money = ("amount",)

    words = serializers.CharField(help_text="Where the credit came from, in the language of the request.")
    at = serializers.DateTimeField()
    left_minor = serializers.IntegerField(help_text="What is left of it, with the held part.")
    held_minor = serializers.IntegerField(help_text="The part that is set aside for an open payment.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="`null`: the credit does not expire.")
    uses = CreditUseSerializer(many=True, help_text="What was paid from it, oldest first.")


class OwnCreditSerializer(serializers.Serializer[Any]):
    sources = CreditSourceSerializer(
        many=True, help_text="At most 200, the soonest expiry first. What is left of them adds up to the balance."
    )


_EXAMPLE = OpenApiExample(
    "A voucher that paid for an order",
    {
        "sources": [
            {
                "words": "Voucher WELCOME50",
                "at": "2026-11-23T06:01:05.316094Z",
                "left_minor": 38_000,
                "held_minor": 0,
                "expires_at": "2027-11-23T06:01:05.316094Z",
                "uses": [
                    {
                        "words": "Paid for an order",
                        "at": "2026-11-23T06:01:05.316094Z",
                        "order_id": "01a206fe-6626-7d50-8e6d-02d212e822dc",
                        "organization": "Ada Bakery",
                        "amount_minor": 12_000,
                        "amount_omr": 12,
                        "amount_baisa": 12_000,
                        "currency": "OMR",
                    }
                ],
                "amount_minor": 50_000,
                "amount_omr": 50,
                "amount_baisa": 50_000,
                "currency": "OMR",
            }
        ]
    },
    response_only=True,
    status_codes=["200"],
)


class OwnCreditView(ApiView):
    @extend_schema(
        responses=OwnCreditSerializer,
        examples=[_EXAMPLE],
        tags=["credit"],
        summary="Where your credit came from, and what each part of it paid",
    )
    def get(self, request: Request) -> Response:
        sources = explain_to_customer(user_id=principal_of(request).user_id)
        return Response(OwnCreditSerializer({"sources": sources}).data)
