"""Who acts in the console. A role is a group, made by migration with its permissions."""

from django.http import HttpRequest

from billing.actor import Actor
from billing.models import User
from billing.use_cases.assign_role import role_of


def staff_of(request: HttpRequest) -> User:
    """The signed-in member of staff; the console's pages are shown to nobody else."""
    if not isinstance(request.user, User):
        raise TypeError("a console page was asked for without a user")
    return request.user


def actor_of(request: HttpRequest) -> Actor:
    """Who acts, as use cases name them; the address is the one that the proxy middleware established."""
    user = staff_of(request)
    return Actor(
        user_id=user.sub,
        email=user.email,
        role=role_of(user),
        address=request.META.get("REMOTE_ADDR") or None,
        channel="admin",
    )
