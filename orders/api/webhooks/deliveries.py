"""The log of what was sent to an endpoint, and its dead letters."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import AUDITOR
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.language import say
from orders.models import WebhookDelivery
from orders.use_cases.webhooks.resend_failed import resend_failed

from .endpoints import find_endpoint, read_body
from .serializers import ResentSerializer, WebhookDeliverySerializer, WebhookResend


class WebhookDeliveriesView(ApiView):
    permission_classes = (roles(read=(AUDITOR,)),)

    @extend_schema(
        responses={200: WebhookDeliverySerializer(many=True), **refusals({404: "There is no such endpoint."})},
        parameters=[*page_parameters(), OpenApiParameter("status", str, enum=WebhookDelivery.Status.values)],
        tags=["webhooks"],
        summary="Deliveries to an endpoint, newest first",
        description="Accepted ones are kept for 30 days, unless the deployment says otherwise.",
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        endpoint = find_endpoint(endpoint_id)
        deliveries = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("event")
        status = request.query_params.get("status")
        if status:
            if status not in WebhookDelivery.Status.values:
                known = ", ".join(WebhookDelivery.Status.values)
                raise serializers.ValidationError({"status": [say("one of %(names)s", names=known)]})
            deliveries = deliveries.filter(status=status)
        page = read_page(deliveries, request=request)
        return page_response(page, list(WebhookDeliverySerializer(page.rows, many=True).data), request=request)


class ResendFailedView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        request=WebhookResend,
        responses={
            200: ResentSerializer,
            **refusals({404: "There is no such endpoint or delivery.", 409: "The endpoint was retired."}),
        },
        tags=["webhooks"],
        summary="Send failed deliveries of an endpoint again",
        description="All that staff have not closed, or the one that `delivery_id` names. What waits, or was"
        " accepted, stays as it is.",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = find_endpoint(endpoint_id)
        body = read_body(WebhookResend, request)
        return Response({"resent": resend_failed(endpoint_id=endpoint.pk, by=actor_of(request), **body)})
