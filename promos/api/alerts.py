"""Endpoints for alerts: uses of codes that staff must look at, and campaigns and vouchers that are nearly used up."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import AUDITOR, SOVEREIGN_ADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import RequestSerializer, TextField
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.language import say
from promos.errors import AlertNotFound
from promos.models import Alert
from promos.use_cases.alerts.close_alert import close_alert

_STATES = {"open": True, "closed": False}
_EXAMPLE = {
    "id": "01a206fe-6626-7d50-8e6d-02d212e822dc",
    "kind": "budget_80",
    "subject": "Spring",
    "number": 400_000,
    "allowed": 500_000,
    "opened_at": "2026-11-23T06:01:05.722527Z",
    "last_seen_at": "2026-11-23T06:31:05.722527Z",
    "closed_at": "2026-11-23T08:31:05.722527Z",
    "closed_by": "noor",
}


class AlertSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Alert.Kind.choices)
    subject = serializers.CharField(
        help_text="The address, the user id, or the name of the batch, campaign or voucher; of a range, the batch's"
        " name and the first and last serial number."
    )
    number = serializers.IntegerField(
        help_text="Refusals, redemptions, used slots, or used budget in the smallest unit."
    )
    allowed = serializers.IntegerField(help_text="The budget or the cap; 0 for other kinds.")
    opened_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_by = serializers.CharField(allow_blank=True)


class AlertClosingSerializer(RequestSerializer):
    reason = TextField(max_length=500, help_text="For the audit trail.")


class AlertsView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN, read=(AUDITOR,)),)

    @extend_schema(
        responses=AlertSerializer(many=True),
        parameters=[*page_parameters(), OpenApiParameter("status", str, enum=[*_STATES])],
        examples=[OpenApiExample("80% of a budget is used", _EXAMPLE, response_only=True)],
        tags=["vouchers"],
        summary="Alerts, newest first",
    )
    def get(self, request: Request) -> Response:
        alerts = Alert.objects.all()
        if status := request.query_params.get("status"):
            if status not in _STATES:
                raise serializers.ValidationError({"status": [say("one of %(names)s", names=", ".join(_STATES))]})
            alerts = alerts.filter(closed_at__isnull=_STATES[status])
        page = read_page(alerts, request=request, by="opened_at")
        return page_response(page, list(AlertSerializer(page.rows, many=True).data), request=request)


class CloseAlertView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=AlertClosingSerializer,
        responses={200: AlertSerializer, **refusals({404: "There is no such alert."})},
        tags=["vouchers"],
        summary="Close an alert",
        description="It opens again only by what happens afterwards. A closed one stays as it is.",
    )
    def post(self, request: Request, alert_id: UUID) -> Response:
        if not Alert.objects.filter(pk=alert_id).exists():
            raise AlertNotFound
        form = AlertClosingSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        alert = close_alert(alert_id=alert_id, why=form.validated_data["reason"], by=actor_of(request))
        return Response(AlertSerializer(alert).data)
