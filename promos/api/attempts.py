"""The endpoint of refused attempts, for staff who answer a customer's complaint."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import AUDITOR, MAX_USER_ID_LENGTH, SOVEREIGN_ADMIN, SUPPORT
from billing.api.access.api_view import ApiView
from billing.api.access.permissions import roles
from billing.api.fields import InstantField, RequestSerializer, TextField
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from promos.models import RefusedAttempt
from promos.queries import MAX_CODE_INPUT_LENGTH
from promos.use_cases.attempts.record_attempt import hashes_of
from promos.use_cases.attempts.rules import rule_names


class AttemptSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    act = serializers.ChoiceField(choices=RefusedAttempt.Act.choices)
    rule = serializers.CharField(help_text="The code of the refusal, or a more exact name of its reason.")
    code = serializers.CharField(
        allow_blank=True, help_text="Empty for a card; of an unknown code the first and last characters."
    )
    card_serial = serializers.IntegerField(allow_null=True)
    customer_id = serializers.CharField(
        source="user_id", allow_blank=True, help_text="Empty where nobody was signed in."
    )
    address = serializers.CharField(allow_null=True)
    channel = serializers.CharField()
    values = serializers.DictField(child=serializers.JSONField(), help_text="The values that decided.")
    created_at = serializers.DateTimeField()


class AttemptFilterSerializer(RequestSerializer):
    """The parameters that narrow the list."""

    rule = serializers.ChoiceField(required=False, choices=rule_names())
    customer_id = TextField(required=False, max_length=MAX_USER_ID_LENGTH)
    code = TextField(required=False, max_length=MAX_CODE_INPUT_LENGTH)
    address = serializers.IPAddressField(required=False)
    since = InstantField(required=False)
    until = InstantField(required=False)


_FILTERS = {"rule": "rule", "customer_id": "user_id", "address": "address", "since": "created_at__gte"}
_EXAMPLE = {
    "id": "01a206fe-6626-7d50-8e6d-02d212e822dc",
    "act": "checkout",
    "rule": "card_not_active",
    "code": "",
    "card_serial": 1000001,
    "customer_id": "ada",
    "address": "203.0.113.9",
    "channel": "api",
    "values": {"batch_status": "released", "campaign_status": "active"},
    "created_at": "2026-11-23T06:01:05.722527Z",
}


class AttemptsView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN, read=(AUDITOR, SUPPORT)),)

    @extend_schema(
        responses=AttemptSerializer(many=True),
        parameters=[
            *page_parameters(),
            OpenApiParameter("rule", str, enum=rule_names()),
            OpenApiParameter("customer_id", str),
            OpenApiParameter("code", str, description="The whole code, in any case."),
            OpenApiParameter("address", str, description="The client's address."),
            OpenApiParameter("since", datetime, description="From this instant on."),
            OpenApiParameter("until", datetime, description="Before this instant."),
        ],
        examples=[OpenApiExample("A card of a batch that is not active", _EXAMPLE, response_only=True)],
        tags=["vouchers"],
        summary="Refused attempts to use a code, newest first",
        description="Refused previews, quotes, checkouts and redemptions, with the rule and the values that decided."
        " They are removed after some days.",
    )
    def get(self, request: Request) -> Response:
        names = {str(name) for name in AttemptFilterSerializer().fields} & request.query_params.keys()
        form = AttemptFilterSerializer(data={name: request.query_params[name] for name in names})
        form.is_valid(raise_exception=True)
        given = form.validated_data
        attempts = RefusedAttempt.objects.filter(
            **{_FILTERS[name]: given[name] for name in given if name in _FILTERS}
        )
        if "until" in given:
            attempts = attempts.filter(created_at__lt=given["until"])
        if "code" in given:
            attempts = attempts.filter(code_hash__in=hashes_of(given["code"]))
        page = read_page(attempts, request=request)
        return page_response(page, list(AttemptSerializer(page.rows, many=True).data), request=request)
