from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing.errors import SlugReserved, SlugTaken, TooManyOrganizations, translate_violations
from billing.locks import lock_account
from billing.models import Customer, Organization
from billing.queries import slug_is_reserved
from billing.text import normal_vat_number
from billing.use_cases.ensure_customer import ensure_customer


def create_organization(
    *,
    user_id: str,
    email: str,
    slug: str,
    name: str,
    vat_number: str = "",
    plan_id: UUID | None = None,
    apps: Sequence[str] = (),
    addons: Sequence[str] = (),
) -> Organization:
    """Creates a pending organization for the user. It reserves the slug; the first completed order activates it.

    Args: vat_number: as `VAT_NUMBER_INPUT` accepts it; empty for none.
    Raises: SlugReserved, SlugTaken, TooManyOrganizations. Locks: Account. Transaction: owns.
    """
    if slug_is_reserved(slug):
        raise SlugReserved
    with translate_violations({"billing_organization_slug_once": SlugTaken}), transaction.atomic():
        customer = ensure_customer(user_id=user_id, email=email)
        # Races with another creation of the same customer: both would count the organizations before either is there.
        lock_account(customer_id=customer.pk)
        _check_quota(customer)
        return Organization.objects.create(
            customer=customer,
            slug=slug,
            name=name,
            vat_number=normal_vat_number(vat_number),
            plan_id=plan_id,
            apps=list(apps),
            addons=list(addons),
        )


def _check_quota(customer: Customer) -> None:
    counted = ~Q(status=Organization.Status.DELETED) | Q(created_at__gt=timezone.now() - timedelta(days=1))
    if Organization.objects.filter(counted, customer=customer).count() >= settings.MAX_ORGANIZATIONS:
        raise TooManyOrganizations
