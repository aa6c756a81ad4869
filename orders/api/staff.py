"""Lists for staff: orders and outgoing events."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import APPROVER, AUDITOR, LEDGER_READERS, SUPPORT
from billing.api.access.api_view import ApiView
from billing.api.access.permissions import roles
from billing.api.fields import MoneyResponseSerializer
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from orders.api.vat import IncludedVatSerializer
from orders.models import Order, OutboxEvent
from orders.queries.orders import orders_for_staff
from orders.use_cases.documents.vat_of_sale import VAT_FACTS, vat_of_facts


class OrderSerializer(MoneyResponseSerializer):
    money = ("amount",)

    id = serializers.UUIDField()
    customer_id = serializers.CharField(source="customer.user_id")
    tenant_id = serializers.UUIDField(source="organization_id")
    plan_id = serializers.UUIDField()
    apps = serializers.ListField(child=serializers.UUIDField())
    addons = serializers.ListField(child=serializers.UUIDField())
    status = serializers.ChoiceField(choices=Order.Status.choices)
    credit_applied_minor = serializers.IntegerField()
    amount_due_minor = serializers.IntegerField(help_text="What credit does not cover.")
    promo_code = serializers.CharField(required=False, help_text="Absent where no code was used.")
    promo_deleted = serializers.BooleanField(help_text="Whether the code was retired after the order.")
    created_at = serializers.DateTimeField()
    vat = IncludedVatSerializer(
        required=False,
        help_text="The VAT that the total includes; absent where no rate applies, and of one that was never paid.",
    )

    def to_representation(self, instance: Order) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        if not data["promo_code"]:
            del data["promo_code"]
        return data


class EventSerializer(serializers.ModelSerializer[OutboxEvent]):
    timestamp = serializers.DateTimeField(source="created_at", read_only=True)
    # `data` is an attribute of every DRF serializer, so get_fields adds that field.
    metadata = serializers.DictField(read_only=True)

    class Meta:
        model = OutboxEvent
        fields = [
            "id",
            "type",
            "topic",
            "source",
            "timestamp",
            "tenant_id",
            "data",
            "metadata",
            "delivered_at",
        ]
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "data": serializers.DictField(read_only=True, help_text="What happened.")}


class OrdersView(ApiView):
    permission_classes = (roles(APPROVER, *LEDGER_READERS),)

    @extend_schema(
        responses=OrderSerializer(many=True),
        parameters=page_parameters(),
        tags=["administration"],
        summary="List orders, newest first",
    )
    def get(self, request: Request) -> Response:
        orders = orders_for_staff().annotate(vat_facts=VAT_FACTS)
        page = read_page(orders, request=request)
        for order in page.rows:
            order.amount_minor = order.total_minor  # type: ignore[attr-defined]
            if vat := vat_of_facts(order.vat_facts):  # type: ignore[attr-defined]
                order.vat = vat  # type: ignore[attr-defined]
        return page_response(page, list(OrderSerializer(page.rows, many=True).data), request=request)


class EventsView(ApiView):
    permission_classes = (roles(AUDITOR, SUPPORT),)

    @extend_schema(
        responses=EventSerializer(many=True),
        parameters=[OpenApiParameter("type", str, description="Only events of this type."), *page_parameters()],
        tags=["administration"],
        summary="List outgoing events, newest first",
    )
    def get(self, request: Request) -> Response:
        events = OutboxEvent.objects.all()
        if wanted := request.query_params.get("type"):
            events = events.filter(type=wanted)
        page = read_page(events, request=request)
        return page_response(page, list(EventSerializer(page.rows, many=True).data), request=request)
