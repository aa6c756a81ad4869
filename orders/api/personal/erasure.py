"""The deletion of a customer's own account."""

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.fields import FlagField, RequestSerializer, TextField
from billing.api.renderers import Response
from billing.api.schema import refusals, retry_after_parameter
from orders.use_cases.personal.erase_customer import erase_own_account


class ErasureSerializer(RequestSerializer):
    code = TextField(max_length=20, help_text="The 6 digits that `auth/magic-link` mailed to your address.")
    otp = TextField(
        max_length=20,
        required=False,
        allow_blank=True,
        help_text="A code of the authenticator app, or a recovery code, where a second factor is enrolled.",
    )
    lose_credit = FlagField(required=False, help_text="Confirms that the credit that is left may be lost.")


class ErasureView(ApiView):
    @extend_schema(
        request=ErasureSerializer,
        responses={
            200: inline_serializer("Erased", {"ok": serializers.BooleanField()}),
            **refusals(
                {
                    401: "The code is wrong or has expired; `second_factor_required` until `otp` is sent with it.",
                    404: "You have never acted here, so there is nothing to delete.",
                    409: "Something is still open, which the code of the error names: `open_payment`,"
                    " `active_subscription`, `owns_organization`, `sold_credit_left`, `credit_would_be_lost`.",
                    429: "More than 10 attempts in a minute.",
                }
            ),
        },
        parameters=[retry_after_parameter("Seconds until the next attempt is allowed.", 409, 429)],
        tags=["personal data"],
        summary="Delete your account",
        description="Erases your name, addresses, sessions, identities, second factor, choices and memberships, for"
        " ever. Orders, entries, redemptions, invoices and receipts stay in the books under your user id.",
    )
    def post(self, request: Request) -> Response:
        form = ErasureSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        erase_own_account(
            code=asked["code"],
            otp=asked.get("otp", ""),
            lose_credit=asked.get("lose_credit", False),
            by=actor_of(request),
        )
        return Response({"ok": True})
