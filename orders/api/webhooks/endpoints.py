"""Endpoints for a superadmin who registers subscribers of events. A secret is answered once."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import AUDITOR
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.identifiers import read_path_id
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from orders.errors import WebhookEndpointNotFound
from orders.models import WebhookEndpoint
from orders.use_cases.webhooks.endpoint_secrets import rotate_secret
from orders.use_cases.webhooks.keep_endpoints import (
    change_endpoint,
    pause_endpoint,
    register_endpoint,
    resume_endpoint,
    retire_endpoint,
)
from orders.use_cases.webhooks.send_test import send_test

from .serializers import (
    NewWebhookEndpointSerializer,
    WebhookAct,
    WebhookEndpointChange,
    WebhookEndpointRequest,
    WebhookEndpointSerializer,
    WebhookSecretSerializer,
    WebhookTestSerializer,
)

_REFUSALS = refusals({404: "There is no such endpoint.", 409: "The endpoint was retired."})


class WebhookEndpointsView(ApiView):
    permission_classes = (roles(read=(AUDITOR,)),)

    @extend_schema(
        responses=WebhookEndpointSerializer(many=True),
        parameters=page_parameters(),
        tags=["webhooks"],
        summary="Endpoints of subscribers, newest first",
    )
    def get(self, request: Request) -> Response:
        page = read_page(WebhookEndpoint.objects.all(), request=request)
        return page_response(page, list(WebhookEndpointSerializer(page.rows, many=True).data), request=request)

    @extend_schema(
        request=WebhookEndpointRequest,
        responses={201: NewWebhookEndpointSerializer, **refusals({409: "There are too many endpoints."})},
        examples=[
            OpenApiExample(
                "Orders only",
                {"url": "https://shop.example.com/hooks", "types": ["order.placed"]},
                request_only=True,
            )
        ],
        tags=["webhooks"],
        summary="Register an endpoint",
        description="It gets the events from now on, signed as Standard Webhooks describes. The body is the event's"
        " envelope, and `Webhook-Id` is the event's id: an event may arrive more than once.",
    )
    def post(self, request: Request) -> Response:
        body = read_body(WebhookEndpointRequest, request)
        made = register_endpoint(**body, by=actor_of(request))
        answer = {**WebhookEndpointSerializer(made.endpoint).data, "secret": made.secret}
        return Response(answer, status=201)


class WebhookEndpointView(ApiView):
    permission_classes = (roles(read=(AUDITOR,)),)

    @extend_schema(
        responses={200: WebhookEndpointSerializer, **refusals({404: "There is no such endpoint."})},
        tags=["webhooks"],
        summary="An endpoint",
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        return _answer(find_endpoint(endpoint_id))

    @extend_schema(
        request=WebhookEndpointChange,
        responses={200: WebhookEndpointSerializer, **_REFUSALS},
        tags=["webhooks"],
        summary="Change an endpoint",
        description="An absent field keeps its value.",
    )
    def put(self, request: Request, endpoint_id: str) -> Response:
        endpoint = find_endpoint(endpoint_id)
        body = read_body(WebhookEndpointChange, request)
        return _answer(change_endpoint(endpoint_id=endpoint.pk, **body, by=actor_of(request)))


class _ActView(ApiView):
    """An act on an endpoint, which needs a reason."""

    permission_classes = (roles(),)
    act: ClassVar[Callable[..., WebhookEndpoint]]

    def _carry_out(self, request: Request, endpoint_id: str) -> Response:
        endpoint = find_endpoint(endpoint_id)
        body = read_body(WebhookAct, request)
        return _answer(self.act(endpoint_id=endpoint.pk, by=actor_of(request), reason=body["reason"]))


class PauseView(_ActView):
    act = staticmethod(pause_endpoint)

    @extend_schema(
        request=WebhookAct,
        responses={200: WebhookEndpointSerializer, **_REFUSALS},
        tags=["webhooks"],
        summary="Pause an endpoint; its events wait",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        return self._carry_out(request, endpoint_id)


class ResumeView(_ActView):
    act = staticmethod(resume_endpoint)

    @extend_schema(
        request=WebhookAct,
        responses={200: WebhookEndpointSerializer, **_REFUSALS},
        tags=["webhooks"],
        summary="Resume a paused endpoint",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        return self._carry_out(request, endpoint_id)


class RetireView(_ActView):
    act = staticmethod(retire_endpoint)

    @extend_schema(
        request=WebhookAct,
        responses={200: WebhookEndpointSerializer, **refusals({404: "There is no such endpoint."})},
        tags=["webhooks"],
        summary="Retire an endpoint for good",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        return self._carry_out(request, endpoint_id)


class RotateSecretView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        request=WebhookAct,
        responses={200: WebhookSecretSerializer, **_REFUSALS},
        tags=["webhooks"],
        summary="Give an endpoint a new secret",
        description="Requests carry the signature of the earlier secret too, for 24 hours after its own rotation.",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = find_endpoint(endpoint_id)
        body = read_body(WebhookAct, request)
        return Response({"secret": rotate_secret(endpoint_id=endpoint.pk, by=actor_of(request), **body)})


class TestView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        request=WebhookAct,
        responses={200: WebhookTestSerializer, **_REFUSALS},
        tags=["webhooks"],
        summary="Send a signed test message at once",
        description="Its type is `webhook.test`. The answer says what the endpoint answered.",
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        endpoint = find_endpoint(endpoint_id)
        body = read_body(WebhookAct, request)
        answer = send_test(endpoint_id=endpoint.pk, by=actor_of(request), **body)
        shown = {
            "accepted": answer.is_accepted,
            "status": answer.status,
            "error": answer.error,
            "milliseconds": answer.milliseconds,
        }
        return Response(shown)


def find_endpoint(text: str) -> WebhookEndpoint:
    """Returns the endpoint that a path names. Raises: WebhookEndpointNotFound."""
    key = read_path_id(text, not_found=WebhookEndpointNotFound)
    endpoint = WebhookEndpoint.objects.filter(pk=key).first()
    if endpoint is None:
        raise WebhookEndpointNotFound
    return endpoint


def read_body(form_class: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Reads a request's body. Raises: ValidationError."""
    form = form_class(data=request.data)
    form.is_valid(raise_exception=True)
    body: dict[str, Any] = form.validated_data
    return body


def _answer(endpoint: WebhookEndpoint) -> Response:
    return Response(WebhookEndpointSerializer(endpoint).data)
