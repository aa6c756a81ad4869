"""A customer redeems a voucher into the balance, without an order."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.fields import MajorAmountField, MinorAmountField, MoneyResponseSerializer, money_fields
from billing.api.idempotency import idempotency_parameter, read_idempotency_key
from billing.api.renderers import Response
from billing.api.schema import refusals, retry_after_parameter
from billing.money import to_major
from billing.use_cases.identity.remember_language import remember_language_of_act
from billing.use_cases.store_answer import fingerprint
from orders.use_cases.top_up import top_up
from promos.api.vouchers import CodeSerializer
from promos.models import RefusedAttempt
from promos.queries import normal_code
from promos.use_cases.code_guessing import limit_refused_codes


class TopUpAnswerSerializer(MoneyResponseSerializer):
    money = ("credit",)

    code = serializers.CharField()
    credit_balance = MajorAmountField(read_only=True, help_text="The balance after this answer, in the currency.")
    credit_balance_minor = MinorAmountField(read_only=True, help_text="The same, in the smallest unit.")
    paid_invoices = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        help_text="The invoices of unpaid months that the balance paid at once; absent where there was none.",
    )


def _refused(name: str, status: int, code: str, error: str) -> OpenApiExample:
    return OpenApiExample(name, {"error": error, "code": code}, response_only=True, status_codes=[str(status)])


_EXAMPLES = [
    OpenApiExample("A code, any case", {"code": "welcome50"}, request_only=True),
    OpenApiExample(
        "Redeemed",
        {
            "code": "WELCOME50",
            "credit_minor": 50_000,
            "credit_omr": 50,
            "credit_baisa": 50_000,
            "currency": "OMR",
            "credit_balance": 62.5,
            "credit_balance_minor": 62_500,
        },
        response_only=True,
        status_codes=["200"],
    ),
    _refused("Unknown", 400, "promo_not_found", "invalid promo code: not found"),
    _refused(
        "Redeemed before", 400, "promo_already_redeemed", "invalid promo code: already redeemed by this customer"
    ),
    _refused("In flight", 409, "request_in_progress", "a request with this idempotency key is still being processed"),
    _refused("Key reused", 422, "idempotency_key_reused", "the idempotency key was used for another request"),
]

# Shared by all requests, as the checkout's is.
_FORM = CodeSerializer()


class TopUpView(ApiView):
    @extend_schema(
        request=CodeSerializer,
        responses={
            200: TopUpAnswerSerializer,
            **refusals(
                {
                    400: "The body or the key is invalid, or the code cannot be redeemed.",
                    409: "A request with the same key is in flight.",
                    422: "The key was used for another request.",
                    429: "Too many refused codes of this customer or address.",
                    503: "Busy, and nothing was redeemed; or, as `outcome_unknown`, the code may have been redeemed.",
                }
            ),
        },
        parameters=[
            idempotency_parameter("a second redemption"),
            retry_after_parameter("Seconds after which the same request may succeed.", 409, 429, 503),
        ],
        examples=_EXAMPLES,
        tags=["credit"],
        summary="Redeem a voucher into your balance",
        description="Send an `Idempotency-Key` and repeat it in every retry. A voucher that a customer may use"
        " several times is redeemed once more by each request without a key, within its limits: also by one that is"
        " sent again because its answer was lost. Any other voucher answers such a retry with"
        " `promo_already_redeemed`.",
    )
    def post(self, request: Request) -> Response:
        code = normal_code(_FORM.run_validation(request.data)["code"])
        key = read_idempotency_key(request)
        by = actor_of(request)
        with limit_refused_codes(code=code, act=RefusedAttempt.Act.REDEMPTION, by=by):
            redeemed = top_up(
                code=code,
                by=by,
                idempotency_key=key,
                fingerprint=fingerprint({"top_up": code}),
            )
        remember_language_of_act(user_id=by.user_id)
        answer: dict[str, Any] = {
            "code": redeemed.code,
            **money_fields("credit", redeemed.credit_minor),
            "currency": settings.SOVEREIGN_CURRENCY,
            "credit_balance": to_major(redeemed.balance_minor, currency=settings.SOVEREIGN_CURRENCY),
            "credit_balance_minor": redeemed.balance_minor,
        }
        if redeemed.paid_invoices:
            answer["paid_invoices"] = [str(each) for each in redeemed.paid_invoices]
        return Response(answer)
