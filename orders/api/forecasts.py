"""The endpoints that replay past orders against a campaign, a voucher or a batch before its launch."""

from dataclasses import fields
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request

from billing.actor import SOVEREIGN_ADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import InstantField, MoneyInput, MoneyRequestSerializer, WholeNumberField
from billing.api.identifiers import IdField
from billing.api.renderers import Response
from billing.api.schema import refusals
from orders.use_cases.campaigns.forecast_campaign import Question, forecast_campaign
from orders.use_cases.campaigns.replay_orders import MAX_DAYS
from promos.api.cards.batches import read_body
from promos.api.forecasts import ForecastSerializer, OfferForecastSerializer, forecast_row, offer_forecast_row
from promos.api.restrictions import RESTRICTIONS_EXAMPLE, RestrictionsRequestSerializer
from promos.models.batch import MAX_CARDS
from promos.use_cases.forecasts.forecast_offer import forecast_offer, offer_in_campaign
from promos.use_cases.issue_code import MAX_CAP
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions


class _QuestionSerializer(MoneyRequestSerializer):
    money = (MoneyInput(name="credit", minimum=1),)

    days = WholeNumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_DAYS,
        help_text="How many past days are replayed: by default as many as the campaign's window has, or 30.",
    )


class ForecastRequestSerializer(_QuestionSerializer):
    """The credit of one use, and the cap of the voucher or the number of cards; 0 is unlimited."""

    max_redemptions = WholeNumberField(min_value=0, max_value=MAX_CAP)


class _OfferSerializer(_QuestionSerializer):
    starts_at = InstantField(required=False, allow_null=True)
    expires_at = InstantField(required=False, allow_null=True)
    campaign_id = IdField(required=False, help_text="Its window, its rules and what is left of its budget apply too.")
    restrictions = RestrictionsRequestSerializer(required=False, allow_null=True)


class VoucherForecastRequestSerializer(_OfferSerializer):
    """The terms of a voucher that decide who can redeem it, as for its issue."""

    max_redemptions = WholeNumberField(min_value=0, max_value=MAX_CAP)


class BatchForecastRequestSerializer(_OfferSerializer):
    """The terms of a batch that decide who can redeem its cards, as for its draft."""

    size = WholeNumberField(min_value=1, max_value=MAX_CARDS)


class _OfferForecastView(ApiView):
    """Replays past orders against the terms of something that is not launched yet."""

    permission_classes = (roles(SOVEREIGN_ADMIN),)

    def _answer(self, body: dict[str, Any], *, cap: int, for_cards: bool = False) -> Response:
        offer = offer_in_campaign(
            credit_minor=body["credit_minor"],
            max_redemptions=cap,
            starts_at=body.get("starts_at"),
            ends_at=body.get("expires_at"),
            restrictions=complete_restrictions(body.get("restrictions")),
            for_cards=for_cards,
            campaign_id=body.get("campaign_id"),
            days=body.get("days"),
        )
        return Response(OfferForecastSerializer(offer_forecast_row(forecast_offer(offer))).data)


_FORECAST = {
    200: OfferForecastSerializer,
    **refusals(
        {
            404: "There is no such campaign.",
            503: "The past orders are too many to be replayed in time: `forecast_too_slow`.",
        }
    ),
}


class VoucherForecastView(_OfferForecastView):
    @extend_schema(
        request=VoucherForecastRequestSerializer,
        responses=_FORECAST,
        examples=[
            OpenApiExample(
                "A voucher for first orders",
                {"credit_minor": 10_000, "max_redemptions": 50, "restrictions": RESTRICTIONS_EXAMPLE},
                request_only=True,
            )
        ],
        tags=["vouchers"],
        summary="Replay past orders against the terms of a voucher, before it is issued",
        description="Changes nothing. A new voucher that exceeds a limit is proposed with these figures.",
    )
    def post(self, request: Request) -> Response:
        body = read_body(VoucherForecastRequestSerializer, request)
        return self._answer(body, cap=body["max_redemptions"])


class BatchForecastView(_OfferForecastView):
    @extend_schema(
        request=BatchForecastRequestSerializer,
        responses=_FORECAST,
        examples=[OpenApiExample("A thousand cards", {"credit_minor": 5_000, "size": 1_000}, request_only=True)],
        tags=["cards"],
        summary="Replay past orders against the terms of a batch, before it is drafted",
        description="Changes nothing. A draft is proposed with these figures. A customer can redeem any number of"
        " cards, within the restrictions.",
    )
    def post(self, request: Request) -> Response:
        body = read_body(BatchForecastRequestSerializer, request)
        return self._answer(body, cap=body["size"], for_cards=True)


class ForecastView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=ForecastRequestSerializer,
        responses={
            200: ForecastSerializer,
            **refusals(
                {
                    404: "There is no such campaign.",
                    409: "The campaign has started, or was changed meanwhile.",
                    503: "The past orders are too many to be replayed in time: `forecast_too_slow`.",
                }
            ),
        },
        examples=[
            OpenApiExample(
                "A voucher for 50 customers", {"credit_minor": 10_000, "max_redemptions": 50}, request_only=True
            )
        ],
        tags=["campaigns"],
        summary="Replay past orders against its terms, before it starts",
        description="The figures are stored with the campaign. Of more than 100,000 orders a sample of customers is"
        " replayed, and the figures are multiplied.",
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        body = read_body(ForecastRequestSerializer, request)
        question = Question(**{field.name: body[field.name] for field in fields(Question) if field.name in body})
        campaign = forecast_campaign(campaign_id=campaign_id, question=question, by=actor_of(request))
        return Response(ForecastSerializer(forecast_row(campaign)).data)
