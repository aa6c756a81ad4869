"""Sign-in at an OpenID Connect provider, at the addresses where clients expect Google's."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.fields import RequestSerializer, TextField
from billing.api.identity.answers import TokensSerializer, anonymous_actor_of, tokens_answer
from billing.api.identity.sign_in import PublicView
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.oidc import authorization_url, check_configured, check_redirect
from billing.use_cases.identity.sign_in.sign_in_with_provider import sign_in_with_provider

_NOT_CONFIGURED = {404: "`not_configured`: this deployment has no OpenID Connect provider."}
_UNAVAILABLE = {503: "The provider cannot be reached."}


class CallbackSerializer(RequestSerializer):
    code = TextField(max_length=2000, help_text="The provider's code.")
    redirect_uri = TextField(max_length=2000, help_text="The one that `auth/google` got.")


class ProviderUrlView(PublicView):
    @extend_schema(
        parameters=[
            OpenApiParameter(
                "redirect_uri", str, required=True, description="Its origin must be in AUTH_REDIRECT_ORIGINS."
            )
        ],
        responses={
            200: inline_serializer("ProviderUrl", {"url": serializers.URLField()}),
            **refusals({400: "The redirect address is not allowed.", **_NOT_CONFIGURED, **_UNAVAILABLE}),
        },
        tags=["identity"],
        summary="The provider's sign-in page",
    )
    def get(self, request: Request) -> Response:
        redirect_uri = request.query_params.get("redirect_uri", "")
        check_redirect(redirect_uri)
        return Response({"url": authorization_url(redirect_uri=redirect_uri)})


class ProviderCallbackView(PublicView):
    @extend_schema(
        request=CallbackSerializer,
        responses={
            200: TokensSerializer,
            **refusals(
                {
                    400: "The code is not valid, or the redirect address not allowed.",
                    **_NOT_CONFIGURED,
                    **_UNAVAILABLE,
                }
            ),
        },
        tags=["identity"],
        summary="Sign in with the provider's code",
        description="The user is found by the provider's id, else by an address that the provider calls verified,"
        " else this is a new customer.",
    )
    def post(self, request: Request) -> Response:
        form = CallbackSerializer(data=request.data)
        check_configured()
        form.is_valid(raise_exception=True)
        tokens = sign_in_with_provider(**form.validated_data, by=anonymous_actor_of(request))
        return Response(tokens_answer(tokens))
