import json
from typing import Any

import stripe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, inline_serializer
from prometheus_client import Counter
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.parsers import MAX_BODY_BYTES, MalformedJSON, PayloadTooLarge, read_json
from billing.api.renderers import Response
from billing.errors import DomainError
from billing.use_cases.processor_settings import processor_keys
from orders.stripe.event_format import MalformedEvent, check_event
from orders.use_cases.payments.settle_event import BALANCE_EVENT_TYPES, EVENT_TYPES, receive_event

MAX_EVENT_AGE_SECONDS = 300

_RECEIVED = Counter("qasima_stripe_webhooks", "Events that Stripe sent, by outcome", ["outcome"])


class WebhookNotConfigured(DomainError):
    code = "webhook_not_configured"
    status = 503
    message = "no webhook secret is configured"


class InvalidWebhook(DomainError):
    code = "invalid_webhook"
    message = "the event is not signed by the payment processor, is too old, or is malformed"


class StripeWebhookView(ApiView):
    """Verifies an event, stores it, and answers. The worker settles it; no other service is called here."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        request={"application/json": OpenApiTypes.OBJECT},
        responses=inline_serializer(
            "WebhookReceived",
            {"received": serializers.BooleanField(), "duplicate": serializers.BooleanField()},
        ),
        tags=["stripe"],
        summary="Receive a Stripe event, signed over the raw body",
        description="Subscribe the endpoint at Stripe to "
        + ", ".join(f"`{each}`" for each in (*EVENT_TYPES, *BALANCE_EVENT_TYPES))
        + ". Other types are stored and change nothing.",
    )
    def post(self, request: Request) -> Response:
        secret = processor_keys().webhook_secret
        if not secret:
            _RECEIVED.labels("not_configured").inc()
            raise WebhookNotConfigured
        try:
            payload = _verify(request, secret)
        except (InvalidWebhook, PayloadTooLarge):
            _RECEIVED.labels("invalid").inc()
            raise
        created = receive_event(payload)
        _RECEIVED.labels("stored" if created else "duplicate").inc()
        return Response({"received": True, "duplicate": not created})


def _verify(request: Request, secret: str) -> dict[str, Any]:
    # The signature covers the body's bytes, so no parser reads them first, whatever the content type is.
    body = request._request.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge()
    try:
        text = body.decode()
        stripe.WebhookSignature.verify_header(
            text, request.headers.get("Stripe-Signature", ""), secret, MAX_EVENT_AGE_SECONDS
        )
        # The strict parser of the API refuses what PostgreSQL cannot store: NUL, lone surrogates, NaN and Infinity.
        read_json(body)
        payload: dict[str, Any] = json.loads(text)
        check_event(payload)
    except (stripe.SignatureVerificationError, UnicodeDecodeError, MalformedJSON, MalformedEvent) as error:
        raise InvalidWebhook from error
    return payload
