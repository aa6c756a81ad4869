"""The domains of an organization: its own address under the Sovereign's domain, and domains that it brings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.rate_limit import DomainRateLimit
from billing.api.fields import RequestSerializer, TextField
from billing.api.identifiers import IdField, read_path_id
from billing.api.pagination import page_parameters, page_response, slice_into_page
from billing.api.renderers import Response
from billing.api.schema import refusals, retry_after_parameter
from billing.errors import OrganizationNotFound
from billing.language import say
from billing.models import Organization
from billing.models.organizations.organization import SLUG_MATCH
from billing.organization_roles import Act
from billing.queries import slug_is_free
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import DomainNotFound, OwnAddressStays
from orders.models import Domain
from orders.models.domain import cname_target, proof_name, proof_text
from orders.queries.organizations import domains_of
from orders.use_cases.domains.add_domain import add_domain
from orders.use_cases.domains.remove_domain import remove_domain
from orders.use_cases.domains.verify_domain import verify_domain

_STATUSES = [status.value for status in Domain.Status]


class DomainSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    tenant_id = serializers.UUIDField()
    domain = serializers.CharField()
    type = serializers.ChoiceField(choices=["subdomain", "byod"], help_text="byod: a domain that it brought.")
    tld = serializers.CharField(help_text="Of the own address: the Sovereign's domain. Else the last label.")
    subdomain = serializers.CharField(help_text="What stands before `tld`.")
    registrar = serializers.CharField(help_text="The provider of the domain's name servers; empty if unknown.")
    dns_status = serializers.ChoiceField(choices=_STATUSES)
    tls_ready = serializers.BooleanField(help_text="Whether a certificate can be had: once the DNS is verified.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class AddedDomainSerializer(DomainSerializer):
    cname_target = serializers.CharField(help_text="The name that the domain's CNAME record has to point to.")
    instructions = serializers.CharField(help_text="What to enter at the domain's provider, for people.")


class VerificationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    domain = serializers.CharField()
    dns_status = serializers.ChoiceField(choices=_STATUSES)
    cname = serializers.CharField(required=False, help_text="The name that the domain is an alias of, if it is one.")
    message = serializers.CharField()


class NewDomainSerializer(RequestSerializer):
    tenant_id = IdField()
    domain = TextField(max_length=255, help_text="In any script and letter case; stored in punycode.")


_NOT_FOUND = refusals({404: "It does not exist, or belongs to an organization that the caller is no member of."})
_LIST_OPTIONS: dict[str, Any] = {
    "responses": {200: DomainSerializer(many=True), **_NOT_FOUND},
    "tags": ["domains"],
    "description": "The organization's own address first, then the domains that it brought, newest first.",
}
_RETRY_AFTER = retry_after_parameter("Seconds until the next attempt.", 429)


class DomainListView(ApiView):
    @extend_schema(
        parameters=[
            OpenApiParameter("tenant_id", UUID, required=True, description="The organization."),
            *page_parameters(default_limit=None),
        ],
        summary="List the domains of an organization, named in the query",
        **_LIST_OPTIONS,
    )
    def get(self, request: Request) -> Response:
        tenant_id = request.query_params.get("tenant_id")
        if not tenant_id:
            raise serializers.ValidationError({"tenant_id": ["name the organization in the query"]})
        return _list(request, read_path_id(tenant_id, not_found=OrganizationNotFound))


class DomainsView(ApiView):
    """The same path names an organization when it is read, and a domain when one is removed."""

    @extend_schema(
        operation_id="domain_domains_list",
        parameters=page_parameters(default_limit=None),
        summary="List the domains of an organization",
        **_LIST_OPTIONS,
    )
    def get(self, request: Request, owner_id: str) -> Response:
        return _list(request, read_path_id(owner_id, not_found=OrganizationNotFound))

    @extend_schema(
        operation_id="domain_domains_destroy",
        responses={
            200: inline_serializer(
                "DomainRemoved", {"ok": serializers.BooleanField(), "status": serializers.CharField()}
            ),
            **_NOT_FOUND,
            **refusals({403: "The caller's role does not suffice.", 409: "It is the organization's own address."}),
        },
        tags=["domains"],
        summary="Remove a domain",
    )
    def delete(self, request: Request, owner_id: str) -> Response:
        identity = read_path_id(owner_id, not_found=DomainNotFound)
        if _find_own_address(request, identity):
            raise OwnAddressStays
        remove_domain(domain_id=identity, by=actor_of(request))
        return Response({"ok": True, "status": "removed"})


class NewDomainView(ApiView):
    throttle_classes = (DomainRateLimit,)

    @extend_schema(
        request=NewDomainSerializer,
        responses={
            201: AddedDomainSerializer,
            **_NOT_FOUND,
            **refusals(
                {
                    400: "This is no public domain name.",
                    403: "The caller's role does not suffice.",
                    409: "The organization has it already, or another one has verified it.",
                    429: "Too many lookups.",
                }
            ),
        },
        parameters=[_RETRY_AFTER],
        examples=[
            OpenApiExample(
                "Another organization's",
                {"error": "another organization has verified this domain", "code": "domain_taken"},
                response_only=True,
                status_codes=["409"],
            )
        ],
        tags=["domains"],
        summary="Bring a domain",
        description="Verify it after its DNS record is made. Until then another organization may claim it as well.",
    )
    def post(self, request: Request) -> Response:
        form = NewDomainSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        added = add_domain(organization_id=body["tenant_id"], domain=body["domain"], by=actor_of(request))
        answer = {
            **_describe(added),
            "cname_target": cname_target(added.organization),
            "instructions": _instructions(added),
        }
        return Response(AddedDomainSerializer(answer).data, status=201)


class VerificationView(ApiView):
    throttle_classes = (DomainRateLimit,)

    @extend_schema(
        request=None,
        responses={
            200: VerificationSerializer,
            **_NOT_FOUND,
            **refusals({403: "The caller's role does not suffice.", 429: "Too many lookups."}),
        },
        parameters=[_RETRY_AFTER],
        tags=["domains"],
        summary="Verify a domain by a lookup in the DNS",
        description="If no name server answers, the status stays as it is, and `message` says so.",
    )
    def post(self, request: Request, domain_id: str) -> Response:
        identity = read_path_id(domain_id, not_found=DomainNotFound)
        own = _find_own_address(request, identity)
        if own:
            described = _describe_own_address(own)
            message = say(
                "%(name)s is the organization's own address, and needs no DNS record", name=described["domain"]
            )
            cname = ""
        else:
            found = verify_domain(domain_id=identity, by=actor_of(request))
            described, message, cname = _describe(found.domain), found.message, found.cname
        answer = {name: described[name] for name in ("id", "domain", "dns_status")} | {"message": message}
        return Response(VerificationSerializer(answer | ({"cname": cname} if cname else {})).data)


class AddressCheckView(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        responses=inline_serializer(
            "AddressAvailability",
            {
                "subdomain": serializers.CharField(),
                "tld": serializers.CharField(),
                "domain": serializers.CharField(),
                "available": serializers.BooleanField(),
            },
        ),
        tags=["domains"],
        summary="Check whether an address under the Sovereign's domain is available",
        description="False for a subdomain that is no valid slug, and for another domain than the Sovereign's.",
    )
    def get(self, request: Request, subdomain: str, tld: str) -> Response:
        is_ours = tld.lower() == settings.SOVEREIGN_DOMAIN.lower()
        available = is_ours and bool(SLUG_MATCH.search(subdomain)) and slug_is_free(subdomain)
        return Response({"subdomain": subdomain, "tld": tld, "domain": f"{subdomain}.{tld}", "available": available})


def _list(request: Request, organization_id: UUID) -> Response:
    organization = authorize_act(organization_id=organization_id, by=actor_of(request), act=Act.READ_DOMAINS)
    # An organization has few domains, so that its own address can be put before the others.
    rows = [Domain(id=organization.id), *domains_of(organization)]
    page = slice_into_page(rows, request=request, by="id")
    described = [
        _describe_own_address(organization) if each.id == organization.id else _describe(each) for each in page.rows
    ]
    return page_response(page, list(DomainSerializer(described, many=True).data), request=request)


def _find_own_address(request: Request, identity: UUID) -> Organization | None:
    """Returns the organization whose own address has this id: the address has the id of its organization.

    Raises: OrganizationRoleTooLow if the caller may not change its domains.
    """
    try:
        return authorize_act(organization_id=identity, by=actor_of(request), act=Act.CHANGE_DOMAINS)
    except OrganizationNotFound:
        return None


def _describe(domain: Domain) -> dict[str, Any]:
    subdomain, _, tld = domain.name.rpartition(".")
    return {
        "id": domain.id,
        "tenant_id": domain.organization_id,
        "domain": domain.name,
        "type": "byod",
        "tld": tld,
        "subdomain": subdomain,
        "registrar": domain.registrar,
        "dns_status": domain.status,
        "tls_ready": domain.status == Domain.Status.VERIFIED,
        "created_at": domain.created_at,
        "updated_at": domain.updated_at,
    }


def _describe_own_address(organization: Organization) -> dict[str, Any]:
    is_live = organization.status in (Organization.Status.ACTIVE, Organization.Status.SUSPENDED)
    moment: datetime = organization.created_at
    return {
        "id": organization.id,
        "tenant_id": organization.id,
        "domain": cname_target(organization),
        "type": "subdomain",
        "tld": settings.SOVEREIGN_DOMAIN.lower(),
        "subdomain": organization.slug,
        "registrar": "",
        "dns_status": Domain.Status.VERIFIED if is_live else Domain.Status.PENDING,
        "tls_ready": is_live,
        "created_at": moment,
        "updated_at": moment,
    }


def _instructions(domain: Domain) -> str:
    provider = domain.registrar
    return say(
        "%(where)s, add a CNAME record for %(name)s that points to %(target)s. If %(name)s is the top of its zone, a"
        " CNAME record is not possible: add an ALIAS record to %(target)s instead, and a TXT record %(proof)s with"
        " the text %(text)s. Then verify the domain.",
        where=say("At %(provider)s", provider=provider) if provider else say("At the provider of your domain"),
        name=domain.name,
        target=cname_target(domain.organization),
        proof=proof_name(domain.name),
        text=proof_text(domain.organization),
    )
