"""A subscription's owner cancels and resumes it."""

from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of, principal_of
from billing.api.fields import RequestSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import SubscriptionNotFound
from billing.organization_roles import Act
from billing.queries import subscription_of
from orders.api.subscriptions import SubscriptionSerializer, organization_of, subscription_response
from orders.use_cases.subscriptions.cancel_subscription import CancelAt, cancel_subscription, resume_subscription


class CancelSerializer(RequestSerializer):
    at = serializers.ChoiceField(
        choices=[each.value for each in CancelAt],
        help_text="`period_end`: at the end of the paid month; `now`: at once, without credit for the rest of it.",
    )


_REFUSED = refusals({404: "There is no subscription.", 409: "The subscription has ended."})


def _subscribed_organization(request: Request, tenant_id: str) -> UUID:
    """Returns the id of the caller's organization. Raises: SubscriptionNotFound, OrganizationRoleTooLow."""
    organization = organization_of(request, tenant_id, act=Act.CHANGE_SUBSCRIPTION)
    if organization is None:
        raise SubscriptionNotFound
    subscription_of(user_id=principal_of(request).user_id, organization_id=organization.id)
    return organization.id


class CancelView(ApiView):
    @extend_schema(
        request=CancelSerializer,
        responses={200: SubscriptionSerializer, **_REFUSED},
        examples=[OpenApiExample("At the end of the month", {"at": "period_end"}, request_only=True)],
        tags=["credit"],
        summary="Cancel an organization's subscription",
        description="The organization is suspended when the subscription ends; its data can be exported. Ending a"
        " subscription now that has ended before changes nothing.",
    )
    def post(self, request: Request, tenant_id: str) -> Response:
        # An organization without a subscription is reported before any other error of the request.
        organization_id = _subscribed_organization(request, tenant_id)
        form = CancelSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        at = CancelAt(form.validated_data["at"])
        return subscription_response(
            cancel_subscription(organization_id=organization_id, at=at, by=actor_of(request))
        )


class ResumeView(ApiView):
    @extend_schema(
        request=None,
        responses={200: SubscriptionSerializer, **_REFUSED},
        tags=["credit"],
        summary="Take a cancellation at the end of the month back",
    )
    def post(self, request: Request, tenant_id: str) -> Response:
        organization_id = _subscribed_organization(request, tenant_id)
        return subscription_response(resume_subscription(organization_id=organization_id, by=actor_of(request)))
