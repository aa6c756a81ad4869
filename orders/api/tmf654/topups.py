"""Top-ups of customers with vouchers, by an operator's systems."""

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import MAX_USER_ID_LENGTH
from billing.api.access.authentication import actor_of
from billing.api.fields import FlagField, MajorAmountField, RequestSerializer, TextField
from billing.api.idempotency import idempotency_parameter, read_idempotency_key
from billing.api.identifiers import read_path_id
from billing.api.renderers import Response
from billing.errors import CustomerNotFound, DomainError
from billing.language import say
from billing.models import LedgerEntry
from billing.use_cases.store_answer import fingerprint
from orders.use_cases.top_up import top_up
from orders.use_cases.top_up_customer import check_amount, find_customer
from promos.models import Redemption, RefusedAttempt
from promos.queries import MAX_CODE_INPUT_LENGTH, normal_code, top_ups_of
from promos.use_cases.code_guessing import limit_refused_codes

from .resources import MONETARY, TopupBalanceSerializer, describe_topup, write_channel
from .views import (
    FIELDS,
    LIST_PARAMETERS,
    PrepayBalanceView,
    Resource,
    list_response,
    read_customer,
    read_list_window,
    select_fields,
    the_customer,
    tmf_refusals,
)

MAX_CHANNEL_LENGTH = 100
_CUSTOMER_ROLES = ("", "customer")


class TopUpNotFound(DomainError):
    code = "topup_not_found"
    status = 404
    message = "there is no such top-up"


class _AmountSerializer(RequestSerializer):
    amount = MajorAmountField()
    units = TextField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["amount"] and attrs.get("units") != settings.SOVEREIGN_CURRENCY:
            raise serializers.ValidationError(
                {"units": [say("must be %(value)s", value=settings.SOVEREIGN_CURRENCY)]}
            )
        return attrs


class _PartySerializer(RequestSerializer):
    id = TextField(max_length=MAX_USER_ID_LENGTH)


class _ChannelSerializer(RequestSerializer):
    id = TextField(
        max_length=MAX_CHANNEL_LENGTH, validators=[RegexValidator(r"^\S+$", message="must have no spaces")]
    )
    name = TextField(required=False, allow_blank=True, max_length=MAX_CHANNEL_LENGTH)


class _RelatedPartySerializer(_PartySerializer):
    role = TextField(required=False, allow_blank=True)


class TopupBalanceCreateSerializer(RequestSerializer):
    """A top-up with a voucher. The customer is named by at least one reference; all name the same one."""

    voucher = TextField(max_length=MAX_CODE_INPUT_LENGTH, help_text="The code, in any case.")
    amount = _AmountSerializer(
        required=False,
        help_text="The voucher decides the amount. 0 states none; any other must be the voucher's credit.",
    )
    usageType = serializers.ChoiceField(required=False, choices=[MONETARY])
    partyAccount = _PartySerializer(required=False)
    bucket = _PartySerializer(required=False)
    relatedParty = _RelatedPartySerializer(
        required=False, many=True, help_text="Those without a role, or with the role `customer`, are the customer."
    )
    logicalResource = _PartySerializer(
        required=False, many=True, help_text="Names the customer where no other reference does."
    )
    channel = _ChannelSerializer(required=False)
    isAutoTopup = FlagField(required=False, help_text="Only false: a voucher is redeemed once.")

    def validate_isAutoTopup(self, value: bool) -> bool:
        if value:
            raise serializers.ValidationError("must be false: a voucher is redeemed once")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Adds the `user_id` of the customer."""
        given = {f"{name}.id": attrs[name]["id"] for name in ("partyAccount", "bucket") if name in attrs}
        for number, party in enumerate(attrs.get("relatedParty", [])):
            if party.get("role", "").lower() in _CUSTOMER_ROLES:
                given[f"relatedParty.{number}.id"] = party["id"]
        if not given:
            # A phone number, for example, has an id of its own beside its customer's.
            named = enumerate(attrs.get("logicalResource", []))
            given = {f"logicalResource.{number}.id": each["id"] for number, each in named}
        return {**attrs, "user_id": the_customer(given)}


_REQUEST = {
    "voucher": "WELCOME50",
    "amount": {"amount": 0, "units": "OMR"},
    "usageType": "monetary",
    "bucket": {"id": "ada"},
    "partyAccount": {"id": "ada"},
    "channel": {"id": "ivr-1", "name": "Hotline"},
}
_ROOT = "https://api.example.om/api/tmf-api/prepayBalanceManagement/v4"
_TOPUP = {
    "id": "01a206fe-6626-7d50-8e6d-02d212e822dc",
    "href": f"{_ROOT}/topupBalance/01a206fe-6626-7d50-8e6d-02d212e822dc",
    "status": "completed",
    "requestedDate": "2026-11-23T06:01:05.722527Z",
    "confirmationDate": "2026-11-23T06:01:05.722527Z",
    "voucher": "WELCOME50",
    "usageType": "monetary",
    "amount": {"amount": 50, "units": "OMR"},
    "bucket": {"id": "ada", "href": f"{_ROOT}/bucket/ada"},
    "partyAccount": {"id": "ada"},
    "relatedParty": [{"id": "ada", "role": "customer", "@referredType": "Customer"}],
    "channel": {"id": "ivr-1", "name": "Hotline"},
    "requestor": {"id": "ivr", "role": "topup-channel", "@referredType": "Party"},
    "@type": "TopupBalance",
}
_REFUSED = {
    "code": "promo_already_redeemed",
    "reason": "invalid promo code: already redeemed by this customer",
    "status": "400",
    "@type": "Error",
}


class TopupBalancesView(PrepayBalanceView):
    @extend_schema(
        responses={
            200: TopupBalanceSerializer(many=True),
            **tmf_refusals({400: "No customer is named, or the window of the list is invalid."}),
        },
        parameters=LIST_PARAMETERS,
        tags=["TMF654"],
        summary="A customer's top-ups with vouchers, newest first",
    )
    def get(self, request: Request) -> Response:
        top_ups, window = top_ups_of(user_id=read_customer(request)), read_list_window(request)
        rows = list(top_ups[window.offset : window.offset + window.limit])
        return list_response(_describe(rows, request), total=top_ups.count(), request=request)

    @extend_schema(
        request=TopupBalanceCreateSerializer,
        responses={
            201: TopupBalanceSerializer,
            **tmf_refusals(
                {
                    400: "The body or the key is invalid, there is no such customer, or the voucher is refused.",
                    409: "A request with the same key is in flight.",
                    422: "The key was used for another request.",
                    429: "Too many refused codes for this customer, or from this address.",
                    503: "Busy, and nothing was redeemed.",
                }
            ),
        },
        parameters=[
            idempotency_parameter("a second redemption"),
            FIELDS,
            OpenApiParameter("Location", str, OpenApiParameter.HEADER, response=[201]),
        ],
        examples=[
            OpenApiExample("A voucher for Ada", _REQUEST, request_only=True),
            OpenApiExample("Accepted", _TOPUP, response_only=True, status_codes=["201"]),
            OpenApiExample("Rejected", _REFUSED, response_only=True, status_codes=["400"]),
        ],
        tags=["TMF654"],
        summary="Top up a customer's balance with a voucher",
        description="As `billing/vouchers/redeem`, for a named customer who has acted here before.",
    )
    def post(self, request: Request) -> Response:
        form = TopupBalanceCreateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        code, key, by = normal_code(body["voucher"]), read_idempotency_key(request), actor_of(request)
        try:
            customer = find_customer(user_id=body["user_id"])
        except CustomerNotFound as error:
            raise serializers.ValidationError({"partyAccount.id": [error.message]}) from error
        channel = body.get("channel", {})
        with limit_refused_codes(
            code=code, act=RefusedAttempt.Act.REDEMPTION, by=replace(by, user_id=customer.user_id)
        ):
            check_amount(code=code, customer=customer, amount_minor=body.get("amount", {}).get("amount", 0))
            redeemed = top_up(
                code=code,
                by=by,
                user_id=customer.user_id,
                note=write_channel(channel.get("id", ""), channel.get("name", "")),
                idempotency_key=key,
                fingerprint=fingerprint({"top_up": code}),
            )
        [topup] = _describe(_redemptions(redeemed.redemption_id), request)
        return Response(select_fields(topup, request), status=201, headers={"Location": topup["href"]})


class TopupBalanceView(PrepayBalanceView):
    @extend_schema(
        responses={200: TopupBalanceSerializer, **tmf_refusals({404: "There is no such top-up."})},
        parameters=[FIELDS],
        tags=["TMF654"],
        summary="A top-up",
    )
    def get(self, request: Request, id: str) -> Response:
        found = _describe(_redemptions(read_path_id(id, not_found=TopUpNotFound)), request)
        if not found:
            raise TopUpNotFound
        return Response(select_fields(found[0], request))


def _redemptions(identity: Any) -> list[Redemption]:
    return list(Redemption.objects.select_related("promo_code", "customer").filter(id=identity, order_id=None))


def _describe(redemptions: list[Redemption], request: Request) -> list[Resource]:
    """Describes the redemptions, with the entries that granted their credit. One query."""
    grants = LedgerEntry.objects.filter(
        redemption_id__in=[each.id for each in redemptions], kind=LedgerEntry.Kind.GRANT
    )
    by_redemption = {grant.redemption_id: grant for grant in grants}
    return [describe_topup(each, by_redemption[each.id], request=request) for each in redemptions]
