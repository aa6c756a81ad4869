from typing import Any

from rest_framework import serializers

from billing.api.fields import RequestSerializer, TextField
from billing.api.identifiers import IdField
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.models.webhooks.endpoint import MAX_DESCRIPTION_LENGTH, MAX_URL_LENGTH
from orders.use_cases.webhooks.keep_endpoints import EVENT_TYPES

_MAX_REASON_LENGTH = 500


class WebhookEndpointSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    types = serializers.ListField(
        child=serializers.CharField(), help_text="The types of events that it gets; empty for all."
    )
    status = serializers.ChoiceField(choices=WebhookEndpoint.Status.choices)
    pause_reason = serializers.CharField(help_text="Empty unless it is paused.")
    failing_since = serializers.DateTimeField(allow_null=True, help_text="Null while it accepts requests.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewWebhookEndpointSerializer(WebhookEndpointSerializer):
    secret = serializers.CharField(help_text="It signs the requests. No other answer repeats it.")


class WebhookEndpointChange(RequestSerializer):
    """An absent field keeps its value."""

    url = TextField(required=False, max_length=MAX_URL_LENGTH)
    description = TextField(required=False, allow_blank=True, max_length=MAX_DESCRIPTION_LENGTH)
    types = serializers.ListField(
        child=serializers.ChoiceField(choices=EVENT_TYPES), required=False, max_length=len(EVENT_TYPES)
    )
    reason = TextField(max_length=_MAX_REASON_LENGTH, help_text="For the audit trail.")


class WebhookEndpointRequest(WebhookEndpointChange):
    url = TextField(max_length=MAX_URL_LENGTH)
    reason = TextField(
        required=False, allow_blank=True, max_length=_MAX_REASON_LENGTH, help_text="For the audit trail."
    )


class WebhookAct(RequestSerializer):
    reason = TextField(max_length=_MAX_REASON_LENGTH, help_text="For the audit trail.")


class WebhookResend(WebhookAct):
    delivery_id = IdField(required=False)


class WebhookSecretSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField()


class WebhookTestSerializer(serializers.Serializer[Any]):
    accepted = serializers.BooleanField()
    status = serializers.IntegerField(allow_null=True, help_text="Null where there was no answer.")
    error = serializers.CharField(help_text="Empty where it was accepted.")
    milliseconds = serializers.IntegerField()


class ResentSerializer(serializers.Serializer[Any]):
    resent = serializers.IntegerField()


class WebhookAttemptSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()
    milliseconds = serializers.IntegerField()


class WebhookDeliverySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    event_id = serializers.UUIDField(help_text="The id of the message.")
    type = serializers.CharField(source="event.type")
    status = serializers.ChoiceField(
        choices=WebhookDelivery.Status.choices, help_text="`failed` is a dead letter, which can be sent again."
    )
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.SerializerMethodField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    log = WebhookAttemptSerializer(many=True, help_text="The latest attempts, the oldest first.")

    def get_next_attempt_at(self, delivery: WebhookDelivery) -> str | None:
        if delivery.status != WebhookDelivery.Status.PENDING:
            return None
        shown: str = serializers.DateTimeField().to_representation(delivery.next_attempt_at)
        return shown
