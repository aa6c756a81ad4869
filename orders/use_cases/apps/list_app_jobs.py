import json
from typing import Any, cast
from uuid import UUID

from billing.actor import Actor
from billing.database.shared_read import Read, Row, SharedRead
from billing.models import Organization
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.models import AppJob

DEFAULT_JOBS = 50
MAX_JOBS = 200

_COLUMNS = (
    "id",
    "kind",
    "app_id",
    "app_slug",
    "app_name",
    "status",
    "steps",
    "purged_services",
    "retained_services",
    "created_at",
    "updated_at",
)
_JSON = ("steps", "purged_services", "retained_services")
# A row without a job says that the organization has none.
_OWN_STATEMENT = f"""
SELECT asked.position, o.id, o.slug, {", ".join(f"j.{name}" for name in _COLUMNS)}
  FROM unnest(ARRAY(SELECT unnest(%s::uuid[])), %s::text[], %s::int[])
       WITH ORDINALITY AS asked (organization_id, user_id, number, position)
  JOIN billing_organization o ON o.id = asked.organization_id AND o.status <> 'deleted'
  JOIN billing_customer c ON c.id = o.customer_id AND c.user_id = asked.user_id
  LEFT JOIN LATERAL (
         SELECT * FROM orders_appjob a WHERE a.organization_id = o.id
          ORDER BY a.created_at DESC, a.id DESC LIMIT asked.number) AS j ON true
 ORDER BY asked.position, j.created_at DESC, j.id DESC
"""  # noqa: S608 - the names of our own columns


def list_app_jobs(*, organization_id: UUID, limit: int, by: Actor) -> Read[list[AppJob]]:
    """Returns the newest jobs of an organization's apps. One query for the owner.

    Raises: OrganizationNotFound, OrganizationRoleTooLow.
    """
    own = _OWN.read(organization_id, by.user_id, limit)
    if own.value is not None:
        return cast("Read[list[AppJob]]", own)
    organization = authorize_act(organization_id=organization_id, by=by, act=Act.READ_PROVISIONING)
    jobs = list(AppJob.objects.filter(organization=organization).order_by("-created_at", "-id")[:limit])
    for job in jobs:
        job.organization = organization
    return Read(jobs)


def _make_own(rows: tuple[Row, ...]) -> list[AppJob] | None:
    """Returns the jobs, or None if the caller does not own the organization."""
    if not rows:
        return None
    organization = Organization(id=rows[0][0], slug=rows[0][1])
    return [_make_job(organization, row[2:]) for row in rows if row[2] is not None]


def _make_job(organization: Organization, row: tuple[Any, ...]) -> AppJob:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in _JSON:
        values[name] = json.loads(values[name]) if values[name] is not None else None
    return AppJob(organization=organization, **values)


# Clients poll them.
_OWN = SharedRead(_OWN_STATEMENT, _make_own)
