from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from billing.errors import SlugReserved, SlugTaken, translate_violations
from billing.models import Organization
from billing.queries import slug_is_reserved
from billing.use_cases.ensure_customer import ensure_customer


def create_organization(
    *,
    user_id: str,
    email: str,
    slug: str,
    name: str,
    plan_id: UUID | None = None,
    apps: Sequence[str] = (),
    addons: Sequence[str] = (),
) -> Organization:
    """Creates a pending organization for the user. It reserves the slug; the first completed order activates it.

    Raises: SlugReserved, SlugTaken. Transaction: owns.
    """
    if slug_is_reserved(slug):
        raise SlugReserved
    with translate_violations({"billing_organization_slug_once": SlugTaken}), transaction.atomic():
        customer = ensure_customer(user_id=user_id, email=email)
        return Organization.objects.create(
            customer=customer, slug=slug, name=name, plan_id=plan_id, apps=list(apps), addons=list(addons)
        )
