from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import SUPERADMIN
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import RequestSerializer, TextField
from billing.api.identifiers import read_path_id
from billing.api.renderers import Response
from billing.api.schema import Error, refusals
from billing.errors import OrganizationNotFound
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.api.organizations.organization_answers import AppStatesField, describe_organization
from orders.api.provisioning.jobs import ServiceSerializer
from orders.api.provisioning.reports import BackingServiceSerializer
from orders.use_cases.apps.change_apps import AppChange
from orders.use_cases.apps.install_app import install_app
from orders.use_cases.apps.list_backing_services import list_backing_services, list_backing_services_for_staff
from orders.use_cases.apps.uninstall_app import name_services, preview_uninstall, uninstall_app

_NOT_FOUND = "The organization or the app does not exist, or the organization is another customer's."


class InstallSerializer(RequestSerializer):
    slug = TextField(max_length=64)
    dep_choices = serializers.DictField(
        child=TextField(max_length=64),
        required=False,
        allow_null=True,
        help_text="By a dependency's slug, `dedicated`, or the slug of an installed app whose dependency is reused.",
    )


class AppChangeSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["queued", "already_installed", "not_installed"])
    apps = serializers.ListField(child=serializers.UUIDField())
    app_states = AppStatesField()
    deployed = serializers.ListField(
        child=serializers.UUIDField(), required=False, help_text="The apps that the job installs."
    )


class AppRefused(Error):
    """The refusal of a change of apps. `message` repeats the sentence."""

    message = serializers.CharField(required=False)
    upgrade_suggestion = serializers.CharField(required=False, help_text="The slug of a plan that is large enough.")
    dependents = serializers.ListField(child=serializers.CharField(), required=False)


class RemovalSerializer(serializers.Serializer[Any]):
    app_slug = serializers.CharField()
    app_name = serializers.CharField()
    installed = serializers.BooleanField()
    purged_services = ServiceSerializer(many=True)
    retained_services = ServiceSerializer(many=True)
    dependents = serializers.ListField(child=serializers.CharField(), help_text="Names of apps that need this one.")


_SERVICES = inline_serializer("BackingServices", {"services": BackingServiceSerializer(many=True)})


class AppsView(ApiView):
    @extend_schema(
        request=InstallSerializer,
        responses={
            200: AppChangeSerializer,
            **refusals({404: _NOT_FOUND}),
            409: OpenApiResponse(AppRefused, "The plan is too small, or the app is being removed."),
        },
        tags=["organizations"],
        summary="Install an app, with the dependencies that are not there yet",
        description="An app's `minimum_size` is the smallest plan that it runs on, by the catalog's order of plans.",
    )
    def post(self, request: Request, organization_id: str) -> Response:
        identity = read_path_id(organization_id, not_found=OrganizationNotFound)
        form = InstallSerializer(data=request.data)
        by = actor_of(request)
        if not form.is_valid():
            # Another customer's organization is a 404, whatever the body is.
            authorize_act(organization_id=identity, by=by, act=Act.CHANGE_APPS)
            raise serializers.ValidationError(form.errors)
        change = install_app(
            organization_id=identity,
            slug=form.validated_data["slug"],
            dep_choices=form.validated_data.get("dep_choices") or {},
            by=by,
        )
        return Response({**_describe_change(change), "deployed": list(change.deployed)})


class AppView(ApiView):
    @extend_schema(
        parameters=[
            OpenApiParameter("force", bool, description="Remove it also while other installed apps need it.")
        ],
        responses={
            200: AppChangeSerializer,
            **refusals({404: _NOT_FOUND}),
            409: OpenApiResponse(AppRefused, "Other installed apps need it, or it is being installed."),
        },
        tags=["organizations"],
        summary="Remove an app, with the services that no other app needs",
    )
    def delete(self, request: Request, organization_id: str, slug: str) -> Response:
        identity = read_path_id(organization_id, not_found=OrganizationNotFound)
        force = request.query_params.get("force", "").lower() in ("true", "1")
        change = uninstall_app(organization_id=identity, slug=slug, force=force, by=actor_of(request))
        return Response(_describe_change(change))


class UninstallPreviewView(ApiView):
    @extend_schema(
        responses={200: RemovalSerializer, **refusals({404: _NOT_FOUND})},
        tags=["organizations"],
        summary="Preview the removal of an app",
    )
    def get(self, request: Request, organization_id: str, slug: str) -> Response:
        identity = read_path_id(organization_id, not_found=OrganizationNotFound)
        removal = preview_uninstall(organization_id=identity, slug=slug, by=actor_of(request))
        return Response(
            {
                "app_slug": removal.app.slug,
                "app_name": removal.app.name,
                "installed": removal.is_installed,
                "purged_services": name_services(removal.purged),
                "retained_services": name_services(removal.retained),
                "dependents": [app.name for app in removal.dependents],
            }
        )


class BackingServicesView(ApiView):
    @extend_schema(
        responses={200: _SERVICES, **refusals({404: "The organization does not exist, or is another customer's."})},
        tags=["organizations"],
        summary="List the backing services, as the provisioner last reported them",
    )
    def get(self, request: Request, organization_id: str) -> Response:
        identity = read_path_id(organization_id, not_found=OrganizationNotFound)
        return Response({"services": list_backing_services(organization_id=identity, by=actor_of(request))})


class StaffBackingServicesView(ApiView):
    permission_classes = (roles(SUPERADMIN),)

    @extend_schema(
        responses={200: _SERVICES, **refusals({404: "The organization does not exist."})},
        tags=["staff"],
        summary="List the backing services of any organization",
    )
    def get(self, request: Request, tenant_id: str) -> Response:
        identity = read_path_id(tenant_id, not_found=OrganizationNotFound)
        return Response({"services": list_backing_services_for_staff(organization_id=identity)})


def _describe_change(change: AppChange) -> dict[str, Any]:
    organization = describe_organization(change.organization)
    return {"status": change.status, "apps": organization["apps"], "app_states": organization["app_states"]}
