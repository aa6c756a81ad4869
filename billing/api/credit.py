"""The balance endpoint."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import principal_of
from billing.api.pagination import page_parameters, page_response, read_page_by_number
from billing.api.renderers import Response
from billing.models import CreditClass
from billing.queries import MAX_BALANCE_ENTRIES, MAX_BALANCE_LOTS, balance_of, entries_of

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


class NextExpirySerializer(serializers.Serializer[Any]):
    amount_minor = serializers.IntegerField()
    expires_at = serializers.DateTimeField()


class CreditLeftSerializer(serializers.Serializer[Any]):
    amount_minor = serializers.IntegerField(help_text="What is left, with the held part.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="`null`: the credit does not expire.")
    credit_class = serializers.ChoiceField(choices=CreditClass.choices)


class BalanceSerializer(MoneyResponseSerializer):
    money = ("credit",)

    held_minor = serializers.IntegerField(help_text="The part of the credit that is set aside for an open payment.")
    available_minor = serializers.IntegerField(help_text="The credit minus the held part.")
    entries = EntrySerializer(many=True, help_text=f"The {MAX_BALANCE_ENTRIES} newest entries.")
    next_expiry = NextExpirySerializer(
        allow_null=True,
        help_text="The credit that expires next; `null` where none does. Held credit does not expire.",
    )
    lots = CreditLeftSerializer(
        many=True,
        help_text="What is left of the credit by expiry and class, the soonest expiry first, at most"
        f" {MAX_BALANCE_LOTS}; empty for a balance that never had expiring credit.",
    )


_EXAMPLE = OpenApiExample(
    "Credit that expires",
    {
        "held_minor": 0,
        "available_minor": 50_000,
        "entries": [
            {
                "id": "01a206fe-663a-7435-a6a9-1013e6545926",
                "reason": "promo:WELCOME20",
                "created_at": "2026-11-23T06:01:05.316094Z",
                "amount_minor": 20_000,
                "amount_omr": 20,
                "amount_baisa": 20_000,
                "currency": "OMR",
            },
            {
                "id": "01a206fe-6246-74c5-b7f0-76ba91a49334",
                "reason": "promo:CARD30",
                "created_at": "2026-11-23T06:01:04.316094Z",
                "amount_minor": 30_000,
                "amount_omr": 30,
                "amount_baisa": 30_000,
                "currency": "OMR",
            },
        ],
        "next_expiry": {"amount_minor": 20_000, "expires_at": "2026-12-23T06:01:05.316094Z"},
        "lots": [
            {"amount_minor": 20_000, "expires_at": "2026-12-23T06:01:05.316094Z", "credit_class": "promotional"},
            {"amount_minor": 30_000, "expires_at": "2027-11-23T06:01:04.316094Z", "credit_class": "sold"},
        ],
        "credit_minor": 50_000,
        "credit_omr": 50,
        "credit_baisa": 50_000,
        "currency": "OMR",
    },
    response_only=True,
    status_codes=["200"],
)


class BalanceView(ApiView):
    @extend_schema(
        responses=BalanceSerializer,
        examples=[_EXAMPLE],
        tags=["credit"],
        summary="Your credit, its newest entries and when it expires",
    )
    def get(self, request: Request) -> Response:
        balance = balance_of(user_id=principal_of(request).user_id, with_lots=True)
        return Response(BalanceSerializer(balance).data)


class EntriesView(ApiView):
    @extend_schema(
        responses=EntrySerializer(many=True),
        parameters=page_parameters(),
        tags=["credit"],
        summary="All entries of your credit",
        description="Newest first, as in `entries` of the balance.",
    )
    def get(self, request: Request) -> Response:
        entries = entries_of(user_id=principal_of(request).user_id)
        page = read_page_by_number(entries, request=request, by="version", descending=True)
        return page_response(page, list(EntrySerializer(page.rows, many=True).data), request=request)
