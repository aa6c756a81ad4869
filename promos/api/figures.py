"""Endpoints for the figures of vouchers, batches, campaigns and dealers: those that the console's pages show."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import APPROVER, FINANCE, SOVEREIGN_ADMIN, VOUCHER_READERS
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import principal_of
from billing.api.access.permissions import roles
from billing.api.fields import MoneyResponseSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.language import say
from billing.local_time import local_day
from promos.api.vouchers import VoucherNotFound
from promos.errors import BatchNotFound, CampaignNotFound, DealerNotFound
from promos.models import Batch, Campaign, Dealer, PromoCode, RefusedAttempt
from promos.models.oversight.figures import CreditFigures
from promos.queries import normal_code
from promos.use_cases.attempts.measure_use import count_refusals, measure_dealers, measure_use
from promos.use_cases.attempts.rules import describe_rule

DEFAULT_DAYS = 30
MAX_DAYS = 366
_Method = TypeVar("_Method", bound=Callable[..., Response])
_READS = roles(SOVEREIGN_ADMIN, read=VOUCHER_READERS)
# Of the roles that read figures, these do not read refused attempts.
_SEES_NO_REFUSALS = (APPROVER, FINANCE)


class CreditFiguresSerializer(MoneyResponseSerializer):
    """The credit that confirmed redemptions granted, and its parts: granted = spent + expired + outstanding."""

    money = ("granted", "spent", "expired", "outstanding")

    as_of = serializers.DateTimeField(
        allow_null=True, help_text="When they were computed: every night. Null before the first night, all figures 0."
    )
    redemptions = serializers.IntegerField()
    customers = serializers.IntegerField()
    paying_customers = serializers.IntegerField(help_text="Those who paid by card after the redemption.")
    conversion_percent = serializers.IntegerField(help_text="Paying customers of all customers, rounded.")
    last_used_at = serializers.DateTimeField(allow_null=True)


class UseOfCodesSerializer(MoneyResponseSerializer):
    """All redemptions, by the state that they have reached."""

    money = ("granted", "reserved_credit")

    previewed = serializers.IntegerField(help_text="Previews that found it redeemable, with or without a sign-in.")
    begun = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="For open payments.")
    confirmed = serializers.IntegerField()
    released = serializers.IntegerField(help_text="Given back.")
    last_used_at = serializers.DateTimeField(allow_null=True)
    counted_until = serializers.DateTimeField(
        allow_null=True, help_text="The states of redemptions begun before this instant are as of last night."
    )


class DayOfUseSerializer(MoneyResponseSerializer):
    money = ("granted",)

    day = serializers.DateField(help_text="In the Sovereign's time zone.")
    begun = serializers.IntegerField()
    confirmed = serializers.IntegerField()


class RefusalCountSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField(help_text="As in `billing/attempts`.")
    description = serializers.CharField()
    attempts = serializers.IntegerField()


class CardsOfDealerSerializer(MoneyResponseSerializer):
    """The cards that a dealer holds, as of last night."""

    money = ("credit",)

    dealer_id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    allocated = serializers.IntegerField(help_text="The cards that the dealer holds.")
    activated = serializers.IntegerField(help_text="Those that are active and not locked.")
    redeemed = serializers.IntegerField()


class VoucherFiguresSerializer(serializers.Serializer[Any]):
    credit = CreditFiguresSerializer()
    use = UseOfCodesSerializer()
    by_day = DayOfUseSerializer(many=True, help_text="The last days, oldest first; today is the last.")
    refusals = RefusalCountSerializer(
        many=True,
        required=False,
        help_text="Refused attempts by reason, the most frequent first, while they are kept. Absent for `approver`"
        " and `finance`.",
    )
    dealers = CardsOfDealerSerializer(
        many=True,
        help_text="The dealers of its cards, the one with the most redeemed cards first; none of a voucher.",
    )


class DealerFiguresSerializer(MoneyResponseSerializer):
    money = ("credit",)

    as_of = serializers.DateTimeField(allow_null=True, help_text="When they were computed: every night.")
    allocated = serializers.IntegerField(help_text="The cards that the dealer holds.")
    activated = serializers.IntegerField(help_text="Those that are active and not locked.")
    redeemed = serializers.IntegerField()


_MONEY = {"currency": "OMR"}


def _money(name: str, omr: int) -> dict[str, int]:
    return {f"{name}_minor": omr * 1000, f"{name}_omr": omr, f"{name}_baisa": omr * 1000}


_EXAMPLE = OpenApiExample(
    "A voucher of 20, redeemed by four customers",
    {
        "credit": {
            "as_of": "2026-11-23T02:15:00Z",
            "redemptions": 4,
            "customers": 4,
            "paying_customers": 1,
            "conversion_percent": 25,
            "last_used_at": "2026-11-22T18:40:11.316094Z",
            **_money("granted", 80),
            **_money("spent", 45),
            **_money("expired", 20),
            **_money("outstanding", 15),
            **_MONEY,
        },
        "use": {
            "previewed": 11,
            "begun": 6,
            "reserved": 1,
            "confirmed": 4,
            "released": 1,
            "last_used_at": "2026-11-23T06:01:05.316094Z",
            "counted_until": "2026-11-23T02:15:00Z",
            **_money("granted", 80),
            **_money("reserved_credit", 20),
            **_MONEY,
        },
        "by_day": [
            {"day": "2026-11-22", "begun": 5, "confirmed": 4, **_money("granted", 80), **_MONEY},
            {"day": "2026-11-23", "begun": 1, "confirmed": 0, **_money("granted", 0), **_MONEY},
        ],
        "refusals": [
            {
                "rule": "promo_already_redeemed",
                "description": "The customer has redeemed it before.",
                "attempts": 3,
            }
        ],
        "dealers": [],
    },
    response_only=True,
    status_codes=["200"],
)
_DAYS = OpenApiParameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS},
    description="The number of days in `by_day`.",
)


class _FiguresView(ApiView):
    permission_classes = (_READS,)


def _described(summary: str, not_found: str, *, tag: str) -> Callable[[_Method], _Method]:
    decorator: Callable[[_Method], _Method] = extend_schema(
        responses={200: VoucherFiguresSerializer, **refusals({404: not_found})},
        parameters=[_DAYS],
        examples=[_EXAMPLE],
        tags=[tag],
        summary=summary,
    )
    return decorator


class VoucherFiguresView(_FiguresView):
    @_described("The figures of a voucher, also of a retired one", "There is no such voucher.", tag="vouchers")
    def get(self, request: Request, code: str) -> Response:
        codes = PromoCode.objects.filter(code=normal_code(code).replace("\0", ""), for_cards=False)
        found = codes.select_related("figures").first()
        if found is None:
            raise VoucherNotFound
        return _answer(request, codes.filter(pk=found.pk), getattr(found, "figures", None))


class CampaignFiguresView(_FiguresView):
    @_described("The figures of a campaign's vouchers and cards", "There is no such campaign.", tag="campaigns")
    def get(self, request: Request, campaign_id: UUID) -> Response:
        campaign = Campaign.objects.select_related("figures").filter(pk=campaign_id).first()
        if campaign is None:
            raise CampaignNotFound
        return _answer(request, campaign.codes.all(), getattr(campaign, "figures", None))


class BatchFiguresView(_FiguresView):
    @_described("The figures of a batch's cards", "There is no such batch.", tag="cards")
    def get(self, request: Request, batch_id: UUID) -> Response:
        batch = Batch.objects.select_related("promo_code__figures").filter(promo_code=batch_id).first()
        if batch is None:
            raise BatchNotFound
        codes = PromoCode.objects.filter(pk=batch.promo_code_id)
        return _answer(request, codes, getattr(batch.promo_code, "figures", None))


class DealerFiguresView(_FiguresView):
    @extend_schema(
        responses={200: DealerFiguresSerializer, **refusals({404: "There is no such dealer."})},
        tags=["cards"],
        summary="The figures of a dealer's cards",
    )
    def get(self, request: Request, dealer_id: UUID) -> Response:
        dealer = Dealer.objects.select_related("figures").filter(public_id=dealer_id).first()
        if dealer is None:
            raise DealerNotFound
        nothing = {"as_of": None, **dict.fromkeys(("allocated", "activated", "redeemed", "credit_minor"), 0)}
        found = getattr(dealer, "figures", nothing)
        return Response(DealerFiguresSerializer(found).data)


def _answer(request: Request, codes: QuerySet[PromoCode], figures: CreditFigures | None) -> Response:
    """Answers the figures of these codes. Four queries, three for those who see no refusals."""
    days = _read_days(request)
    use = measure_use(codes, figures)
    answer: dict[str, Any] = {
        "credit": _credit(figures),
        "use": {
            name: getattr(use, name)
            for name in ("previewed", "begun", "reserved", "confirmed", "released", "last_used_at", "counted_until")
        }
        | {"granted_minor": use.granted_minor, "reserved_credit_minor": use.reserved_minor},
        "by_day": _by_day(use.by_day, days),
        "dealers": measure_dealers(codes),
    }
    if principal_of(request).role not in _SEES_NO_REFUSALS:
        answer["refusals"] = [
            {"rule": rule, "description": describe_rule(rule), "attempts": number}
            for rule, number in count_refusals(RefusedAttempt.objects.filter(promo_code__in=codes), figures)
        ]
    return Response(VoucherFiguresSerializer(answer).data)


def _credit(figures: CreditFigures | None) -> dict[str, Any]:
    names = ("redemptions", "customers", "paying_customers", "granted_minor", "spent_minor", "expired_minor")
    if figures is None:
        nothing = dict.fromkeys((*names, "outstanding_minor", "conversion_percent"), 0)
        return {**nothing, "as_of": None, "last_used_at": None}
    return {
        **{name: getattr(figures, name) for name in (*names, "as_of", "last_used_at")},
        "outstanding_minor": figures.left_minor,
        "conversion_percent": round(100 * figures.paying_customers / figures.customers),
    }


def _by_day(totals: Mapping[date, Mapping[str, Any]], days: int) -> list[dict[str, Any]]:
    today = local_day(timezone.now())
    nothing = {"begun": 0, "confirmed": 0, "granted_minor": 0}
    return [
        {"day": day, **nothing, **totals.get(day, {})}
        for day in (today - timedelta(days=back) for back in reversed(range(days)))
    ]


def _read_days(request: Request) -> int:
    text = request.query_params.get("days", str(DEFAULT_DAYS))
    valid = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DAYS)) and 1 <= int(text) <= MAX_DAYS
    if not valid:
        raise serializers.ValidationError({"days": [say("a whole number from 1 to %(number)s", number=MAX_DAYS)]})
    return int(text)
