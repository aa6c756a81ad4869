"""Endpoints for the card processor's keys, superadmin only. They accept secrets and never return one."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.renderers import Response
from billing.use_cases.processor_settings import (
    MAX_KEY_LENGTH,
    ProcessorKeys,
    change_processor_keys,
    last4,
    processor_keys,
)

from .fields import RequestSerializer, TextField


class ProcessorSettingsSerializer(serializers.Serializer[Any]):
    stripe_secret_key_configured = serializers.BooleanField()
    stripe_webhook_secret_configured = serializers.BooleanField()
    stripe_secret_key_last4 = serializers.CharField(allow_blank=True)
    stripe_webhook_secret_last4 = serializers.CharField(allow_blank=True)
    stripe_public_key = serializers.CharField(allow_blank=True)
    updated_at = serializers.DateTimeField(
        allow_null=True, help_text="Null while only the environment's values apply."
    )


class ProcessorSettingsRequest(RequestSerializer):
    """New keys. An absent key stays as it is; an empty one is cleared, even if the environment gave a value."""

    stripe_secret_key = TextField(required=False, allow_blank=True, max_length=MAX_KEY_LENGTH)
    stripe_webhook_secret = TextField(required=False, allow_blank=True, max_length=MAX_KEY_LENGTH)
    stripe_public_key = TextField(required=False, allow_blank=True, max_length=MAX_KEY_LENGTH)


class ProcessorSettingsView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        responses=ProcessorSettingsSerializer, tags=["administration"], summary="Which Stripe keys are set"
    )
    def get(self, request: Request) -> Response:
        return Response(_described(processor_keys()))

    @extend_schema(
        request=ProcessorSettingsRequest,
        responses=ProcessorSettingsSerializer,
        tags=["administration"],
        summary="Set Stripe keys, effective at once",
    )
    def put(self, request: Request) -> Response:
        form = ProcessorSettingsRequest(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(_described(change_processor_keys(by=actor_of(request), **form.validated_data)))


def _described(keys: ProcessorKeys) -> dict[str, Any]:
    return {
        "stripe_secret_key_configured": bool(keys.secret_key),
        "stripe_webhook_secret_configured": bool(keys.webhook_secret),
        "stripe_secret_key_last4": last4(keys.secret_key),
        "stripe_webhook_secret_last4": last4(keys.webhook_secret),
        "stripe_public_key": keys.public_key,
        "updated_at": keys.updated_at,
    }
