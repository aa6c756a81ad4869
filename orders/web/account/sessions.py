"""Signing out of every browser and front end at once."""

from typing import cast

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from billing.models import User
from billing.use_cases.identity.end_sessions import sign_out_everywhere
from orders.web.visitor import signed_in_actor


@never_cache
@require_POST
def end_all_sessions(request: HttpRequest) -> HttpResponse:
    """Ends all sessions of the visitor, this one among them."""
    visitor = signed_in_actor(request)
    if visitor is not None:
        sign_out_everywhere(user=cast(User, request.user), by=visitor)
        logout(request)
        messages.success(request, _("You are signed out everywhere."))
    return HttpResponseRedirect(reverse("account_login"))
