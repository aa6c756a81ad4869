"""The actor of a console request. A role is a group; a migration creates the groups with their permissions."""

from django.http import HttpRequest

from billing.actor import Actor
from billing.models import User
from billing.use_cases.assign_role import role_of


def staff_of(request: HttpRequest) -> User:
    """Returns the signed-in member of staff. The console shows its pages to nobody else."""
    if not isinstance(request.user, User):
        raise TypeError("a console page was requested without a signed-in user")
    return request.user


def actor_of(request: HttpRequest) -> Actor:
    """Returns the actor that use cases record. The proxy middleware has determined the address."""
    user = staff_of(request)
    return Actor(
        user_id=user.sub,
        email=user.email,
        role=role_of(user),
        address=request.META.get("REMOTE_ADDR") or None,
        channel="admin",
    )
