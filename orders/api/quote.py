"""The quote of a checkout."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.rate_limit import PreviewRateLimit
from billing.api.fields import MoneyResponseSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals, retry_after_parameter
from orders.api.checkout import CheckoutSerializer, read_checkout, refusing_members
from orders.api.vat import IncludedVatSerializer
from orders.models import OrderLine
from orders.use_cases.checkout.quote_checkout import quote_checkout
from promos.models import RefusedAttempt
from promos.use_cases.attempts.record_attempt import record_attempt


class QuoteLineSerializer(MoneyResponseSerializer):
    money = ("price",)

    kind = serializers.ChoiceField(choices=OrderLine.Kind.choices)
    id = serializers.UUIDField(source="item_id")
    slug = serializers.CharField()
    name = serializers.CharField()


class QuotedBundleSerializer(MoneyResponseSerializer):
    money = ("discount",)

    id = serializers.UUIDField(source="bundle.id")
    slug = serializers.CharField(source="bundle.slug")
    name = serializers.CharField(source="bundle.name")
    discount_percent = serializers.IntegerField(source="bundle.percent")


class QuotedCreditSerializer(MoneyResponseSerializer):
    money = ("credit",)

    code = serializers.CharField(help_text="The promo code.")
    credit_expires_at = serializers.DateTimeField(
        required=False, help_text="When its credit expires if it is redeemed now; absent where it does not expire."
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        return {name: value for name, value in data.items() if value is not None}


class RefusalSerializer(serializers.Serializer[Any]):
    error = serializers.CharField(source="text", help_text="A sentence for people.")
    code = serializers.CharField(help_text="The code of the checkout's refusal.")


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="QuotedCode",
        serializers=[QuotedCreditSerializer, RefusalSerializer],
        resource_type_field_name=None,
    )
)
class QuotedCodeField(serializers.Field[Any, Any, Any, Any]):
    def to_representation(self, value: Any) -> Any:
        return RefusalSerializer(value.problem).data if value.problem else QuotedCreditSerializer(value).data


class QuoteSerializer(MoneyResponseSerializer):
    money = ("total", "credit_applied", "amount_due", "credit_left", "proration", "next_month")

    lines = QuoteLineSerializer(many=True)
    bundle = QuotedBundleSerializer(
        required=False, help_text="What the bundle's discount takes off each month; absent without a bundle."
    )
    promo = QuotedCodeField(
        required=False, help_text="What the promo code adds, or why it cannot be redeemed; absent without a code."
    )
    refusal = RefusalSerializer(
        required=False, help_text="Why the checkout would be refused though the basket is right; absent otherwise."
    )

    vat = IncludedVatSerializer(
        required=False, help_text="The VAT that the total includes; absent where no rate of VAT applies."
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        return {name: value for name, value in data.items() if value is not None}


_EXAMPLES = [
    OpenApiExample(
        "A larger plan, half a month after the last payment",
        {
            "lines": [
                {
                    "kind": "plan",
                    "id": "cb20f9ef-1f4e-5b29-b38b-a7a3b671d878",
                    "slug": "l",
                    "name": "L",
                    "price_minor": 16_000,
                    "price_omr": 16,
                    "price_baisa": 16_000,
                    "currency": "OMR",
                }
            ],
            "total_minor": 16_000,
            "total_omr": 16,
            "total_baisa": 16_000,
            "credit_applied_minor": 9_500,
            "credit_applied_omr": 9.5,
            "credit_applied_baisa": 9_500,
            "amount_due_minor": 6_500,
            "amount_due_omr": 6.5,
            "amount_due_baisa": 6_500,
            "credit_left_minor": 0,
            "credit_left_omr": 0,
            "credit_left_baisa": 0,
            "proration_minor": 4_500,
            "proration_omr": 4.5,
            "proration_baisa": 4_500,
            "next_month_minor": 16_000,
            "next_month_omr": 16,
            "next_month_baisa": 16_000,
            "currency": "OMR",
            "promo": {
                "code": "FIVE",
                "credit_minor": 5_000,
                "credit_omr": 5,
                "credit_baisa": 5_000,
                "currency": "OMR",
            },
            "vat": {
                "basis_points": 500,
                "vat_minor": 762,
                "vat_omr": 0.762,
                "vat_baisa": 762,
                "net_minor": 15_238,
                "net_omr": 15.238,
                "net_baisa": 15_238,
                "currency": "OMR",
            },
        },
        response_only=True,
        status_codes=["200"],
    )
]


class QuoteView(ApiView):
    throttle_classes = (PreviewRateLimit,)

    @extend_schema(
        request=CheckoutSerializer,
        responses={
            200: QuoteSerializer,
            **refusals(
                {
                    400: "The body is invalid, a catalog item is unknown, or the order lacks apps of the bundle.",
                    403: "You are a member of the organization; only its owner pays.",
                    404: "The organization is not yours.",
                    409: "The organization is already subscribed to this basket.",
                    429: "Too many quotes and previews from this address.",
                }
            ),
        },
        parameters=[retry_after_parameter("Seconds until the next quote is allowed.", 429, required=True)],
        examples=_EXAMPLES,
        tags=["checkout"],
        summary="Learn what a checkout would do",
        description="Nothing is written. The balance, the code's credit and the unused part of the paid month"
        " (`proration_*`) pay first, a card pays `amount_due_*`. `credit_left_*` is what stays available,"
        " `next_month_*` the price of each later month. All prices contain the discount of a `bundle`.",
    )
    def post(self, request: Request) -> Response:
        checkout, by = read_checkout(request), actor_of(request)
        with refusing_members(checkout, by=by):
            quote = quote_checkout(request=checkout, by=by)
        if quote.promo and quote.promo.problem:
            record_attempt(quote.promo.problem, code=checkout.promo_code, act=RefusedAttempt.Act.QUOTE, by=by)
        return Response(QuoteSerializer(quote).data)
