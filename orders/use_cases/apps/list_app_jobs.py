from uuid import UUID

from billing.actor import Actor
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.models import AppJob

DEFAULT_JOBS = 50
MAX_JOBS = 200


def list_app_jobs(*, organization_id: UUID, limit: int, by: Actor) -> list[AppJob]:
    """Returns the newest jobs of an organization's apps. Two queries for the owner.

    Raises: OrganizationNotFound, OrganizationRoleTooLow.
    """
    organization = authorize_act(organization_id=organization_id, by=by, act=Act.READ_PROVISIONING)
    jobs = list(AppJob.objects.filter(organization=organization).order_by("-created_at", "-id")[:limit])
    for job in jobs:
        job.organization = organization
    return jobs
