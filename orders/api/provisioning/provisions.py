from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.fields import RequestSerializer, TextField
from billing.api.identifiers import IdField, read_path_id
from billing.api.renderers import JSONBody, Response, remember_bodies
from billing.api.schema import refusals
from billing.errors import OrganizationNotFound
from orders.api.provisioning.steps import StepSerializer
from orders.api.references import ReferencesField
from orders.errors import ProvisionNotFound
from orders.models import Provision
from orders.use_cases.provisioning.describe_deployment import describe_provision
from orders.use_cases.provisioning.find_provision import find_newest_provision, find_provision, start_provision

_newest = remember_bodies(describe_provision)


class ProvisionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    tenant_id = serializers.UUIDField()
    order_id = serializers.UUIDField()
    plan_id = serializers.UUIDField()
    apps = serializers.ListField(child=serializers.UUIDField(), help_text="The apps that the order names.")
    subdomain = serializers.CharField()
    status = serializers.ChoiceField(choices=Provision.Status.choices)
    steps = StepSerializer(many=True)
    progress = serializers.IntegerField(min_value=0, max_value=100, help_text="In percent.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class StartSerializer(RequestSerializer):
    tenant_id = IdField()
    order_id = IdField()
    plan_id = TextField(max_length=64, help_text="Id or slug. The order decides.")
    apps = ReferencesField(required=False)
    subdomain = TextField(max_length=255, required=False, allow_null=True, allow_blank=True)


class StartView(ApiView):
    @extend_schema(
        request=StartSerializer,
        responses={
            201: ProvisionSerializer,
            **refusals(
                {
                    404: "The organization or the order does not exist, or is another customer's.",
                    409: "The order is not paid yet.",
                }
            ),
        },
        tags=["provisioning"],
        summary="Start the provision of a completed order",
        description="A completed order is provisioned without this call too. Everything is taken from the order. A"
        " second call returns the same provision.",
    )
    def post(self, request: Request) -> Response:
        form = StartSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        provision = start_provision(
            organization_id=form.validated_data["tenant_id"],
            order_id=form.validated_data["order_id"],
            by=actor_of(request),
        )
        return Response(describe_provision(provision), status=201)


class TenantProvisionView(ApiView):
    @extend_schema(
        responses={
            200: ProvisionSerializer,
            **refusals({404: "The organization does not exist, is another customer's, or has no completed order."}),
        },
        tags=["provisioning"],
        summary="Read the provision of an organization's newest order",
    )
    def get(self, request: Request, tenant_id: str) -> HttpResponse:
        identity = read_path_id(tenant_id, not_found=OrganizationNotFound)
        return JSONBody(_newest(find_newest_provision(organization_id=identity, by=actor_of(request))))


class ProvisionView(ApiView):
    @extend_schema(
        responses={
            200: ProvisionSerializer,
            **refusals({404: "The provision does not exist, or is another customer's."}),
        },
        tags=["provisioning"],
        summary="Read a provision",
    )
    def get(self, request: Request, provision_id: str) -> Response:
        identity = read_path_id(provision_id, not_found=ProvisionNotFound)
        return Response(describe_provision(find_provision(provision_id=identity, by=actor_of(request))))
