"""The signed-in user, and the refresh tokens of sessions."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework.request import Request

from billing.actor import CUSTOMER, SUPERADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of, principal_of
from billing.api.identity.answers import (
    MessageSerializer,
    TokensSerializer,
    UserSerializer,
    anonymous_actor_of,
    customer_answer,
    tokens_answer,
    user_answer,
)
from billing.api.identity.requests import RefreshSerializer
from billing.api.identity.sign_in import PublicView
from billing.api.renderers import JSONBody, Response, remember_bodies
from billing.api.schema import refusals
from billing.database.shared_read import Read
from billing.errors import UserNotFound
from billing.models import Customer
from billing.queries import SignedInUser, find_signed_in_user
from billing.use_cases.assign_role import strongest_role
from billing.use_cases.identity.end_sessions import sign_out_everywhere
from billing.use_cases.identity.sessions import end_session, refresh_session


class MeView(ApiView):
    @extend_schema(
        responses={
            200: inline_serializer("Me", {"user": UserSerializer()}),
            **refusals({404: "The user does not exist any more."}),
        },
        tags=["identity"],
        summary="The signed-in user",
    )
    def get(self, request: Request) -> HttpResponse:
        principal = principal_of(request)
        found = principal.signed_in or find_signed_in_user(user_id=principal.user_id)
        if found is None:
            raise UserNotFound
        if isinstance(found, Customer):
            return Response({"user": customer_answer(found, role=principal.role)})
        return JSONBody(_body(found, principal.role == CUSTOMER))


@remember_bodies
def _body(found: SignedInUser, is_customer: bool) -> dict[str, Any]:
    role = SUPERADMIN if found.user.is_superuser else strongest_role(found.groups)
    # A customer's session of a member of staff stays a customer's.
    return {"user": user_answer(found.user, role=CUSTOMER if is_customer else role)}


class RefreshView(PublicView):
    @extend_schema(
        request=RefreshSerializer,
        responses={200: TokensSerializer, **refusals({401: "Unknown, expired, used or ended: sign in again."})},
        tags=["identity"],
        summary="Exchange a refresh token for new tokens",
        description="A refresh token is used once. For a minute after that it is answered again, for tabs that race."
        " Each answer has the user's present role.",
    )
    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        tokens = refresh_session(token=form.validated_data["refresh_token"], by=anonymous_actor_of(request))
        return Response(tokens_answer(tokens))


class LogoutView(PublicView):
    @extend_schema(
        request=RefreshSerializer,
        responses=MessageSerializer,
        tags=["identity"],
        summary="End the session of a refresh token",
        description="An unknown token gets the same answer.",
    )
    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        end_session(token=form.validated_data["refresh_token"], by=anonymous_actor_of(request))
        return Response({"message": "You are signed out."})


class LogoutAllView(ApiView):
    @extend_schema(
        request=None,
        responses=MessageSerializer,
        tags=["identity"],
        summary="End all sessions of the signed-in user",
    )
    def post(self, request: Request) -> Response:
        found = find_signed_in_user(user_id=principal_of(request).user_id)
        if isinstance(found, Read):
            sign_out_everywhere(user=found.value.user, by=actor_of(request))
        return Response({"message": "You are signed out everywhere."})
