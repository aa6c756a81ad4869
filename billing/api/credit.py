"""What a customer sees of credit, subscription and invoices."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.errors import OrganizationNotFound, SubscriptionNotFound
from billing.models import Invoice, Subscription
from billing.queries import balance_of, invoices_of, subscription_of

from .authentication import principal_of
from .fields import MoneyResponseSerializer
from .identifiers import path_id
from .pagination import page_parameters, page_response, read_page
from .schema import refusals


class EntrySerializer(MoneyResponseSerializer):
    money = ("amount",)

    id = serializers.UUIDField()
    reason = serializers.CharField(help_text="`promo:<CODE>` for a grant, `order-payment` for a spend.")
    order_id = serializers.UUIDField(required=False, help_text="Absent where no order is concerned.")
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        if data["order_id"] is None:
            del data["order_id"]
        return data


class BalanceSerializer(MoneyResponseSerializer):
    money = ("credit",)

    held_minor = serializers.IntegerField(help_text="Set aside for an open payment; part of the credit.")
    available_minor = serializers.IntegerField(help_text="Credit less what is held.")
    entries = EntrySerializer(many=True, help_text="The newest 20.")


class BalanceView(APIView):
    @extend_schema(responses=BalanceSerializer, tags=["credit"], summary="Your credit and its newest entries")
    def get(self, request: Request) -> Response:
        return Response(BalanceSerializer(balance_of(user_id=principal_of(request).user_id)).data)


class SubscriptionSerializer(MoneyResponseSerializer):
    money = ("amount",)

    id = serializers.UUIDField()
    tenant_id = serializers.UUIDField(source="organization_id")
    plan_id = serializers.UUIDField()
    addon_ids = serializers.ListField(child=serializers.UUIDField(), help_text="Sorted.")
    status = serializers.ChoiceField(choices=Subscription.Status.choices)
    paid_by = serializers.ChoiceField(choices=Subscription.PaidBy.choices)
    current_period_start = serializers.DateTimeField()
    current_period_end = serializers.DateTimeField()
    canceled_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class SubscriptionView(APIView):
    @extend_schema(
        responses={200: SubscriptionSerializer, **refusals({404: "There is none."})},
        tags=["credit"],
        summary="An organization's subscription, or your newest",
    )
    def get(self, request: Request, tenant_id: str | None = None) -> Response:
        organization_id = None if tenant_id is None else path_id(tenant_id, otherwise=SubscriptionNotFound)
        found = subscription_of(user_id=principal_of(request).user_id, organization_id=organization_id)
        return Response(SubscriptionSerializer(found).data)


class InvoiceSerializer(MoneyResponseSerializer):
    money = ("amount",)

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Invoice.Status.choices)
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    pdf_url = serializers.CharField()
    created_at = serializers.DateTimeField()


class InvoicesView(APIView):
    @extend_schema(
        responses=InvoiceSerializer(many=True),
        parameters=page_parameters(),
        tags=["credit"],
        summary="Your invoices, newest first",
    )
    def get(self, request: Request, tenant_id: str | None = None) -> Response:
        organization_id = None if tenant_id is None else path_id(tenant_id, otherwise=OrganizationNotFound)
        invoices = invoices_of(user_id=principal_of(request).user_id, organization_id=organization_id)
        page = read_page(invoices, request=request)
        return page_response(page, list(InvoiceSerializer(page.rows, many=True).data), request=request)
