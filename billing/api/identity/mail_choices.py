"""The mails that a customer may decline."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of, principal_of
from billing.api.fields import FlagField, RequestSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.use_cases.personal.mail_choices import choose_mails, wanted_mails

_HELP = {
    "credit_expires": "Credit that expires soon.",
    "renewal_ahead": "A subscription that renews soon.",
    "credit_runs_out": "Credit that will not cover the next month.",
}


class MailChoicesSerializer(serializers.Serializer[Any]):
    credit_expires = serializers.BooleanField(help_text=_HELP["credit_expires"])
    renewal_ahead = serializers.BooleanField(help_text=_HELP["renewal_ahead"])
    credit_runs_out = serializers.BooleanField(help_text=_HELP["credit_runs_out"])


class MailChoicesRequestSerializer(RequestSerializer):
    credit_expires = FlagField(required=False, help_text=_HELP["credit_expires"])
    renewal_ahead = FlagField(required=False, help_text=_HELP["renewal_ahead"])
    credit_runs_out = FlagField(required=False, help_text=_HELP["credit_runs_out"])


class MailChoicesView(ApiView):
    @extend_schema(responses=MailChoicesSerializer, tags=["personal data"], summary="Which optional mails you get")
    def get(self, request: Request) -> Response:
        return Response(wanted_mails(user_id=principal_of(request).user_id))

    @extend_schema(
        request=MailChoicesRequestSerializer,
        responses={200: MailChoicesSerializer, **refusals({409: "Your account was merged into another one."})},
        tags=["personal data"],
        summary="Choose your optional mails",
        description="An absent mail stays as it is. Mails about money that moved are not optional.",
    )
    def put(self, request: Request) -> Response:
        form = MailChoicesRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        actor = actor_of(request)
        choices = {**wanted_mails(user_id=actor.user_id), **form.validated_data}
        choose_mails(wanted={name for name, is_wanted in choices.items() if is_wanted}, by=actor)
        return Response(choices)
