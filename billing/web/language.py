"""The language switch of the pages."""

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.i18n import set_language


@never_cache
@require_POST
def choose_language(request: HttpRequest) -> HttpResponseBase:
    """Keeps the language in a cookie, and leads back to the page that the switch stands on."""
    return set_language(request)
