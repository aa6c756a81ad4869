"""A customer's subscription and invoices, with the open payment that each waits for.

The link of an open payment is also sent by mail. Here the platform's own pages find it.
"""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of, principal_of
from billing.api.fields import MoneyResponseSerializer
from billing.api.identifiers import read_id, read_path_id
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import OrganizationNotFound, SubscriptionNotFound
from billing.models import Invoice, Organization, Subscription
from billing.organization_roles import Act
from billing.queries import invoices_of, subscription_of
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.queries.orders import end_of_grace, open_payment_of, open_payments


class OpenPaymentSerializer(MoneyResponseSerializer):
    money = ("amount",)

    order_id = serializers.UUIDField()
    payment_url = serializers.CharField(source="session_url", help_text="Stripe's page on which to pay.")
    credit_held_minor = serializers.IntegerField(
        source="order.credit_to_hold_minor",
        help_text="The part of the order that credit pays, held until the payment.",
    )
    expires_at = serializers.DateTimeField(help_text="The end of the payment page.")


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
    past_due_since = serializers.DateTimeField(
        allow_null=True, help_text="When credit first did not cover the month that is due; null where it is paid."
    )
    grace_ends_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When the subscription ends unless the month is paid before; null where no month is due.",
    )
    open_payment = OpenPaymentSerializer(
        allow_null=True,
        help_text="The open payment of the organization's order or month; null where there is none, and for members.",
    )
    cancel_at_period_end = serializers.BooleanField(help_text="Cancelled: it ends with the current period.")
    canceled_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class SubscriptionView(ApiView):
    @extend_schema(
        responses={200: SubscriptionSerializer, **refusals({404: "There is no subscription."})},
        tags=["credit"],
        summary="Read an organization's subscription, or your newest",
    )
    def get(self, request: Request, tenant_id: str | None = None) -> Response:
        organization = organization_of(request, tenant_id, act=Act.READ_SUBSCRIPTION)
        if tenant_id is not None and organization is None:
            raise SubscriptionNotFound
        found = subscription_of(
            user_id=principal_of(request).user_id, organization_id=organization.id if organization else None
        )
        return subscription_response(found, is_payer=_is_payer(request, organization))


def subscription_response(found: Any, *, is_payer: bool = True) -> Response:
    """Renders a subscription, for its payer with the open payment of its organization. One query."""
    found.grace_ends_at = end_of_grace(found)
    found.open_payment = open_payment_of(organization_id=found.organization_id) if is_payer else None
    return Response(SubscriptionSerializer(found).data)


def organization_of(request: Request, tenant_id: str | None, *, act: Act) -> Organization | None:
    """Returns the organization that the path names; None if it names none, or a stranger's.

    Raises: OrganizationRoleTooLow.
    """
    organization_id = None if tenant_id is None else read_id(tenant_id)
    if organization_id is None:
        return None
    try:
        return authorize_act(organization_id=organization_id, by=actor_of(request), act=act)
    except OrganizationNotFound:
        return None


def _is_payer(request: Request, organization: Organization | None) -> bool:
    """Returns whether the caller pays for the organization, and so may see what a payment holds of the credit."""
    return organization is None or organization.customer.user_id == principal_of(request).user_id


class InvoiceSerializer(MoneyResponseSerializer):
    money = ("amount",)

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Invoice.Status.choices)
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    pdf_url = serializers.CharField()
    open_payment = OpenPaymentSerializer(
        allow_null=True, help_text="The open payment of the invoice; null where there is none, and for members."
    )
    created_at = serializers.DateTimeField()


class InvoicesView(ApiView):
    @extend_schema(
        responses=InvoiceSerializer(many=True),
        parameters=page_parameters(),
        tags=["credit"],
        summary="List your invoices, newest first",
    )
    def get(self, request: Request, tenant_id: str | None = None) -> Response:
        if tenant_id is not None:
            read_path_id(tenant_id, not_found=OrganizationNotFound)
        organization = organization_of(request, tenant_id, act=Act.READ_INVOICES)
        invoices = invoices_of(
            user_id=principal_of(request).user_id, organization_id=organization.id if organization else None
        )
        page = read_page(
            invoices.none() if tenant_id is not None and organization is None else invoices, request=request
        )
        unpaid: list[UUID] = []
        if _is_payer(request, organization):
            unpaid = [each.order_id for each in page.rows if each.status == Invoice.Status.OPEN and each.order_id]
        waiting = {each.order_id: each for each in open_payments().filter(order__in=unpaid)} if unpaid else {}
        rows: list[Any] = list(page.rows)
        for each in rows:
            each.open_payment = waiting.get(each.order_id)
        return page_response(page, list(InvoiceSerializer(rows, many=True).data), request=request)
