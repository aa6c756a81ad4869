"""Proposals over the API: list, read, approve, reject, withdraw."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import APPROVER, AUDITOR, SOVEREIGN_ADMIN, STAFF_ROLES, SUPPORT
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import RequestSerializer, TextField
from billing.api.identifiers import read_path_id
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import DomainError, ProposalNotFound
from billing.models import Proposal
from billing.use_cases.proposals.decide import approve_proposal, refuse_failed, reject_proposal, withdraw_proposal

MAX_COMMENT_LENGTH = 500


class InvalidStatus(DomainError):
    code = "invalid_status"
    message = "status must be a status of a proposal"


class ChangeSerializer(serializers.Serializer[Any]):
    """One line of the exact difference."""

    name = serializers.CharField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)

    def to_representation(self, instance: list[str]) -> dict[str, str]:
        return dict(zip(("name", "before", "after"), instance, strict=True))


class ProposalSerializer(serializers.ModelSerializer[Proposal]):
    """A proposal, with what it would change. An empty `decided_by` means that nobody has decided it."""

    changes = ChangeSerializer(many=True, read_only=True)
    arguments = serializers.DictField(read_only=True)
    proposed_by = serializers.CharField(source="proposer_id", read_only=True)
    proposed_by_email = serializers.CharField(source="proposer_email", read_only=True)
    decided_by = serializers.CharField(source="decider_id", read_only=True)
    decided_by_email = serializers.CharField(source="decider_email", read_only=True)

    class Meta:
        model = Proposal
        fields = [
            "id",
            "kind",
            "title",
            "status",
            "arguments",
            "changes",
            "reason",
            "outcome",
            "comment",
            "proposed_by",
            "proposed_by_email",
            "decided_by",
            "decided_by_email",
            "created_at",
            "expires_at",
            "decided_at",
        ]
        read_only_fields = fields


class ApprovalSerializer(RequestSerializer):
    comment = TextField(required=False, allow_blank=True, max_length=MAX_COMMENT_LENGTH, help_text="For the record.")


class RejectionSerializer(RequestSerializer):
    reason = TextField(max_length=MAX_COMMENT_LENGTH)


_CLOSED = {
    403: "The caller's role may not do this, or the proposal is the caller's own.",
    404: "There is no such proposal.",
    409: "It was decided before, has expired, or the state that it was proposed on has changed: it has failed then.",
}


class ProposalsView(ApiView):
    permission_classes = (roles(APPROVER, read=(SOVEREIGN_ADMIN, AUDITOR, SUPPORT)),)

    @extend_schema(
        responses=ProposalSerializer(many=True),
        parameters=[
            OpenApiParameter("status", str, enum=Proposal.Status.values, description="Only those of this status."),
            *page_parameters(),
        ],
        tags=["administration"],
        summary="List proposals, newest first",
    )
    def get(self, request: Request) -> Response:
        proposals = Proposal.objects.all()
        if status := request.query_params.get("status"):
            if status not in Proposal.Status.values:
                raise InvalidStatus
            proposals = proposals.filter(status=status)
        page = read_page(proposals, request=request)
        return page_response(page, list(ProposalSerializer(page.rows, many=True).data), request=request)


class ProposalView(ApiView):
    permission_classes = (roles(APPROVER, read=(SOVEREIGN_ADMIN, AUDITOR, SUPPORT)),)

    @extend_schema(
        responses={200: ProposalSerializer, **refusals({404: "There is no such proposal."})},
        tags=["administration"],
        summary="Read a proposal",
    )
    def get(self, request: Request, proposal_id: str) -> Response:
        return Response(ProposalSerializer(_find(proposal_id)).data)


class ApproveView(ApiView):
    permission_classes = (roles(APPROVER),)

    @extend_schema(
        request=ApprovalSerializer,
        responses={200: ProposalSerializer, **refusals(_CLOSED)},
        tags=["administration"],
        summary="Approve a proposal, and carry it out",
        description="Exactly what was proposed takes effect, once. Nobody approves their own proposal.",
    )
    def post(self, request: Request, proposal_id: str) -> Response:
        found = _find(proposal_id)
        sent = ApprovalSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        proposal = approve_proposal(
            proposal_id=found.pk,
            by=actor_of(request),
            comment=sent.validated_data.get("comment", ""),
        )
        return Response(ProposalSerializer(refuse_failed(proposal)).data)


class RejectView(ApiView):
    permission_classes = (roles(APPROVER),)

    @extend_schema(
        request=RejectionSerializer,
        responses={200: ProposalSerializer, **refusals(_CLOSED)},
        tags=["administration"],
        summary="Reject a proposal",
    )
    def post(self, request: Request, proposal_id: str) -> Response:
        found = _find(proposal_id)
        sent = RejectionSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        proposal = reject_proposal(
            proposal_id=found.pk,
            by=actor_of(request),
            reason=sent.validated_data["reason"],
        )
        return Response(ProposalSerializer(proposal).data)


class WithdrawView(ApiView):
    # The proposer of any role, also of one that proposes nothing now.
    permission_classes = (roles(*STAFF_ROLES),)

    @extend_schema(
        request=RejectionSerializer,
        responses={200: ProposalSerializer, **refusals({**_CLOSED, 403: "Only the proposer may withdraw it."})},
        tags=["administration"],
        summary="Withdraw one's own proposal",
    )
    def post(self, request: Request, proposal_id: str) -> Response:
        found = _find(proposal_id)
        sent = RejectionSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        proposal = withdraw_proposal(
            proposal_id=found.pk,
            by=actor_of(request),
            reason=sent.validated_data["reason"],
        )
        return Response(ProposalSerializer(proposal).data)


def _find(text: str) -> Proposal:
    """Returns the proposal of the id in a path, before the body is read. Raises: ProposalNotFound."""
    found = Proposal.objects.filter(id=read_path_id(text, not_found=ProposalNotFound)).first()
    if found is None:
        raise ProposalNotFound
    return found
