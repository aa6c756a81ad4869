from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import Actor
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.fields import MajorAmountField, MinorAmountField, RequestSerializer, TextField
from billing.api.idempotency import InvalidIdempotencyKey, idempotency_parameter, read_idempotency_key
from billing.api.identifiers import IdField, read_id
from billing.api.renderers import Response
from billing.api.schema import refusals, retry_after_parameter
from billing.errors import OrganizationNotFound
from billing.money import to_major
from billing.organization_roles import Act
from billing.use_cases.identity.remember_language import remember_language_of_act
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.store_answer import fingerprint
from orders.api.references import ReferencesField
from orders.api.vat import IncludedVatSerializer, vat_fields
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from promos.models import RefusedAttempt
from promos.queries import normal_code
from promos.use_cases.code_guessing import limit_refused_codes


class CheckoutSerializer(RequestSerializer):
    tenant_id = IdField(help_text="The id of one of your organizations.")
    plan_id = TextField(max_length=64, help_text="Id or slug.")
    apps = ReferencesField(required=False)
    addons = ReferencesField(required=False)
    bundle = TextField(
        required=False,
        allow_blank=True,
        allow_null=True,
        max_length=64,
        help_text="Id or slug of a bundle whose apps are all in the order. Its discount lowers every month's price.",
    )
    promo_code = TextField(
        required=False, allow_blank=True, allow_null=True, max_length=200, help_text="A voucher's code, in any case."
    )


class CheckoutAnswerSerializer(serializers.Serializer[Any]):
    order_id = serializers.UUIDField()
    paid_by_credit = serializers.BooleanField(required=False, help_text="True where credit covered the total.")
    session_url = serializers.URLField(required=False, help_text="Where the customer pays the rest.")
    credit_balance = MajorAmountField(read_only=True, help_text="The balance after this answer, in the currency.")
    credit_balance_minor = MinorAmountField(read_only=True, help_text="The same, in the smallest unit.")
    vat = IncludedVatSerializer(
        required=False, help_text="The VAT that the total includes; absent where no rate of VAT applies."
    )


_ORDER = "01a206fe-6626-7d50-8e6d-02d212e822dc"

# Shared by all requests: creating its fields costs more than validating, and validating does not change them.
_FORM = CheckoutSerializer()


class CheckoutView(ApiView):
    @extend_schema(
        request=CheckoutSerializer,
        responses={
            200: CheckoutAnswerSerializer,
            **refusals(
                {
                    400: "The body is invalid, a catalog item is unknown, the order lacks apps of the bundle, or the"
                    " promo code cannot be redeemed.",
                    403: "You are a member of the organization; only its owner pays.",
                    404: "The organization is not yours.",
                    409: "Suspended by staff, already subscribed, a payment is in progress, or a request with the"
                    " same key is in flight.",
                    422: "The key was already used for a different request.",
                    429: "Too many refused codes of this customer or address.",
                    502: "The payment processor could not open a payment; nothing was charged or redeemed.",
                    503: "Credit does not cover the order and no processor is configured; the service is busy; or, as"
                    " `outcome_unknown`, the order may have been placed.",
                }
            ),
        },
        parameters=[
            idempotency_parameter("a second order"),
            retry_after_parameter("Seconds after which the same request may succeed.", 409, 429, 502, 503),
        ],
        examples=[
            OpenApiExample(
                "Credit covers the total",
                {"order_id": _ORDER, "paid_by_credit": True, "credit_balance": 38, "credit_balance_minor": 38_000},
                response_only=True,
                status_codes=["200"],
            ),
            OpenApiExample(
                "A card pays the rest",
                {
                    "order_id": _ORDER,
                    "session_url": "https://checkout.stripe.com/c/pay/cs_1",
                    "credit_balance": 20,
                    "credit_balance_minor": 20_000,
                    "vat": {
                        "basis_points": 500,
                        "vat_omr": 0.571,
                        "vat_minor": 571,
                        "vat_baisa": 571,
                        "net_omr": 11.429,
                        "net_minor": 11_429,
                        "net_baisa": 11_429,
                        "currency": "OMR",
                    },
                },
                response_only=True,
                status_codes=["200"],
            ),
        ],
        tags=["checkout"],
        summary="Order a plan for an organization; credit pays first",
        description="A `bundle` takes its discount off the plan and the add-ons; the rest is rounded up to an amount"
        " that a card can pay. Each later month costs the same, also after an app was removed; a change of plan names"
        " the bundle again. Without all offered apps of the bundle the order is refused: `bundle_incomplete`.",
    )
    def post(self, request: Request) -> Response:
        checkout, by = read_checkout(request), actor_of(request)
        code = checkout.promo_code
        guarded = limit_refused_codes(code=code, act=RefusedAttempt.Act.CHECKOUT, by=by) if code else nullcontext()
        with refusing_members(checkout, by=by), guarded:
            placed = place_order(request=checkout, by=by)
        remember_language_of_act(user_id=by.user_id)
        paid = {"session_url": placed.session_url} if placed.paid_by_card else {"paid_by_credit": True}
        return Response(
            {
                "order_id": str(placed.order_id),
                **paid,
                "credit_balance": to_major(placed.balance_minor, currency=settings.SOVEREIGN_CURRENCY),
                "credit_balance_minor": placed.balance_minor,
                **vat_fields(placed.vat),
            }
        )


@contextmanager
def refusing_members(checkout: CheckoutRequest, *, by: Actor) -> Iterator[None]:
    """Tells a member that the owner pays. A checkout looks for the owner's organization only, and finds none."""
    try:
        yield
    except OrganizationNotFound:
        authorize_act(organization_id=checkout.tenant_id, by=by, act=Act.PAY)
        raise


def read_checkout(request: Request) -> CheckoutRequest:
    """Reads the body of a checkout, and its key.

    Raises: ValidationError, InvalidIdempotencyKey, OrganizationNotFound, OrganizationRoleTooLow.
    """
    try:
        body = _FORM.run_validation(request.data)
        key = read_idempotency_key(request)
    except (serializers.ValidationError, InvalidIdempotencyKey) as refusal:
        _refuse_foreign_tenant(request, refusal)
        raise
    normalized = {
        "tenant_id": str(body["tenant_id"]),
        "plan": body["plan_id"],
        "apps": body.get("apps") or [],
        "addons": body.get("addons") or [],
        "promo_code": normal_code(body.get("promo_code") or ""),
    }
    bundle = body.get("bundle") or ""
    if bundle:
        # A request without a bundle has the same fingerprint as before there were any.
        normalized["bundle"] = bundle
    return CheckoutRequest(
        tenant_id=body["tenant_id"],
        plan=normalized["plan"],
        apps=tuple(normalized["apps"]),
        addons=tuple(normalized["addons"]),
        bundle=bundle,
        promo_code=normalized["promo_code"],
        idempotency_key=key,
        fingerprint=fingerprint(normalized),
    )


def _refuse_foreign_tenant(request: Request, refusal: Exception) -> None:
    """Answers 404 or 403 for an organization that is not the caller's, before any other error of the request."""
    errors = refusal.detail if isinstance(refusal, serializers.ValidationError) else {}
    if "tenant_id" in errors or not isinstance(request.data, dict):
        return
    tenant_id = read_id(request.data["tenant_id"].strip())
    if tenant_id is not None:
        authorize_act(organization_id=tenant_id, by=actor_of(request), act=Act.PAY)
