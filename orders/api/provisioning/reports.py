from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import PROVISIONER
from billing.api.access.api_view import ApiView
from billing.api.access.permissions import roles
from billing.api.exceptions import find_problems
from billing.api.fields import InstantField, RequestSerializer, TextField, WholeNumberField
from billing.api.identifiers import IdField
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.local_time import utc_text
from orders.api.provisioning.jobs import AppJobSerializer
from orders.api.provisioning.provisions import ProvisionSerializer
from orders.api.provisioning.steps import STEP_STATUSES
from orders.models import AppJob, Provision
from orders.models.provisioning import Deployment
from orders.models.step import Step, StepStatus
from orders.use_cases.apps.list_backing_services import CATEGORIES, POD_STATUSES
from orders.use_cases.provisioning.describe_deployment import describe_app_job, describe_provision
from orders.use_cases.provisioning.report_progress import Report, report_progress

MAX_STEPS, MAX_SERVICES, MAX_PORT = 100, 100, 65_535
# The states' names in the answers of provisions and of jobs; a report may use either.
STATUSES = {str(value): Deployment.Status(value).name for value in Deployment.Status.values} | {
    str(each.value): each.name for each in Provision.Status
}
REPORTED_STATUSES = sorted(STATUSES)


class ReportedStepSerializer(RequestSerializer):
    name = TextField(max_length=200)
    status = serializers.ChoiceField(choices=STEP_STATUSES)
    message = TextField(max_length=1000, required=False, allow_blank=True)
    started_at = InstantField(required=False, allow_null=True)
    done_at = InstantField(required=False, allow_null=True)


class BackingServiceSerializer(RequestSerializer):
    id = TextField(max_length=100)
    slug = TextField(max_length=50)
    name = TextField(max_length=100)
    category = serializers.ChoiceField(choices=CATEGORIES)
    version = TextField(max_length=100, allow_blank=True)
    endpoint_host = TextField(max_length=253, allow_blank=True)
    endpoint_port = WholeNumberField(min_value=0, max_value=MAX_PORT)
    pod_status = serializers.ChoiceField(choices=POD_STATUSES)
    ready_replicas = WholeNumberField(min_value=0, max_value=10_000)
    total_replicas = WholeNumberField(min_value=0, max_value=10_000)
    image = TextField(max_length=500, required=False, allow_blank=True)


class ReportSerializer(RequestSerializer):
    requires_one_of = ("provision_id", "job_id")

    id = TextField(
        max_length=255, required=False, help_text="The report's own. A second one with it changes nothing."
    )
    provision_id = IdField(required=False)
    job_id = IdField(required=False)
    status = serializers.ChoiceField(choices=REPORTED_STATUSES, required=False)
    steps = serializers.ListField(child=ReportedStepSerializer(), required=False, max_length=MAX_STEPS)
    services = serializers.ListField(
        child=BackingServiceSerializer(),
        required=False,
        max_length=MAX_SERVICES,
        help_text="All backing services of the organization.",
    )
    reported_at = InstantField(required=False, help_text="Older services than the stored ones are left out.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(name in attrs for name in self.requires_one_of) != 1:
            raise serializers.ValidationError({"provision_id": ["give either provision_id or job_id"]})
        return attrs


class ReportView(ApiView):
    permission_classes = (roles(PROVISIONER),)

    @extend_schema(
        request=ReportSerializer,
        responses={
            200: PolymorphicProxySerializer(
                component_name="Deployment",
                serializers=[ProvisionSerializer, AppJobSerializer],
                resource_type_field_name=None,
            ),
            **refusals({404: "The provision or the job does not exist."}),
        },
        tags=["provisioning"],
        summary="Report the progress of a provision or a job; for the provisioner",
        description="Reports may arrive twice, late and out of order. A step only moves on, the order of steps is"
        " kept, and a finished deployment stays as it is. A step that was not planned is added at the end.",
    )
    def post(self, request: Request) -> Response:
        form = ReportSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        deployment = report_progress(report=read_report(form.validated_data))
        describe: Any = describe_provision if isinstance(deployment, Provision) else describe_app_job
        return Response(describe(deployment))


def parse_report(data: dict[str, Any]) -> Report:
    """Returns the report that an event describes, as a body of this endpoint does. Raises: ValueError."""
    form = ReportSerializer(data=data)
    if not form.is_valid():
        raise ValueError(", ".join(f"{name}: {problem}" for name, problem in find_problems(form.errors)))
    return read_report(form.validated_data)


def read_report(body: dict[str, Any]) -> Report:
    """Returns the report that a validated body describes."""
    model: type[Provision] | type[AppJob] = Provision if "provision_id" in body else AppJob
    return Report(
        model=model,
        key=body["provision_id"] if model is Provision else body["job_id"],
        id=body.get("id", ""),
        status=STATUSES[body["status"]] if "status" in body else "",
        steps=[_read_step(step) for step in body.get("steps", ())],
        services=body.get("services"),
        reported_at=body.get("reported_at"),
    )


def _read_step(step: dict[str, Any]) -> Step:
    started_at, done_at = step.get("started_at"), step.get("done_at")
    return Step(
        name=step["name"],
        status=StepStatus(step["status"]),
        message=step.get("message", ""),
        started_at=utc_text(started_at) if started_at else None,
        done_at=utc_text(done_at) if done_at else None,
    )
