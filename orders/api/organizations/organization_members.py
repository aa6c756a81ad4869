"""The members of an organization, its owner among them."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.fields import EmailField, RequestSerializer
from billing.api.identifiers import read_path_id
from billing.api.pagination import page_parameters, page_response, slice_into_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.errors import OrganizationNotFound
from billing.models import OrganizationMember
from billing.organization_roles import MEMBER_ROLES, Act, OrganizationRole
from billing.queries import members_of
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.organizations.remove_member import remove_member
from orders.use_cases.organizations.invite_member import invite_member

_CHOICES = [role.value for role in MEMBER_ROLES]
_REFUSALS = {
    403: "Your role in the organization does not allow this.",
    404: "The organization does not exist, or you are no member of it.",
}


class MemberSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    tenant_id = serializers.UUIDField(source="organization_id")
    user_id = serializers.SerializerMethodField(help_text="Empty until the invited person signs in.")
    email = serializers.CharField(source="current_email")
    role = serializers.ChoiceField(choices=[role.value for role in OrganizationRole])
    joined_at = serializers.DateTimeField(help_text="When the organization was created, or the person invited.")

    def get_user_id(self, member: OrganizationMember) -> str:
        return member.customer.user_id if member.customer else ""


class InvitationSerializer(RequestSerializer):
    email = EmailField()
    role = serializers.ChoiceField(
        choices=_CHOICES, required=False, help_text="By default member. An organization has one owner."
    )


class MembersView(ApiView):
    @extend_schema(
        responses={200: MemberSerializer(many=True), **refusals(_REFUSALS)},
        parameters=page_parameters(default_limit=None),
        tags=["organizations"],
        summary="List an organization's members, its owner first",
    )
    def get(self, request: Request, organization_id: str) -> Response:
        organization = authorize_act(
            organization_id=read_path_id(organization_id, not_found=OrganizationNotFound),
            by=actor_of(request),
            act=Act.READ_MEMBERS,
        )
        page = slice_into_page(members_of(organization), request=request, by="id")
        return page_response(page, list(MemberSerializer(page.rows, many=True).data), request=request)

    @extend_schema(
        request=InvitationSerializer,
        responses={
            201: MemberSerializer,
            **refusals(
                {
                    **_REFUSALS,
                    409: "The person is a member or invited already, or the organization has too many members.",
                    429: "Too many people were invited today.",
                }
            ),
        },
        tags=["organizations"],
        summary="Invite a person by mail",
        description="A known customer is a member at once. Anybody else becomes one by signing in with the address.",
    )
    def post(self, request: Request, organization_id: str) -> Response:
        identity, by = read_path_id(organization_id, not_found=OrganizationNotFound), actor_of(request)
        # A foreign organization is a 404 before anything in the body is a 400.
        authorize_act(organization_id=identity, by=by, act=Act.CHANGE_MEMBERS)
        form = InvitationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        member = invite_member(
            organization_id=identity,
            email=form.validated_data["email"],
            role=OrganizationRole(form.validated_data.get("role", OrganizationRole.MEMBER)),
            by=by,
        )
        return Response(MemberSerializer(member).data, status=201)


class MemberView(ApiView):
    @extend_schema(
        responses={
            200: inline_serializer("MemberRemoved", {"status": serializers.ChoiceField(choices=["removed"])}),
            **refusals({403: "Your role does not allow this, or it is the owner.", 404: _REFUSALS[404]}),
        },
        tags=["organizations"],
        summary="Remove a member, or withdraw an invitation",
        description="Takes the member's user id, or the id of the membership: an invitation has no user id.",
    )
    def delete(self, request: Request, organization_id: str, member: str) -> Response:
        identity = read_path_id(organization_id, not_found=OrganizationNotFound)
        remove_member(organization_id=identity, member=member, by=actor_of(request))
        return Response({"status": "removed"})
