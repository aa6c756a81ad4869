from typing import Any

from django.core.validators import RegexValidator
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of, principal_of
from billing.api.fields import RequestSerializer, TextField
from billing.api.identifiers import read_path_id
from billing.api.pagination import add_link, cut_page, page_parameters, read_position
from billing.api.renderers import JSONBody, Response, remember_bodies
from billing.api.schema import refusals
from billing.errors import OrganizationNotFound
from billing.models import Organization
from billing.models.organizations.organization import SLUG_MATCH, VAT_NUMBER_INPUT
from billing.organization_roles import Act
from billing.queries import slug_is_free
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.organizations.change_details import change_details
from billing.use_cases.organizations.create_organization import create_organization
from orders.api.organizations.organization_answers import (
    OrganizationSerializer,
    describe_listed,
    describe_organization,
)
from orders.api.references import ReferencesField
from orders.queries.offer import find_items
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.list_organizations import ListedOrganization, list_organizations


class VatNumberField(TextField):
    """The VAT number of a buyer, in any case and grouping; empty for none."""

    def __init__(self, **options: Any) -> None:
        check = RegexValidator(
            VAT_NUMBER_INPUT,
            "Use 4 to 30 letters of a-z and digits, with single spaces, dots or dashes between them.",
        )
        super().__init__(required=False, allow_blank=True, validators=[check], **options)


class NewOrganizationSerializer(RequestSerializer):
    slug = TextField(
        trim_whitespace=False,
        validators=[
            RegexValidator(SLUG_MATCH, "Use 3 to 31 characters of a-z, 0-9 and '-', beginning with a letter.")
        ],
        help_text="The organization's subdomain.",
    )
    name = TextField(max_length=200)
    vat_number = VatNumberField(help_text="Stands on its invoices.")
    plan_id = TextField(max_length=64, required=False, allow_null=True, help_text="Id or slug.")
    apps = ReferencesField(required=False)
    addons = ReferencesField(required=False)


class DetailsSerializer(RequestSerializer):
    name = TextField(max_length=200, required=False, help_text="Absent: unchanged.")
    vat_number = VatNumberField(
        help_text="Stands on the invoices that are issued from then on. Absent: unchanged. Empty: none."
    )


@remember_bodies
def _page(listed: list[ListedOrganization], limit: int) -> list[dict[str, Any]]:
    return [describe_listed(each) for each in listed[:limit]]


_NOT_FOUND = refusals({404: "The organization does not exist, or you are no member of it."})
_TOO_LOW = refusals({403: "Your role in the organization does not allow this."})


class SlugView(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        responses=inline_serializer("SlugAvailability", {"available": serializers.BooleanField()}),
        tags=["organizations"],
        summary="Check whether a slug is available",
        description="False for an invalid slug too.",
    )
    def get(self, request: Request, slug: str) -> Response:
        return Response({"available": bool(SLUG_MATCH.search(slug)) and slug_is_free(slug)})


class OrganizationsView(ApiView):
    @extend_schema(
        responses=OrganizationSerializer(many=True),
        parameters=page_parameters(),
        tags=["organizations"],
        summary="List the organizations of which you are the owner or a member, newest first",
    )
    def get(self, request: Request) -> HttpResponse:
        position = read_position(request, Organization)
        listed = list_organizations(by=actor_of(request), limit=position.limit + 1, before=position.before)
        page = cut_page([each.organization for each in listed.value], limit=position.limit)
        response = JSONBody(_page(listed, position.limit))
        add_link(response, page, request=request)
        return response

    @extend_schema(
        request=NewOrganizationSerializer,
        responses={
            201: OrganizationSerializer,
            **refusals({409: "The slug is taken or reserved, or you have too many organizations."}),
        },
        tags=["organizations"],
        summary="Create an organization, pending until its first order",
    )
    def post(self, request: Request) -> Response:
        form = NewOrganizationSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        principal = principal_of(request)
        items = find_items(plan=body.get("plan_id"), apps=body.get("apps") or [], addons=body.get("addons") or [])
        organization = create_organization(
            user_id=principal.user_id,
            email=principal.email,
            slug=body["slug"],
            name=body["name"],
            vat_number=body.get("vat_number", ""),
            plan_id=items.plan,
            apps=items.apps,
            addons=items.addons,
        )
        return Response(describe_organization(organization), status=201)


class OrganizationView(ApiView):
    @extend_schema(
        responses={200: OrganizationSerializer, **_NOT_FOUND},
        tags=["organizations"],
        summary="Read an organization",
    )
    def get(self, request: Request, organization_id: str) -> Response:
        identity = read_path_id(organization_id, not_found=OrganizationNotFound)
        found = authorize_act(organization_id=identity, by=actor_of(request), act=Act.READ)
        return Response(describe_organization(found))

    @extend_schema(
        request=DetailsSerializer,
        responses={200: OrganizationSerializer, **_TOO_LOW, **_NOT_FOUND},
        tags=["organizations"],
        summary="Change an organization's name or VAT number; for its owner and admins",
    )
    def put(self, request: Request, organization_id: str) -> Response:
        identity, by = read_path_id(organization_id, not_found=OrganizationNotFound), actor_of(request)
        # A foreign organization is a 404 before anything in the body is a 400.
        authorize_act(organization_id=identity, by=by, act=Act.RENAME)
        form = DetailsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(describe_organization(change_details(organization_id=identity, by=by, **form.validated_data)))

    @extend_schema(
        responses={
            200: inline_serializer("OrganizationDeleted", {"ok": serializers.BooleanField()}),
            **_TOO_LOW,
            **_NOT_FOUND,
        },
        tags=["organizations"],
        summary="Delete an organization; for its owner or a superadmin",
        description="Closes its open payment, cancels its subscription and voids its unpaid invoices. Paid invoices"
        " and the ledger stay. A second call changes nothing.",
    )
    def delete(self, request: Request, organization_id: str) -> Response:
        identity = read_path_id(organization_id, not_found=OrganizationNotFound)
        delete_organization(organization_id=identity, by=actor_of(request))
        return Response({"ok": True})
