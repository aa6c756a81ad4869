"""Endpoints for bulk grants: what staff do in the console, for the platform's automation."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import SOVEREIGN_ADMIN, VOUCHER_READERS
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import refusals_on_csv
from billing.api.pagination import page_parameters, page_response, read_page, read_page_by_number
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import ApprovalRequired, BulkGrantNotFound
from billing.language import say
from billing.models import BulkGrant, BulkGrantRow
from billing.use_cases.bulk.draft_bulk_grant import (
    GrantTerms,
    check_terms,
    discard_bulk_grant,
    draft_bulk_grant,
    good_rows,
    preview_rows,
)
from billing.use_cases.bulk.propose_bulk_grant import start_or_propose
from billing.use_cases.bulk.read_grant_list import GrantRow, read_grant_list
from billing.use_cases.bulk.start_bulk_grant import undo_bulk_grant

from .serializers import (
    GrantActSerializer,
    GrantCheckSerializer,
    GrantDraftSerializer,
    GrantRowSerializer,
    GrantSerializer,
)

_READS = roles(SOVEREIGN_ADMIN, read=VOUCHER_READERS)
_NO_GRANT = {404: "There is no such bulk grant."}
_CHANGED = {200: GrantSerializer, **refusals({**_NO_GRANT, 409: "The bulk grant's state does not allow this."})}


_BAD_LIST = {400: "The body is not valid, or the list has bad rows: `fields.csv` names each by its line."}
_EXAMPLE = OpenApiExample(
    "After an outage",
    {
        "name": "outage-2026",
        "csv": "user_id;amount\r\nada;5\r\nbob;1.250\r\n",
        "credit_class": "compensation",
        "reason": "the outage of May",
    },
    request_only=True,
)


class BulkGrantsView(ApiView):
    permission_classes = (_READS,)

    @extend_schema(
        responses=GrantSerializer(many=True),
        parameters=[*page_parameters(), OpenApiParameter("status", str, enum=BulkGrant.Status.values)],
        tags=["credit"],
        summary="Bulk grants, newest first",
    )
    def get(self, request: Request) -> Response:
        found = BulkGrant.objects.all()
        if status := _one_of(BulkGrant.Status.values, request):
            found = found.filter(status=status)
        page = read_page(found, request=request)
        return page_response(page, list(GrantSerializer(page.rows, many=True).data), request=request)

    @extend_schema(
        request=GrantDraftSerializer,
        responses={
            201: GrantSerializer,
            **refusals(_BAD_LIST),
        },
        examples=[_EXAMPLE],
        tags=["credit"],
        summary="Draft a bulk grant from a CSV list",
        description="No balance changes before the draft is started. The same list under the same name is the same"
        " bulk grant. A longer list than a body can hold is sent as several bulk grants of one name: a customer gets"
        " a grant of one name once.",
    )
    def post(self, request: Request) -> Response:
        terms, rows = _read_list(request)
        found, _ = draft_bulk_grant(terms=terms, rows=rows, by=actor_of(request))
        return Response(GrantSerializer(_find(found.pk)).data, status=201)


class CheckBulkGrantView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=GrantDraftSerializer,
        responses={200: GrantCheckSerializer, **refusals(_BAD_LIST)},
        examples=[_EXAMPLE],
        tags=["credit"],
        summary="Check a CSV list, and say what a bulk grant of it would do now",
        description="Nothing is stored.",
    )
    def post(self, request: Request) -> Response:
        terms, rows = _read_list(request)
        check_terms(terms, rows)
        return Response(GrantCheckSerializer(preview_rows(name=terms.name, rows=rows)).data)


class BulkGrantView(ApiView):
    permission_classes = (_READS,)

    @extend_schema(responses={200: GrantSerializer, **refusals(_NO_GRANT)}, tags=["credit"], summary="A bulk grant")
    def get(self, request: Request, grant_id: UUID) -> Response:
        return Response(GrantSerializer(_find(grant_id)).data)


class BulkGrantRowsView(ApiView):
    permission_classes = (_READS,)

    @extend_schema(
        responses={200: GrantRowSerializer(many=True), **refusals(_NO_GRANT)},
        parameters=[*page_parameters(), OpenApiParameter("status", str, enum=BulkGrantRow.Status.values)],
        tags=["credit"],
        summary="The rows of a bulk grant in the order of the list, with their results",
    )
    def get(self, request: Request, grant_id: UUID) -> Response:
        rows = BulkGrantRow.objects.filter(bulk_grant=_find(grant_id))
        if status := _one_of(BulkGrantRow.Status.values, request):
            rows = rows.filter(status=status)
        page = read_page_by_number(rows, request=request, by="line")
        return page_response(page, list(GrantRowSerializer(page.rows, many=True).data), request=request)


class StartBulkGrantView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=GrantActSerializer,
        responses={
            200: GrantSerializer,
            **refusals(
                {
                    **_NO_GRANT,
                    409: "It is no draft. Or its sum exceeds a limit, and the start was proposed instead:"
                    " `approval_required`, `proposal_id`.",
                }
            ),
        },
        tags=["credit"],
        summary="Let the worker grant the credit of a draft",
    )
    def post(self, request: Request, grant_id: UUID) -> Response:
        found, reason = _find(grant_id), _read_reason(request)
        outcome = start_or_propose(bulk_grant=found, by=actor_of(request), reason=reason)
        if outcome.proposal:
            raise ApprovalRequired(extra={"proposal_id": str(outcome.proposal.pk)})
        return Response(GrantSerializer(_find(grant_id)).data)


class UndoBulkGrantView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(
        request=GrantActSerializer,
        responses=_CHANGED,
        tags=["credit"],
        summary="Let the worker take the credit back where all of it is still there",
        description="The rows say afterwards whose credit was kept, and why.",
    )
    def post(self, request: Request, grant_id: UUID) -> Response:
        _find(grant_id)
        undo_bulk_grant(bulk_grant_id=grant_id, by=actor_of(request), reason=_read_reason(request))
        return Response(GrantSerializer(_find(grant_id)).data)


class DiscardBulkGrantView(ApiView):
    permission_classes = (roles(SOVEREIGN_ADMIN),)

    @extend_schema(request=GrantActSerializer, responses=_CHANGED, tags=["credit"], summary="Discard a draft")
    def post(self, request: Request, grant_id: UUID) -> Response:
        _find(grant_id)
        discard_bulk_grant(bulk_grant_id=grant_id, by=actor_of(request), reason=_read_reason(request))
        return Response(GrantSerializer(_find(grant_id)).data)


def _read_list(request: Request) -> tuple[GrantTerms, list[GrantRow]]:
    """Returns the terms and the rows of a body. Raises: ValidationError; InvalidFile."""
    form = GrantDraftSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    body: dict[str, Any] = form.validated_data
    names = ("name", "reason", "credit_class", "expires_at")
    with refusals_on_csv():
        rows = good_rows(read_grant_list(body["csv"].encode(), amount_minor=body.get("credit_minor")))
    return GrantTerms(**{name: body[name] for name in names if name in body}), rows


def _find(grant_id: UUID) -> BulkGrant:
    found = BulkGrant.objects.filter(pk=grant_id).first()
    if found is None:
        raise BulkGrantNotFound
    return found


def _read_reason(request: Request) -> str:
    form = GrantActSerializer(data=request.data)
    form.is_valid(raise_exception=True)
    return str(form.validated_data["reason"])


def _one_of(values: list[str], request: Request) -> str:
    value = request.query_params.get("status", "")
    if value and value not in values:
        raise serializers.ValidationError({"status": [say("one of %(names)s", names=", ".join(values))]})
    return value
