"""Ways to sign in: a mailed code for customers, a password for staff."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.identity.answers import MessageSerializer, TokensSerializer, anonymous_actor_of, tokens_answer
from billing.api.identity.requests import AddressSerializer, MailedCodeSerializer, PasswordSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals, retry_after_parameter
from billing.use_cases.identity.passwords import sign_in_with_password
from billing.use_cases.identity.sign_in.sign_in_codes import CODE_MINUTES, request_code
from billing.use_cases.identity.sign_in.sign_in_with_code import sign_in_with_code

_RETRY_AFTER = retry_after_parameter("Seconds until the next attempt is allowed.", 429, required=True)
_MAILED = f"If this address can receive mail, a code is on its way. It is valid for {CODE_MINUTES} minutes."


class PublicView(ApiView):
    """An endpoint without an identity: an expired bearer token in the request does not matter."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class MagicLinkView(PublicView):
    @extend_schema(
        request=AddressSerializer,
        responses={
            200: MessageSerializer,
            **refusals({429: "Too many codes for this address or client.", 503: "This service cannot send mail."}),
        },
        parameters=[_RETRY_AFTER],
        examples=[OpenApiExample("Ada", {"email": "ada@example.org"}, request_only=True)],
        tags=["identity"],
        summary="Mail a sign-in code",
        description="Six digits, valid for 5 minutes and for one use. A new code replaces the old one. Known and"
        " unknown addresses get the same answer.",
    )
    def post(self, request: Request) -> Response:
        form = AddressSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        request_code(**form.validated_data, by=anonymous_actor_of(request))
        return Response({"message": _MAILED})


class VerifyView(PublicView):
    @extend_schema(
        request=MailedCodeSerializer,
        responses={
            200: TokensSerializer,
            **refusals(
                {
                    401: "The code is wrong or has expired; `second_factor_required` until `otp` is sent with it.",
                    429: "More than 10 attempts in a minute.",
                }
            ),
        },
        parameters=[_RETRY_AFTER],
        examples=[OpenApiExample("Ada", {"email": "ada@example.org", "code": "123456"}, request_only=True)],
        tags=["identity"],
        summary="Sign in with a mailed code",
        description="An unknown address becomes a customer. The fifth wrong attempt ends the code.",
    )
    def post(self, request: Request) -> Response:
        form = MailedCodeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        tokens = sign_in_with_code(**form.validated_data, by=anonymous_actor_of(request))
        return Response(tokens_answer(tokens))


class LoginView(PublicView):
    @extend_schema(
        request=PasswordSerializer,
        responses={
            200: TokensSerializer,
            **refusals(
                {
                    401: "Wrong e-mail address or password; `second_factor_required` until `otp` is sent too.",
                    429: "Too many attempts at this account or from this client.",
                }
            ),
        },
        parameters=[_RETRY_AFTER],
        tags=["identity"],
        summary="Sign in with a password (staff)",
    )
    def post(self, request: Request) -> Response:
        form = PasswordSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        tokens = sign_in_with_password(**form.validated_data, by=anonymous_actor_of(request))
        return Response(tokens_answer(tokens))
