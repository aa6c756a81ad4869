from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.fields import RequestSerializer
from billing.api.identifiers import IdField
from billing.api.renderers import JSONBody, remember_bodies
from billing.api.schema import refusals
from orders.api.provisioning.steps import StepSerializer
from orders.models import AppJob
from orders.models.provisioning import Deployment
from orders.use_cases.apps.list_app_jobs import DEFAULT_JOBS, MAX_JOBS, list_app_jobs
from orders.use_cases.provisioning.describe_deployment import describe_app_job


class ServiceSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()


class AppJobSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    tenant_id = serializers.UUIDField()
    tenant_slug = serializers.CharField()
    kind = serializers.ChoiceField(choices=AppJob.Kind.choices)
    app_slug = serializers.CharField()
    app_id = serializers.UUIDField()
    app_name = serializers.CharField()
    status = serializers.ChoiceField(choices=Deployment.Status.choices)
    steps = StepSerializer(many=True)
    progress = serializers.IntegerField(min_value=0, max_value=100, help_text="In percent.")
    purged_services = ServiceSerializer(many=True, required=False, help_text="Of a removal.")
    retained_services = ServiceSerializer(many=True, required=False, help_text="Of a removal.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class JobsQuerySerializer(RequestSerializer):
    tenant_id = IdField()
    limit = serializers.IntegerField(min_value=1, max_value=MAX_JOBS, required=False)


# Shared by all requests, as it is polled: creating its fields costs more than validating, which does not change them.
_QUERY = JobsQuerySerializer()


class JobsView(ApiView):
    @extend_schema(
        parameters=[
            OpenApiParameter("tenant_id", {"type": "string", "format": "uuid"}, required=True),
            OpenApiParameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": MAX_JOBS, "default": DEFAULT_JOBS}
            ),
        ],
        responses={
            200: AppJobSerializer(many=True),
            **refusals({404: "The organization does not exist, or is another customer's."}),
        },
        tags=["provisioning"],
        summary="List the jobs that install and remove an organization's apps, newest first",
    )
    def get(self, request: Request) -> HttpResponse:
        wanted = _QUERY.run_validation(request.query_params.dict())
        jobs = list_app_jobs(
            organization_id=wanted["tenant_id"], limit=wanted.get("limit", DEFAULT_JOBS), by=actor_of(request)
        )
        return JSONBody(_body(jobs))


@remember_bodies
def _body(jobs: list[AppJob]) -> list[dict[str, Any]]:
    return [describe_app_job(job) for job in jobs]
