"""The ledger, vouchers, batches and campaigns as of a past instant, for staff."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import LEDGER_READERS
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import InstantField, RequestSerializer, TextField
from billing.api.identifiers import IdField
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.models import CreditClass, LedgerEntry
from billing.use_cases.past.position_at import position_at
from billing.use_cases.past.trial_balance import trial_balance
from orders.use_cases.customers.plan_merge import find_customer
from orders.use_cases.ledger.explain import (
    ExplainedBalance,
    ExplainedOrder,
    explain_balance,
    explain_month,
    explain_order,
)
from orders.use_cases.statements.hand_out_explanation import hand_out_explanation
from promos.use_cases.past.voucher_at import batch_at, campaign_at, code_at


class InstantSerializer(RequestSerializer):
    at = InstantField(required=False)


class BalanceRequestSerializer(InstantSerializer):
    user_id = TextField(max_length=255)


class VoucherRequestSerializer(InstantSerializer):
    code = TextField(required=False, max_length=64)
    batch = TextField(required=False, max_length=64)
    campaign = TextField(required=False, max_length=100)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len({"code", "batch", "campaign"} & attrs.keys()) != 1:
            raise serializers.ValidationError({"code": ["name one code, batch or campaign"]})
        return attrs


class LotAtSerializer(serializers.Serializer[Any]):
    entry_id = serializers.UUIDField(help_text="The ledger entry that brought this credit.")
    credit_class = serializers.ChoiceField(choices=CreditClass.choices)
    expires_at = serializers.DateTimeField(allow_null=True)
    brought_minor = serializers.IntegerField()
    left_minor = serializers.IntegerField(help_text="What was left of it, with the held part.")
    held_minor = serializers.IntegerField()


class PositionAtSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    user_id = serializers.CharField()
    entries = serializers.IntegerField(help_text="The number of the account's ledger entries until then.")
    balance_minor = serializers.IntegerField(help_text="As known then: the sum of the entries until then.")
    held_minor = serializers.IntegerField()
    expired_minor = serializers.IntegerField(help_text="Expired by then, without an expiry entry yet.")
    available_minor = serializers.IntegerField(help_text="The balance less the held and the expired part.")
    corrected_minor = serializers.IntegerField(
        help_text="As corrected since: the balance with the reversals that followed later, of entries until then."
    )
    lots = LotAtSerializer(many=True, help_text="The first 200, the soonest expiry first.")


class TrialLineSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=LedgerEntry.Kind.choices)
    credit_class = serializers.CharField(help_text="Empty where the entries name no class.")
    entries = serializers.IntegerField()
    known_minor = serializers.IntegerField(help_text="As known then.")
    corrected_minor = serializers.IntegerField(help_text="As corrected since.")


class TrialBalanceSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    lines = TrialLineSerializer(many=True)
    balance_minor = serializers.IntegerField(help_text="The sum of the lines: the credit that customers had.")
    held_minor = serializers.IntegerField()
    corrected_minor = serializers.IntegerField()


class FiguresSerializer(serializers.Serializer[Any]):
    redemptions = serializers.IntegerField(help_text="Live ones.")
    customers = serializers.IntegerField()
    granted_minor = serializers.IntegerField()
    taken_back_minor = serializers.IntegerField(help_text="Reversed grants.")
    left_minor = serializers.IntegerField(help_text="What customers could still spend of it: the liability.")
    held_minor = serializers.IntegerField(help_text="The part of it that was set aside for open payments.")


class VoucherAtSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=["code", "batch", "campaign"])
    name = serializers.CharField()
    state = serializers.DictField(help_text="Its terms and state then; empty if it did not exist yet.")
    figures = FiguresSerializer()


class ExplainRequestSerializer(RequestSerializer):
    user_id = TextField(required=False, max_length=255)
    order_id = IdField(required=False)
    invoice_id = IdField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError({"user_id": ["name one user, order or invoice"]})
        return attrs


class OriginSerializer(serializers.Serializer[Any]):
    entry_id = serializers.UUIDField(help_text="The ledger entry that brought the credit.")
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=LedgerEntry.Kind.choices)
    reason = serializers.CharField()
    note = serializers.CharField(help_text="The reason that staff gave; empty for most.")
    amount_minor = serializers.IntegerField(help_text="The amount that it brought.")
    actor_id = serializers.CharField()
    redemption_id = serializers.UUIDField(allow_null=True)
    code = serializers.CharField(allow_null=True, help_text="Of a card: its batch's name.")
    card_serial = serializers.IntegerField(allow_null=True)
    batch = serializers.CharField(allow_null=True)
    batch_approved_by = serializers.CharField(allow_null=True)
    campaign_id = serializers.UUIDField(allow_null=True)
    campaign = serializers.CharField(allow_null=True)
    campaign_approved_by = serializers.CharField(allow_null=True)
    issued_by = serializers.CharField(allow_null=True)


class UseSerializer(serializers.Serializer[Any]):
    entry_id = serializers.UUIDField()
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=LedgerEntry.Kind.choices)
    reason = serializers.CharField()
    order_id = serializers.UUIDField(allow_null=True)
    organization = serializers.CharField(allow_null=True)
    part_minor = serializers.IntegerField(help_text="The part of this credit that it took.")


class ExplainedLotSerializer(serializers.Serializer[Any]):
    lot = LotAtSerializer()
    origin = OriginSerializer()
    uses = UseSerializer(many=True)


class SourceSerializer(serializers.Serializer[Any]):
    part_minor = serializers.IntegerField()
    origin = OriginSerializer()


class CardPartSerializer(serializers.Serializer[Any]):
    entry_id = serializers.UUIDField(source="id", help_text="The entry of the clearing account.")
    at = serializers.DateTimeField(source="created_at")
    kind = serializers.ChoiceField(choices=["payment", "refund"])
    amount_minor = serializers.IntegerField(help_text="Negative for a refund.")
    stripe_object_id = serializers.CharField(help_text="Of the paid session or invoice.")


class ExplanationSerializer(serializers.Serializer[Any]):
    user_id = serializers.CharField(source="customer.user_id")
    order_id = serializers.UUIDField(source="order.id", required=False, help_text="Absent for a balance.")
    position = PositionAtSerializer(required=False, help_text="Absent for an order.")
    lots = ExplainedLotSerializer(many=True, required=False, help_text="Absent for an order.")
    sources = SourceSerializer(many=True, required=False, help_text="The credit that pays it; absent for a balance.")
    invoice_id = serializers.UUIDField(
        source="month.id",
        required=False,
        help_text="Of a month that Stripe charges; then `order_id` began the subscription.",
    )
    given_back_minor = serializers.IntegerField(
        required=False, help_text="Credit that paid it and went back to the balance; absent for a balance."
    )
    card = CardPartSerializer(many=True, required=False, help_text="What the card paid; absent for a balance.")
    total_minor = serializers.IntegerField(required=False, help_text="Absent for a balance.")
    due_by_card_minor = serializers.IntegerField(required=False, help_text="The part that credit does not cover.")


_AT = OpenApiParameter("at", datetime, description="An instant with an offset (RFC 3339); now if absent.")


def _read(serializer: type[RequestSerializer], request: Request) -> dict[str, Any]:
    """Reads the parameters of the query. Raises: ValidationError."""
    form = serializer(data=request.query_params.dict())
    form.is_valid(raise_exception=True)
    return {"at": timezone.now(), **form.validated_data}


class BalanceAtView(ApiView):
    permission_classes = (roles(*LEDGER_READERS),)

    @extend_schema(
        responses={200: PositionAtSerializer, **refusals({404: "There is no such customer."})},
        parameters=[OpenApiParameter("user_id", str, required=True), _AT],
        tags=["administration"],
        summary="A customer's balance, held credit and lots at a past instant",
    )
    def get(self, request: Request) -> Response:
        asked = _read(BalanceRequestSerializer, request)
        customer = find_customer(user_id=asked["user_id"])
        return Response(PositionAtSerializer(position_at(customer, at=asked["at"], with_lots=True)).data)


class TrialBalanceView(ApiView):
    permission_classes = (roles(*LEDGER_READERS),)

    @extend_schema(
        responses=TrialBalanceSerializer,
        parameters=[_AT],
        tags=["administration"],
        summary="The trial balance of the ledger at a past instant",
    )
    def get(self, request: Request) -> Response:
        return Response(TrialBalanceSerializer(trial_balance(at=_read(InstantSerializer, request)["at"])).data)


class VoucherAtView(ApiView):
    permission_classes = (roles(*LEDGER_READERS),)

    @extend_schema(
        responses={200: VoucherAtSerializer, **refusals({404: "There is no such code, batch or campaign."})},
        parameters=[
            _AT,
            OpenApiParameter("code", str),
            OpenApiParameter("batch", str, description="A batch's name."),
            OpenApiParameter("campaign", str, description="A campaign's name, in any case."),
        ],
        tags=["administration"],
        summary="The state, use and liability of a code, batch or campaign at a past instant",
    )
    def get(self, request: Request) -> Response:
        asked = _read(VoucherRequestSerializer, request)
        at = asked["at"]
        if "code" in asked:
            found = code_at(asked["code"], at=at)
        elif "batch" in asked:
            found = batch_at(asked["batch"], at=at)
        else:
            found = campaign_at(asked["campaign"], at=at)
        return Response(VoucherAtSerializer(found).data)


_EXPLAIN_REFUSALS = {404: "There is no such customer, order or invoice."}
_EXPLAIN_PARAMETERS = [
    OpenApiParameter("user_id", str, description="Explain this customer's balance."),
    OpenApiParameter("order_id", UUID, description="Explain what paid this order."),
    OpenApiParameter("invoice_id", UUID, description="Explain what paid the month of this invoice."),
]


class ExplainView(ApiView):
    permission_classes = (roles(*LEDGER_READERS),)

    @extend_schema(
        responses={200: ExplanationSerializer, **refusals(_EXPLAIN_REFUSALS)},
        parameters=_EXPLAIN_PARAMETERS,
        tags=["administration"],
        summary="Explain a balance by its redemptions and uses, or an order or month by what paid it",
    )
    def get(self, request: Request) -> Response:
        return Response(ExplanationSerializer(_explain(request)).data)


class ExplanationPdfView(ApiView):
    permission_classes = (roles(*LEDGER_READERS),)

    @extend_schema(
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **refusals(_EXPLAIN_REFUSALS)},
        parameters=_EXPLAIN_PARAMETERS,
        tags=["administration"],
        summary="Download the explanation of a balance, an order or a month as a PDF",
        description="In the language of `Accept-Language`. Each download is recorded in the audit trail.",
    )
    def get(self, request: Request) -> HttpResponse:
        content = hand_out_explanation(_explain(request), by=actor_of(request))
        headers = {"Content-Disposition": 'inline; filename="explanation.pdf"', "Cache-Control": "private, no-store"}
        return HttpResponse(content, content_type="application/pdf", headers=headers)


def _explain(request: Request) -> ExplainedOrder | ExplainedBalance:
    form = ExplainRequestSerializer(data=request.query_params.dict())
    form.is_valid(raise_exception=True)
    asked = form.validated_data
    if "order_id" in asked:
        return explain_order(asked["order_id"])
    if "invoice_id" in asked:
        return explain_month(asked["invoice_id"])
    return explain_balance(find_customer(user_id=asked["user_id"]))
