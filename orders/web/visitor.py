"""The customer who visits a page."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from billing.actor import Actor
from billing.api.access.client_address import client_address
from billing.models import User
from billing.text import normal_email
from billing.use_cases.assign_role import role_of
from billing.use_cases.identity.users import may_use_address


def signed_in_actor(request: HttpRequest) -> Actor | None:
    """Returns the signed-in visitor as an actor, or None. A visitor without a session costs no query."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not isinstance(request.user, User):
        return None
    user, role = request.user, role_of(request.user)
    return Actor(
        user_id=user.sub,
        email=normal_email(user.email) if may_use_address(user, role=role) else "",
        role=role,
        channel="page",
        address=client_address(request),
    )


def sign_in_first(page: str, *args: object) -> HttpResponseRedirect:
    """Leads to the sign-in, which leads back to the page."""
    back = reverse(page, args=args)
    return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': back})}")
