"""The places where a user is signed in."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of, principal_of
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import SessionNotFound
from billing.models import SignInSession, User
from billing.use_cases.personal.open_sessions import MAX_SESSIONS, end_one_session, list_sessions


class SessionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    started_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField()
    program = serializers.CharField(allow_blank=True, help_text="The browser; empty for a front end.")
    address = serializers.CharField(allow_blank=True, help_text="The browser's network address.")
    method = serializers.ChoiceField(
        choices=["", *SignInSession.Method.values], help_text="How a front end signed in; empty for a browser."
    )


class SessionsView(ApiView):
    @extend_schema(
        responses=SessionSerializer(many=True),
        tags=["identity"],
        summary="Where you are signed in",
        description=f"Newest first: browsers on this service's pages and front ends, at most {MAX_SESSIONS} of each."
        " Empty where the platform signs you in.",
    )
    def get(self, request: Request) -> Response:
        user = User.objects.filter(sub=principal_of(request).user_id).first()
        found = list_sessions(user=user) if user else []
        return Response(list(SessionSerializer(found, many=True).data))


class SessionView(ApiView):
    @extend_schema(
        responses={
            200: inline_serializer("SessionEnded", {"ok": serializers.BooleanField()}),
            **refusals({404: "You have no such session, or it has ended."}),
        },
        tags=["identity"],
        summary="End one of your sessions",
        description="An access token of the session stays valid until it expires, within minutes.",
    )
    def delete(self, request: Request, session_id: str) -> Response:
        user = User.objects.filter(sub=principal_of(request).user_id).first()
        if user is None:
            raise SessionNotFound
        end_one_session(user=user, session_id=session_id, by=actor_of(request))
        return Response({"ok": True})
