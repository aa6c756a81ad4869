"""Describes deployments for clients and other systems. Both are polled, so no serializer is built for them."""

from typing import Any

from billing.local_time import utc_text
from orders.models import AppJob, Provision
from orders.models.provisioning import Deployment


def describe_provision(provision: Provision) -> dict[str, Any]:
    """Returns the provision as JSON."""
    return {
        "id": str(provision.order_id),
        "order_id": str(provision.order_id),
        "plan_id": str(provision.plan_id),
        "apps": provision.apps,
        "subdomain": provision.subdomain,
        **_describe(provision),
    }


def describe_app_job(job: AppJob) -> dict[str, Any]:
    """Returns the job as JSON. It is read with its organization."""
    services = {"purged_services": job.purged_services, "retained_services": job.retained_services}
    return {
        "id": str(job.id),
        "tenant_slug": job.organization.slug,
        "kind": job.kind,
        "app_slug": job.app_slug,
        "app_id": str(job.app_id),
        "app_name": job.app_name,
        **({} if job.purged_services is None else services),
        **_describe(job),
    }


def _describe(deployment: Deployment) -> dict[str, Any]:
    return {
        "tenant_id": str(deployment.organization_id),
        "status": deployment.status,
        "steps": deployment.steps,
        "progress": deployment.progress,
        "created_at": utc_text(deployment.created_at),
        "updated_at": utc_text(deployment.updated_at),
    }
