"""Endpoints for ranges of cards and for dealers. A dealer reads and activates its own ranges, and nothing else."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from billing.actor import DEALER, SOVEREIGN_ADMIN, VOUCHER_READERS
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of, principal_of
from billing.api.access.permissions import roles
from billing.api.fields import refusals_on_csv
from billing.api.pagination import page_parameters, page_response, read_page, read_page_by_number
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.use_cases.bulk.csv_rows import refuse_bad_rows
from billing.use_cases.proposals.propose import carried_out
from promos.errors import BatchNotFound, DealerNotFound, InvalidRange
from promos.models import Batch, CardRange, Dealer
from promos.use_cases.approvals.propose_cards import act_or_propose
from promos.use_cases.ranges.act_on_cards import Report, preview_act
from promos.use_cases.ranges.keep_dealers import add_dealer, change_dealer
from promos.use_cases.ranges.plan_act import Act, Skipped
from promos.use_cases.ranges.read_serials import read_serials

from .batches import NO_BATCH, NOT_NOW, READS, find_batch, read_body
from .serializers import (
    DealerChangeSerializer,
    DealerSerializer,
    NewDealerSerializer,
    RangeActSerializer,
    RangeReportSerializer,
    RangeSerializer,
    SerialFileSerializer,
)

# Field of the use case → field of the request.
_FIELDS = {"first": "first_serial", "last": "last_serial", "dealer": "dealer_id", "file": "csv"}
_NO_DEALER = {404: "There is no such dealer."}
_SEES_RANGES = roles(SOVEREIGN_ADMIN, DEALER, read=VOUCHER_READERS)


class RangesView(ApiView):
    permission_classes = (_SEES_RANGES,)

    @extend_schema(
        responses=RangeSerializer(many=True),
        parameters=[*page_parameters(), OpenApiParameter("dealer_id", UUID, description="Ranges of this dealer.")],
        tags=["cards"],
        summary="Ranges of cards of all batches, by serial number; a dealer's own",
    )
    def get(self, request: Request) -> Response:
        ranges = _visible_ranges(request)
        if text := request.query_params.get("dealer_id"):
            try:
                ranges = ranges.filter(dealer__public_id=UUID(text))
            except ValueError as error:
                raise serializers.ValidationError({"dealer_id": ["a UUID"]}) from error
        return _page(ranges, request)


class BatchRangesView(ApiView):
    permission_classes = (_SEES_RANGES,)

    @extend_schema(
        responses={200: RangeSerializer(many=True), **refusals(NO_BATCH)},
        parameters=page_parameters(),
        tags=["cards"],
        summary="Ranges of a batch, by serial number; a dealer's own",
        description="Cards in no range follow their batch alone.",
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        return _page(_visible_ranges(request).filter(batch=_visible_batch(request, batch_id)), request)

    @extend_schema(
        request=RangeActSerializer,
        responses={
            200: RangeReportSerializer,
            **refusals({**NO_BATCH, 403: "A dealer only activates.", 409: NOT_NOW}),
        },
        tags=["cards"],
        summary="Allocate, activate, lock, unlock, return, extend or void cards",
        description="The act applies to the cards that allow it. The answer counts the others, by reason.",
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        batch = _visible_batch(request, batch_id)
        body = read_body(RangeActSerializer, request)
        return _act(request, batch, body, spans=[(body["first_serial"], body["last_serial"])])


class SerialFileView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN, DEALER),)

    @extend_schema(
        request=SerialFileSerializer,
        responses={
            200: RangeReportSerializer,
            **refusals(
                {
                    400: "The body is not valid, or the file has bad rows: `fields.csv` names each by its line.",
                    403: "A dealer only activates.",
                    409: NOT_NOW,
                    **NO_BATCH,
                }
            ),
        },
        tags=["cards"],
        summary="Act on the cards of a CSV file, or only check it",
        description="The file may have a byte order mark, a row of titles, quotes, any line ends, and commas,"
        " semicolons or tabs between its cells. If a row is bad, nothing is changed. The act is one transaction.",
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        batch = _visible_batch(request, batch_id)
        body = read_body(SerialFileSerializer, request)
        with refusals_on_csv():
            serials = read_serials(body["csv"].encode(), batch=batch)
            refuse_bad_rows(serials.bad_rows)
        return _act(request, batch, body, spans=serials.spans, dry_run=body.get("dry_run", False))


def _act(
    request: Request, batch: Batch, body: dict[str, Any], *, spans: list[tuple[int, int]], dry_run: bool = False
) -> Response:
    act, own = Act(body["act"]), _own_dealer(request)
    if own and act != Act.ACTIVATE:
        raise PermissionDenied("a dealer can only activate its cards")
    arguments: dict[str, Any] = {
        "batch": batch,
        "act": act,
        "spans": spans,
        "dealer": _find_allocated(body["dealer_id"]) if "dealer_id" in body else None,
        "expires_at": body.get("expires_at"),
        "only_dealer": own,
    }
    try:
        if dry_run:
            report: Report = preview_act(**arguments)
        else:
            outcome = act_or_propose(**arguments, by=actor_of(request), reason=body["reason"])
            report = carried_out(outcome).value
    except InvalidRange as error:
        fields = error.fields or {}
        raise InvalidRange(fields={_FIELDS.get(name, name): text for name, text in fields.items()}) from error
    answer = {"act": act.value, "cards": report.cards, "changed": report.changed}
    skipped = {str(why.value): report.skipped.get(why, 0) for why in Skipped}
    return Response({**answer, "skipped": skipped})


class DealersView(ApiView):
    permission_classes = (READS,)

    @extend_schema(
        responses=DealerSerializer(many=True),
        parameters=page_parameters(),
        tags=["cards"],
        summary="Dealers, newest first",
    )
    def get(self, request: Request) -> Response:
        page = read_page(Dealer.objects.all(), request=request)
        return page_response(page, list(DealerSerializer(page.rows, many=True).data), request=request)

    @extend_schema(
        request=NewDealerSerializer,
        responses={201: DealerSerializer, **refusals({409: "Another dealer has this name or user."})},
        tags=["cards"],
        summary="Add a dealer",
    )
    def post(self, request: Request) -> Response:
        dealer = add_dealer(**read_body(NewDealerSerializer, request), by=actor_of(request))
        return Response(DealerSerializer(Dealer.objects.get(pk=dealer.pk)).data, status=201)


class DealerView(ApiView):
    permission_classes = (READS,)

    @extend_schema(responses={200: DealerSerializer, **refusals(_NO_DEALER)}, tags=["cards"], summary="A dealer")
    def get(self, request: Request, dealer_id: UUID) -> Response:
        return Response(DealerSerializer(_find_dealer(dealer_id)).data)

    @extend_schema(
        request=DealerChangeSerializer,
        responses={
            200: DealerSerializer,
            **refusals({**_NO_DEALER, 409: "Another dealer has this name or user."}),
        },
        tags=["cards"],
        summary="Rename a dealer, or link it to another user",
    )
    def put(self, request: Request, dealer_id: UUID) -> Response:
        dealer = _find_dealer(dealer_id)
        body = read_body(DealerChangeSerializer, request)
        values = {"name": dealer.name, "user_id": dealer.user_id, **body}
        changed = change_dealer(dealer_id=dealer.pk, **values, by=actor_of(request))
        return Response(DealerSerializer(changed).data)


def _own_dealer(request: Request) -> Dealer | None:
    """Returns the dealer that the caller sells for; None for other staff. Raises: BatchNotFound without a dealer."""
    principal = principal_of(request)
    if principal.role != DEALER:
        return None
    dealer = Dealer.objects.filter(user_id=principal.user_id).first()
    if dealer is None:
        raise BatchNotFound
    return dealer


def _visible_ranges(request: Request) -> QuerySet[CardRange, CardRange]:
    ranges, principal = CardRange.objects.select_related("batch__promo_code", "dealer"), principal_of(request)
    return ranges.filter(dealer__user_id=principal.user_id) if principal.role == DEALER else ranges


def _visible_batch(request: Request, batch_id: UUID) -> Batch:
    """Returns the batch; for a dealer, only one of its own cards. Raises: BatchNotFound."""
    batch, own = find_batch(batch_id), _own_dealer(request)
    if own and not CardRange.objects.filter(batch=batch, dealer=own).exists():
        raise BatchNotFound
    return batch


def _find_dealer(dealer_id: UUID) -> Dealer:
    dealer = Dealer.objects.filter(public_id=dealer_id).first()
    if dealer is None:
        raise DealerNotFound
    return dealer


def _find_allocated(dealer_id: UUID) -> Dealer:
    """Returns the dealer that a body names. Raises: ValidationError."""
    dealer = Dealer.objects.filter(public_id=dealer_id).first()
    if dealer is None:
        raise serializers.ValidationError({"dealer_id": ["there is no such dealer"]})
    return dealer


def _page(ranges: QuerySet[CardRange, CardRange], request: Request) -> Response:
    page = read_page_by_number(ranges, request=request, by="first_serial")
    data: list[Any] = list(RangeSerializer(page.rows, many=True).data)
    return page_response(page, data, request=request)
