"""The language switch of the pages."""

from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from billing.language import answer_in
from billing.models import User
from billing.use_cases.identity.remember_language import remember_language


@never_cache
@require_POST
def choose_language(request: HttpRequest) -> HttpResponseBase:
    """Keeps the language in a cookie and for mails, and leads back to the page that the switch stands on."""
    chosen = request.POST.get("language", "")
    is_known = settings.SESSION_COOKIE_NAME in request.COOKIES and isinstance(request.user, User)
    if is_known and chosen in dict(settings.LANGUAGES):
        with answer_in(chosen):
            remember_language(user_id=cast(User, request.user).sub)
    return set_language(request)
