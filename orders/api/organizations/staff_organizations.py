"""Organizations for staff: found, suspended, resumed and deleted by a superadmin."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import RequestSerializer, TextField
from billing.api.identifiers import read_path_id
from billing.api.pagination import read_window
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import OrganizationNotFound
from billing.models import Organization
from orders.api.organizations.organization_answers import (
    OrganizationSerializer,
    describe_organization,
    describe_organizations,
)
from orders.queries.organizations import find_organization, find_organizations
from orders.use_cases.organizations.change_status import change_status

# `pending` is the state before the first order; nothing goes back to it.
_STATUSES = [status.value for status in Organization.Status if status != Organization.Status.PENDING]
_NOT_FOUND = refusals({404: "The organization does not exist, or is deleted."})


class StaffOrganizationSerializer(OrganizationSerializer):
    member_count = serializers.IntegerField(read_only=True, help_text="The owner, members and invitations.")

    class Meta(OrganizationSerializer.Meta):
        fields = [*OrganizationSerializer.Meta.fields, "member_count"]
        read_only_fields = fields


class StatusSerializer(RequestSerializer):
    status = serializers.ChoiceField(choices=_STATUSES)
    reason = TextField(required=False, allow_blank=True, max_length=500, help_text="For the audit trail.")


class TenantsView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        responses=inline_serializer(
            "TenantsPage",
            {
                "tenants": StaffOrganizationSerializer(many=True),
                "total": serializers.IntegerField(),
                "offset": serializers.IntegerField(),
                "limit": serializers.IntegerField(),
            },
        ),
        parameters=[
            OpenApiParameter("offset", {"type": "integer", "minimum": 0, "default": 0}, description="Rows to skip."),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                description="Rows of a page.",
            ),
            OpenApiParameter(
                "q", str, description="Part of a name or slug; an id; the owner's e-mail address or user id."
            ),
        ],
        tags=["administration"],
        summary="Find organizations, newest first; deleted ones are left out",
    )
    def get(self, request: Request) -> Response:
        window = read_window(request)
        found = find_organizations(term=request.query_params.get("q", ""))
        rows: list[Any] = list(found[window.offset : window.offset + window.limit])
        answers = [
            {**answer, "member_count": row.member_count}
            for row, answer in zip(rows, describe_organizations(rows), strict=True)
        ]
        return Response({"tenants": answers, "total": found.count(), "offset": window.offset, "limit": window.limit})


class TenantStatusView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        request=StatusSerializer,
        responses={
            200: OrganizationSerializer,
            **_NOT_FOUND,
            **refusals({409: "The organization cannot get this status from its current one."}),
        },
        tags=["administration"],
        summary="Activate, suspend, provision again or delete an organization",
    )
    def put(self, request: Request, tenant_id: str) -> Response:
        identity = read_path_id(tenant_id, not_found=OrganizationNotFound)
        # An unknown organization is a 404 before anything in the body is a 400.
        find_organization(organization_id=identity)
        form = StatusSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        changed = change_status(
            organization_id=identity,
            status=Organization.Status(form.validated_data["status"]),
            by=actor_of(request),
            reason=form.validated_data.get("reason", ""),
        )
        return Response(describe_organization(changed))


class TenantView(ApiView):
    permission_classes = (roles(),)

    @extend_schema(
        responses={
            200: inline_serializer("TenantDeleted", {"status": serializers.ChoiceField(choices=["deleted"])}),
            **_NOT_FOUND,
        },
        tags=["administration"],
        summary="Delete an organization",
        description="Does what its owner's deletion does: closes payments, cancels the subscription, voids invoices.",
    )
    def delete(self, request: Request, tenant_id: str) -> Response:
        identity = read_path_id(tenant_id, not_found=OrganizationNotFound)
        change_status(organization_id=identity, status=Organization.Status.DELETED, by=actor_of(request))
        return Response({"status": "deleted"})
