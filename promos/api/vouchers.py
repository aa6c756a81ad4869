"""Endpoints for vouchers, as clients call promo codes: issue, list, revoke, and the public preview."""

from dataclasses import fields as dataclass_fields
from typing import Any, cast

from django.conf import settings
from django.core.validators import RegexValidator
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.actor import SOVEREIGN_ADMIN, VOUCHER_READERS, anonymous_actor
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.client_address import client_address
from billing.api.access.permissions import roles
from billing.api.access.rate_limit import PreviewRateLimit
from billing.api.fields import (
    FlagField,
    InstantField,
    MoneyInput,
    MoneyRequestSerializer,
    MoneyResponseSerializer,
    RequestSerializer,
    TextField,
    WholeNumberField,
    money_fields,
)
from billing.api.identifiers import IdField
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals, retry_after_parameter
from billing.errors import DomainError
from promos.api.credit_life import credit_days_field
from promos.api.restrictions import RESTRICTIONS_EXAMPLE, RestrictionsRequestSerializer, RestrictionsSerializer
from promos.errors import CreditRequired, PromoNotFound
from promos.models import PromoCode
from promos.queries import MAX_CODE_INPUT_LENGTH, live_codes
from promos.use_cases.approvals.propose_issue import issue_or_propose, issued_or_refused
from promos.use_cases.change_code import retire_code
from promos.use_cases.find_code_together import find_code_together
from promos.use_cases.issue_code import MAX_CAP, GivenTerms, Terms
from promos.use_cases.preview_code import preview_code
from promos.use_cases.restrictions.describe_restrictions import describe_to_customers

MAX_LIST_LENGTH = 1000


class VoucherNotFound(DomainError):
    """The code is unknown or retired. Clients must not be able to tell these apart."""

    code = "promo_not_found"
    status = 404
    message = "there is no voucher with this code"


class VoucherSerializer(MoneyResponseSerializer):
    money = ("credit",)

    code = serializers.CharField()
    description = serializers.CharField()
    active = serializers.BooleanField()
    max_redemptions = serializers.IntegerField(help_text="0 = unlimited.")
    times_redeemed = serializers.IntegerField()
    hot = serializers.BooleanField(help_text="Counted by several counters, for many redemptions at the same moment.")
    starts_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    credit_days = serializers.IntegerField(
        allow_null=True, help_text="The credit expires so many days of 24 hours after the redemption."
    )
    credit_expires_at = serializers.DateTimeField(
        allow_null=True, help_text="At the latest at this instant. Both null: as the campaign says."
    )
    created_at = serializers.DateTimeField()
    restrictions = RestrictionsSerializer(allow_null=True, help_text="Its own; those of its campaign apply too.")


class IssueSerializer(MoneyRequestSerializer):
    """The terms of a voucher. No field has a default: an absent one keeps its value on an existing code."""

    money = (MoneyInput(name="credit", minimum=1, required=False),)

    code = TextField(
        max_length=MAX_CODE_INPUT_LENGTH,
        validators=[RegexValidator(r"\A[A-Za-z0-9_-]{3,64}\Z", "3 to 64 of the letters A-Z, digits, '-' and '_'")],
        help_text="In any letter case; stored upper-case.",
    )
    description = TextField(required=False, allow_blank=True, allow_null=True, max_length=500)
    active = FlagField(required=False, help_text="True on a new code that does not say.")
    max_redemptions = WholeNumberField(required=False, min_value=0, max_value=MAX_CAP, help_text="0 = unlimited.")
    hot = FlagField(required=False, help_text="Expect many redemptions at the same moment: use several counters.")
    starts_at = InstantField(required=False, allow_null=True)
    expires_at = InstantField(required=False, allow_null=True)
    credit_days = credit_days_field()
    credit_expires_at = InstantField(required=False, allow_null=True)
    campaign_id = IdField(required=False, help_text="The campaign of a new code, which stays in it. Absent: none.")
    restrictions = RestrictionsRequestSerializer(
        required=False, allow_null=True, help_text="Who can redeem it, and with what. Null removes all rules."
    )
    reason = TextField(required=False, allow_blank=True, max_length=500, help_text="For the audit trail.")


class CodeSerializer(RequestSerializer):
    code = TextField(max_length=MAX_CODE_INPUT_LENGTH)


class PreviewSerializer(MoneyResponseSerializer):
    money = ("credit",)

    code = serializers.CharField()
    description = serializers.CharField()
    active = serializers.BooleanField()
    accepting_redemptions = serializers.BooleanField()
    credit_expires_at = serializers.DateTimeField(
        required=False, help_text="When the credit expires if it is redeemed now; absent where it does not expire."
    )
    conditions = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The restrictions in sentences, which a checkout or a top-up checks; absent where there are none.",
    )


_NO_REASON = "No reason was given."
_ISSUED = {
    200: VoucherSerializer,
    **refusals(
        {
            404: "There is no such campaign.",
            409: "The cap is lower than the number of redemptions already made, or the campaign has ended. Or"
            " credit or cap exceed a limit, and the code was proposed instead: `approval_required`, `proposal_id`.",
        }
    ),
}
_REVOKED = {
    200: inline_serializer("VoucherRevoked", {"ok": serializers.BooleanField()}),
    **refusals({404: "There is no live voucher with this code."}),
}


class VouchersView(ApiView):
    """Lists live codes."""

    permission_classes = (roles(SOVEREIGN_ADMIN, read=VOUCHER_READERS),)

    @extend_schema(
        responses=VoucherSerializer(many=True),
        parameters=page_parameters(default_limit=MAX_LIST_LENGTH, max_limit=MAX_LIST_LENGTH),
        tags=["vouchers"],
        summary="Live codes, newest first",
    )
    def get(self, request: Request) -> Response:
        page = read_page(live_codes(), request=request, default_limit=MAX_LIST_LENGTH, max_limit=MAX_LIST_LENGTH)
        return page_response(page, list(VoucherSerializer(page.rows, many=True).data), request=request)


class IssueView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=IssueSerializer,
        responses=_ISSUED,
        examples=[
            OpenApiExample("A voucher", {"code": "WELCOME50", "credit_minor": 50_000}, request_only=True),
            OpenApiExample(
                "A voucher for first orders",
                {"code": "FIRST10", "credit_minor": 10_000, "restrictions": RESTRICTIONS_EXAMPLE},
                request_only=True,
            ),
        ],
        tags=["vouchers"],
        summary="Create a code, or give an existing one these terms",
        description="An absent field keeps its value on an existing code, and takes its default on a new one. A"
        " retired code is brought back.",
    )
    def post(self, request: Request) -> Response:
        return _issue(request)


class PromosView(VouchersView):
    """Lists and issues codes at the older address."""

    @extend_schema(
        request=IssueSerializer, responses=_ISSUED, tags=["vouchers"], summary="Issue a code, older address"
    )
    def post(self, request: Request) -> Response:
        return _issue(request)


class RevokeView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(responses=_REVOKED, tags=["vouchers"], summary="Retire a code")
    def delete(self, request: Request, code: str) -> Response:
        retire_code(code=code, by=actor_of(request))
        return Response({"ok": True})


# Shared by all requests, as the checkout's is.
_FORM = CodeSerializer()


class PreviewView(ApiView):
    """Previews what a code grants. It consumes nothing, and reveals neither the cap nor the count."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (PreviewRateLimit,)

    @extend_schema(
        request=CodeSerializer,
        responses={
            200: PreviewSerializer,
            410: OpenApiResponse(PreviewSerializer, "The code exists but cannot be redeemed now."),
            **refusals({404: "Unknown or retired.", 429: "Too many previews from this address."}),
        },
        parameters=[retry_after_parameter("Seconds until the next preview is allowed.", 429, required=True)],
        tags=["vouchers"],
        summary="Preview a code",
    )
    def post(self, request: Request) -> Response:
        code = _FORM.run_validation(request.data)["code"]
        found = find_code_together(code)
        by = anonymous_actor(channel="api", address=client_address(request))
        problem = preview_code(found, code=code, by=by)
        if found is None or isinstance(problem, PromoNotFound):
            raise VoucherNotFound
        return Response(_preview(found, accepting=problem is None), status=410 if problem else 200)


def _issue(request: Request) -> Response:
    form = IssueSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    body: dict[str, Any] = form.validated_data
    terms = {field.name: body[field.name] for field in dataclass_fields(Terms) if field.name in body}
    if "description" in terms:
        terms["description"] = terms["description"] or ""
    try:
        outcome = issue_or_propose(
            code=body["code"],
            terms=cast(GivenTerms, terms),
            by=actor_of(request),
            reason=body.get("reason", ""),
            campaign_id=body.get("campaign_id"),
            # Existing clients send none, and could otherwise propose nothing.
            reason_of_proposal=_NO_REASON,
        )
    except CreditRequired as error:
        raise serializers.ValidationError(form.missing("credit")) from error
    return Response(VoucherSerializer(issued_or_refused(outcome)).data)


def _preview(code: PromoCode, *, accepting: bool) -> dict[str, Any]:
    conditions = describe_to_customers(code.restrictions, code.campaign.restrictions)
    expires_at = code.expiry_of_credit(redeemed_at=timezone.now())
    return {
        "code": code.found_by,
        **money_fields("credit", code.credit_minor),
        "currency": settings.SOVEREIGN_CURRENCY,
        "description": code.description,
        "active": code.active,
        "accepting_redemptions": accepting,
        **({"credit_expires_at": expires_at} if expires_at else {}),
        **({"conditions": conditions} if conditions else {}),
    }
