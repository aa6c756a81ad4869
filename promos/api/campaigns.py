"""Endpoints for campaigns: what staff do in the console, for the platform's automation."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import SOVEREIGN_ADMIN, VOUCHER_READERS
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import (
    EmailField,
    FlagField,
    InstantField,
    MoneyInput,
    MoneyRequestSerializer,
    MoneyResponseSerializer,
    RequestSerializer,
    TextField,
)
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.proposals import ProposalSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.language import say
from billing.models import CreditClass
from billing.use_cases.proposals.propose import carried_out
from promos.api.credit_life import credit_days_field
from promos.api.forecasts import ForecastSerializer, forecast_row
from promos.api.restrictions import RESTRICTIONS_EXAMPLE, RestrictionsRequestSerializer, RestrictionsSerializer
from promos.errors import CampaignNotFound
from promos.models import Campaign, VatTreatment
from promos.queries import campaigns_with_use
from promos.use_cases.approvals.approve_campaign import approve_campaign, propose_campaign
from promos.use_cases.approvals.propose_budget import change_budget_or_propose
from promos.use_cases.campaigns.change_state import (
    activate_campaign,
    end_campaign,
    pause_campaign,
)
from promos.use_cases.campaigns.change_terms import change_end
from promos.use_cases.campaigns.draft_campaign import (
    MAX_NAME_LENGTH,
    MAX_PURPOSE_LENGTH,
    CampaignTerms,
    GivenCampaignTerms,
    change_draft,
    draft_campaign,
)

_TERMS = tuple(field.name for field in fields(CampaignTerms))


class CampaignSerializer(MoneyResponseSerializer):
    money = ("budget", "used")

    id = serializers.UUIDField()
    name = serializers.CharField()
    purpose = serializers.CharField()
    owner_email = serializers.CharField()
    credit_class = serializers.ChoiceField(choices=CreditClass.choices)
    vat_treatment = serializers.ChoiceField(choices=VatTreatment.choices, help_text="When VAT is due for its credit.")
    hot = serializers.BooleanField(help_text="Counted by several counters, for many redemptions at the same moment.")
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    credit_days = serializers.IntegerField(
        allow_null=True, help_text="The credit expires so many days of 24 hours after the redemption."
    )
    credit_expires_at = serializers.DateTimeField(
        allow_null=True, help_text="At the latest at this instant. Both null: never, unless a code says otherwise."
    )
    status = serializers.ChoiceField(choices=Campaign.Status.choices)
    drafted_by = serializers.CharField()
    approved_by = serializers.CharField(help_text="Empty until the campaign is approved.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    restrictions = RestrictionsSerializer(
        allow_null=True, help_text="They apply to all its vouchers and cards, beside their own."
    )
    forecast = serializers.SerializerMethodField(
        help_text="What it would have cost in the past; null before it is made."
    )

    @extend_schema_field(ForecastSerializer(allow_null=True))
    def get_forecast(self, campaign: Campaign) -> dict[str, Any] | None:
        row = forecast_row(campaign)
        return None if row is None else dict(ForecastSerializer(row).data)


class CampaignChangeSerializer(MoneyRequestSerializer):
    """The terms of a draft. No field has a default: an absent one keeps its value."""

    money = (MoneyInput(name="budget", required=False),)

    name = TextField(required=False, max_length=MAX_NAME_LENGTH)
    purpose = TextField(required=False, allow_blank=True, max_length=MAX_PURPOSE_LENGTH)
    owner_email = EmailField(required=False, allow_blank=True)
    credit_class = serializers.ChoiceField(required=False, choices=CreditClass.choices)
    vat_treatment = serializers.ChoiceField(
        required=False,
        choices=VatTreatment.choices,
        help_text="`single_purpose` is for sold credit, `no_consideration` for other credit. Both need credit that"
        " expires.",
    )
    hot = FlagField(required=False)
    starts_at = InstantField(required=False, allow_null=True)
    ends_at = InstantField(required=False, allow_null=True)
    restrictions = RestrictionsRequestSerializer(
        required=False, allow_null=True, help_text="For all its vouchers and cards. Null removes all rules."
    )
    credit_days = credit_days_field()
    credit_expires_at = InstantField(required=False, allow_null=True)
    reason = TextField(required=False, allow_blank=True, max_length=500, help_text="For the audit trail.")


class CampaignDraftSerializer(CampaignChangeSerializer):
    """A new campaign. A budget of 0, the default, is unlimited."""

    name = TextField(max_length=MAX_NAME_LENGTH)


class CampaignActSerializer(RequestSerializer):
    reason = TextField(max_length=500, help_text="For the audit trail.")


class CampaignBudgetSerializer(MoneyRequestSerializer):
    money = (MoneyInput(name="budget"),)

    reason = TextField(max_length=500, help_text="For the audit trail.")


class CampaignEndSerializer(RequestSerializer):
    ends_at = InstantField(allow_null=True)
    reason = TextField(max_length=500, help_text="For the audit trail.")


_CHANGED = {
    200: CampaignSerializer,
    **refusals({404: "There is no such campaign.", 409: "The campaign's state or its use does not allow this."}),
}

_BUDGET_REFUSED = "Its state or use does not allow this, or it was proposed: `approval_required`, with `proposal_id`."


class CampaignsView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN, read=VOUCHER_READERS),)

    @extend_schema(
        responses=CampaignSerializer(many=True),
        parameters=[*page_parameters(), OpenApiParameter("status", str, enum=Campaign.Status.values)],
        tags=["campaigns"],
        summary="Campaigns, newest first",
    )
    def get(self, request: Request) -> Response:
        campaigns = campaigns_with_use().order_by("-created_at", "-id")
        status = request.query_params.get("status")
        if status:
            if status not in Campaign.Status.values:
                known = ", ".join(Campaign.Status.values)
                raise serializers.ValidationError({"status": [say("one of %(names)s", names=known)]})
            campaigns = campaigns.filter(status=status)
        page = read_page(campaigns, request=request)
        return page_response(page, list(CampaignSerializer(page.rows, many=True).data), request=request)

    @extend_schema(
        request=CampaignDraftSerializer,
        responses={201: CampaignSerializer, **refusals({409: "Another campaign has this name."})},
        examples=[
            OpenApiExample(
                "For first orders",
                {"name": "Spring", "budget_minor": 500_000, "restrictions": RESTRICTIONS_EXAMPLE},
                request_only=True,
            ),
            OpenApiExample(
                "Cards, of which a customer uses one a day",
                {"name": "Cards", "restrictions": {"only": "top_ups", "uses_per_day": 1}},
                request_only=True,
            ),
        ],
        tags=["campaigns"],
        summary="Draft a campaign",
        description="Its vouchers cannot be redeemed until somebody else has approved it and it is active.",
    )
    def post(self, request: Request) -> Response:
        body = _read(CampaignDraftSerializer, request)
        terms = CampaignTerms(**_terms(body))
        campaign = draft_campaign(terms=terms, by=actor_of(request), reason=body.get("reason", ""))
        return _answer(campaign.pk, status=201)


class CampaignView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN, read=VOUCHER_READERS),)

    @extend_schema(
        responses={200: CampaignSerializer, **refusals({404: "There is no such campaign."})},
        tags=["campaigns"],
        summary="A campaign",
    )
    def get(self, request: Request, campaign_id: UUID) -> Response:
        return _answer(campaign_id)

    @extend_schema(
        request=CampaignChangeSerializer,
        responses=_CHANGED,
        tags=["campaigns"],
        summary="Change a draft",
        description="An absent field keeps its value.",
    )
    def put(self, request: Request, campaign_id: UUID) -> Response:
        body = _read(CampaignChangeSerializer, request)
        change_draft(
            campaign_id=campaign_id,
            terms=cast(GivenCampaignTerms, _terms(body)),
            by=actor_of(request),
            reason=body.get("reason", ""),
        )
        return _answer(campaign_id)


class _ActView(ApiView):
    """An act on a campaign, which needs a reason."""

    permission_classes = (roles(SOVEREIGN_ADMIN),)
    act: ClassVar[Callable[..., Campaign]]

    def _carry_out(self, request: Request, campaign_id: UUID) -> Response:
        body = _read(CampaignActSerializer, request)
        self.act(campaign_id=campaign_id, by=actor_of(request), reason=body["reason"])
        return _answer(campaign_id)


class ProposeCampaignView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=CampaignActSerializer,
        responses={**_CHANGED, 200: ProposalSerializer},
        tags=["campaigns"],
        summary="Propose a draft to those who can approve it",
        description="A change of the draft withdraws the proposal. An open proposal is answered again.",
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        body = _read(CampaignActSerializer, request)
        proposal = propose_campaign(campaign_id=campaign_id, by=actor_of(request), reason=body["reason"])
        return Response(ProposalSerializer(proposal).data)


class ApproveCampaignView(_ActView):
    act = staticmethod(approve_campaign)

    @extend_schema(
        request=CampaignActSerializer,
        responses={**_CHANGED, **refusals({403: "The caller drafted the campaign."})},
        tags=["campaigns"],
        summary="Approve a draft of somebody else",
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        return self._carry_out(request, campaign_id)


class ActivateCampaignView(_ActView):
    act = staticmethod(activate_campaign)

    @extend_schema(
        request=CampaignActSerializer, responses=_CHANGED, tags=["campaigns"], summary="Activate, also after a pause"
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        return self._carry_out(request, campaign_id)


class PauseCampaignView(_ActView):
    act = staticmethod(pause_campaign)

    @extend_schema(
        request=CampaignActSerializer, responses=_CHANGED, tags=["campaigns"], summary="Pause all its vouchers"
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        return self._carry_out(request, campaign_id)


class EndCampaignView(_ActView):
    act = staticmethod(end_campaign)

    @extend_schema(request=CampaignActSerializer, responses=_CHANGED, tags=["campaigns"], summary="End it for good")
    def post(self, request: Request, campaign_id: UUID) -> Response:
        return self._carry_out(request, campaign_id)


class CampaignBudgetView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=CampaignBudgetSerializer,
        responses={**_CHANGED, **refusals({409: _BUDGET_REFUSED})},
        tags=["campaigns"],
        summary="Raise or lower the budget",
        description="Never under what is used of it. 0 is unlimited.",
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        body = _read(CampaignBudgetSerializer, request)
        carried_out(
            change_budget_or_propose(
                campaign_id=campaign_id,
                budget_minor=body["budget_minor"],
                by=actor_of(request),
                reason=body["reason"],
            )
        )
        return _answer(campaign_id)


class CampaignEndDateView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=CampaignEndSerializer, responses=_CHANGED, tags=["campaigns"], summary="Extend or shorten it"
    )
    def post(self, request: Request, campaign_id: UUID) -> Response:
        body = _read(CampaignEndSerializer, request)
        change_end(campaign_id=campaign_id, ends_at=body["ends_at"], by=actor_of(request), reason=body["reason"])
        return _answer(campaign_id)


def _read(form_class: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    form = form_class(data=request.data)
    form.is_valid(raise_exception=True)
    body: dict[str, Any] = form.validated_data
    return body


def _terms(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in _TERMS if name in body}


def _answer(campaign_id: UUID, *, status: int = 200) -> Response:
    campaign = campaigns_with_use().filter(pk=campaign_id).first()
    if campaign is None:
        raise CampaignNotFound
    return Response(CampaignSerializer(campaign).data, status=status)
