"""The page that lists where the customer is signed in, and signing out there."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing.errors import DomainError
from billing.models import SignInSession, User
from billing.text import as_sentence
from billing.use_cases.identity.end_sessions import sign_out_everywhere
from billing.use_cases.personal.open_sessions import OpenSession, end_one_session, list_sessions
from orders.web.visitor import sign_in_first, signed_in_actor


@never_cache
@require_safe
def sessions_page(request: HttpRequest) -> HttpResponse:
    """Lists the open sessions of the visitor."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-sessions")
    found = list_sessions(user=cast(User, request.user), current_key=request.session.session_key or "")
    context = {"visitor": visitor, "sessions": [_describe(each) for each in found]}
    return render(request, "account_pages/sessions.html", context)


@never_cache
@require_POST
def end_session(request: HttpRequest) -> HttpResponse:
    """Ends one session of the visitor."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-sessions")
    try:
        end_one_session(user=cast(User, request.user), session_id=request.POST.get("session", ""), by=visitor)
        messages.success(request, _("The session has ended."))
    except DomainError as error:
        messages.warning(request, as_sentence(error.text))
    return HttpResponseRedirect(reverse("account-sessions"))


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


def _describe(session: OpenSession) -> dict[str, Any]:
    methods = {
        SignInSession.Method.CODE: pgettext("session", "a mailed code"),
        SignInSession.Method.PASSWORD: pgettext("session", "a password"),
        SignInSession.Method.PROVIDER: pgettext("session", "the identity provider"),
    }
    front_end = _("An app or another site, signed in with %(method)s")
    method = methods.get(SignInSession.Method(session.method), "") if session.method else ""
    return {
        "id": session.id,
        "name": front_end % {"method": method} if method else session.program or _("An unknown browser"),
        "address": session.address,
        "started_at": session.started_at,
        "used_at": session.used_at if method else None,
        "is_current": session.is_current,
    }
