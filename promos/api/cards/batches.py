"""Endpoints for batches of cards: what staff do in the console, for the platform's automation."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Right
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import SOVEREIGN_ADMIN, VOUCHER_READERS
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.pagination import page_parameters, page_response, read_page, read_page_by_number
from billing.api.proposals import ProposalSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.language import say
from billing.use_cases.proposals.propose import carried_out
from promos.errors import BatchNotFound
from promos.models import Batch, Card, Redemption
from promos.models.batch import LAST_CHARACTERS
from promos.models.campaign import DEFAULT_CAMPAIGN
from promos.models.redemption import LIVE_STATUSES
from promos.queries import batches_with_terms, count_redeemed, range_value
from promos.use_cases.approvals.approve_batch import approve_batch, propose_batch
from promos.use_cases.approvals.propose_activation import activate_or_propose
from promos.use_cases.cards import change_batch
from promos.use_cases.cards.create_batch import BatchTerms, create_batch
from promos.use_cases.cards.export_cards import HEADER, export_csv, hand_out_codes

from .serializers import BatchActSerializer, BatchDraftSerializer, BatchSerializer, CardSerializer

READS = roles(SOVEREIGN_ADMIN, read=VOUCHER_READERS)
NO_BATCH = {404: "There is no such batch."}
NOT_NOW = "The batch's state does not allow this, or it was proposed: `approval_required`, with `proposal_id`."
_CHANGED = {200: BatchSerializer, **refusals({**NO_BATCH, 409: NOT_NOW})}
_MAX_SERIAL_DIGITS = 18


class BatchesView(ApiView):
    permission_classes = (READS,)

    @extend_schema(
        responses=BatchSerializer(many=True),
        parameters=[*page_parameters(), OpenApiParameter("status", str, enum=Batch.Status.values)],
        tags=["cards"],
        summary="Batches of cards, newest first",
    )
    def get(self, request: Request) -> Response:
        batches = batches_with_terms()
        if status := _one_of("status", Batch.Status.values, request):
            batches = batches.filter(status=status)
        page = read_page(batches, request=request)
        return page_response(page, list(BatchSerializer(page.rows, many=True).data), request=request)

    @extend_schema(
        request=BatchDraftSerializer,
        responses={201: BatchSerializer, **refusals({409: "The campaign has ended."})},
        tags=["cards"],
        summary="Draft a batch",
        description="Somebody else must approve it before its cards are generated.",
    )
    def post(self, request: Request) -> Response:
        body = read_body(BatchDraftSerializer, request)
        reason = body.pop("reason", "")
        terms = BatchTerms(**{"campaign_id": DEFAULT_CAMPAIGN, **body})
        return _answer(create_batch(terms=terms, by=actor_of(request), reason=reason).promo_code_id, status=201)


class BatchView(ApiView):
    permission_classes = (READS,)

    @extend_schema(responses={200: BatchSerializer, **refusals(NO_BATCH)}, tags=["cards"], summary="A batch of cards")
    def get(self, request: Request, batch_id: UUID) -> Response:
        return _answer(batch_id)


class _ActView(ApiView):
    """An act on a batch, which needs a reason."""

    permission_classes = (roles(SOVEREIGN_ADMIN),)
    act: ClassVar[Callable[..., object]]

    def _carry_out(self, request: Request, batch_id: UUID) -> Response:
        batch = find_batch(batch_id)
        body = read_body(BatchActSerializer, request)
        self.act(batch=batch, by=actor_of(request), reason=body["reason"])
        return _answer(batch_id)


class ProposeBatchView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=BatchActSerializer,
        responses={**_CHANGED, 200: ProposalSerializer},
        tags=["cards"],
        summary="Propose a draft to those who can approve it",
        description="An open proposal is answered again.",
    )
    def post(self, request: Request, batch_id: UUID) -> Response:
        batch = find_batch(batch_id)
        body = read_body(BatchActSerializer, request)
        proposal = propose_batch(batch=batch, by=actor_of(request), reason=body["reason"])
        return Response(ProposalSerializer(proposal).data)


def activate_batch(**arguments: Any) -> None:
    """Activates a batch. Raises: as `activate_or_propose` does; ApprovalRequired where it was proposed."""
    carried_out(activate_or_propose(**arguments))


def _act_view(act: Callable[..., object], summary: str, **described: str) -> type[ApiView]:
    """Makes the view of one act."""

    class ActView(_ActView):
        @extend_schema(
            request=BatchActSerializer,
            responses={**_CHANGED, **refusals({403: described["forbidden"]} if described else {})},
            tags=["cards"],
            summary=summary,
        )
        def post(self, request: Request, batch_id: UUID) -> Response:
            return self._carry_out(request, batch_id)

    ActView.act = staticmethod(act)
    ActView.__name__ = ActView.__qualname__ = f"{act.__name__.title().replace('_', '')}View"
    return ActView


ACTS = {
    "approve": _act_view(
        approve_batch, "Approve a draft of somebody else", forbidden="The caller drafted the batch."
    ),
    "generate": _act_view(change_batch.start_generation, "Let the worker generate its cards"),
    "release": _act_view(change_batch.release_batch, "Let its codes be exported and printed"),
    "activate": _act_view(activate_batch, "Let customers redeem its cards, also after a lock"),
    "lock": _act_view(change_batch.stop_batch, "Lock all its cards for a time"),
    "close": _act_view(change_batch.close_batch, "End it for good"),
    "void": _act_view(change_batch.void_batch, "Void all its cards for good"),
}


class ExportView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=BatchActSerializer,
        responses={
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, f"The file. Its columns: {', '.join(HEADER)}."),
            **refusals({**NO_BATCH, 409: "The batch is secret, or it is not released, or closed or void."}),
        },
        tags=["cards"],
        summary="Export the codes of a released batch as CSV",
        description="The file is streamed, whatever its size. Each export is recorded in the audit trail.",
    )
    def post(self, request: Request, batch_id: UUID) -> StreamingHttpResponse:
        batch = find_batch(batch_id)
        reason = read_body(BatchActSerializer, request)["reason"]
        first, last = batch.first_serial, batch.last_serial
        hand_out_codes(batch=batch, first=first, last=last, how="exported", by=actor_of(request), reason=reason)
        name = f"{batch.promo_code.code}.csv"
        return StreamingHttpResponse(
            export_csv(batch),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )


class CardsView(ApiView):
    permission_classes = (READS,)

    @extend_schema(
        responses={200: CardSerializer(many=True), **refusals(NO_BATCH)},
        parameters=[
            *page_parameters(),
            OpenApiParameter("serial", int, description="The card with this serial number."),
            OpenApiParameter("last4", str, description="Cards whose codes end with these four characters."),
            OpenApiParameter("state", str, enum=["redeemed", "unused"]),
        ],
        tags=["cards"],
        summary="Cards of a batch by serial number, without their codes",
    )
    def get(self, request: Request, batch_id: UUID) -> Response:
        cards = _cards_with_use().filter(*_narrowed(request), batch=find_batch(batch_id))
        page = read_page_by_number(cards, request=request, by="serial")
        return page_response(page, list(CardSerializer(page.rows, many=True).data), request=request)


def _cards_with_use() -> Any:
    live = Redemption.objects.filter(card_serial=OuterRef("serial"), status__in=LIVE_STATUSES)
    return Card.objects.select_related("batch").annotate(
        user_id=Subquery(live.values("customer__user_id")[:1]),
        redeemed_at=Subquery(live.values("reserved_at")[:1]),
        range_status=range_value(OuterRef("serial"), F("status")),
        range_locked=range_value(OuterRef("serial"), F("locked")),
    )


def _narrowed(request: Request) -> list[Q]:
    """Returns the conditions of the query. Raises: ValidationError."""
    conditions = []
    if serial := request.query_params.get("serial"):
        if not (serial.isascii() and serial.isdigit() and len(serial) <= _MAX_SERIAL_DIGITS):
            raise serializers.ValidationError({"serial": ["a serial number"]})
        conditions.append(Q(serial=int(serial)))
    if last := request.query_params.get("last4"):
        if not (last.isascii() and last.isalnum() and len(last) == LAST_CHARACTERS):
            sentence = say("the last %(number)s letters or digits of a code", number=LAST_CHARACTERS)
            raise serializers.ValidationError({"last4": [sentence]})
        ending = Card.objects.annotate(ending=Right("code", LAST_CHARACTERS)).filter(ending=last.upper())
        conditions.append(Q(pk__in=ending.values("pk")))
    if state := _one_of("state", ["redeemed", "unused"], request):
        conditions.append(Q(redeemed_at__isnull=state == "unused"))
    return conditions


def find_batch(batch_id: UUID) -> Batch:
    """Returns the batch by its id in the API, that of its terms. Raises: BatchNotFound."""
    batch = batches_with_terms().filter(promo_code=batch_id).first()
    if batch is None:
        raise BatchNotFound
    return batch


def read_body(form_class: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Returns the valid values of a request's body. Raises: ValidationError."""
    form = form_class(data=request.data)
    form.is_valid(raise_exception=True)
    body: dict[str, Any] = form.validated_data
    return body


def _one_of(name: str, values: list[str], request: Request) -> str:
    value = request.query_params.get(name, "")
    if value and value not in values:
        raise serializers.ValidationError({name: [say("one of %(names)s", names=", ".join(values))]})
    return value


def _answer(batch_id: UUID, *, status: int = 200) -> Response:
    batch = find_batch(batch_id)
    batch.redeemed = count_redeemed(batch)
    return Response(BatchSerializer(batch).data, status=status)
