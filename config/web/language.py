"""The language of an answer: English or Arabic."""

from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import get_supported_language_variant, parse_accept_lang_header

from billing.language import answer_in
from config.web.middleware import is_api_path

# Browsers send few different headers.
MAX_HEADERS_KEPT, MAX_HEADER_LENGTH = 1000, 500
GetResponse = Callable[[HttpRequest], HttpResponseBase]


class LanguageMiddleware:
    """Activates the language that the cookie of the language switch names, or else `Accept-Language`.

    The API reads only the header, so that a front end controls the language of what it displays. The default is
    English.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if is_api_path(path):
            return self._answer_api(request)
        language = translation.get_language_from_request(request)
        with answer_in(language):
            response = self.get_response(request)
        if not path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Content-Language", language)
            patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response

    def _answer_api(self, request: HttpRequest) -> HttpResponseBase:
        header = request.META.get("HTTP_ACCEPT_LANGUAGE", "")[:MAX_HEADER_LENGTH]
        if not header:
            return self.get_response(request)
        with answer_in(_best_language(header)):
            return self.get_response(request)


@lru_cache(maxsize=MAX_HEADERS_KEPT)
def _best_language(header: str) -> str:
    """Returns the language that the header prefers, of those that the service speaks."""
    for wanted, _priority in parse_accept_lang_header(header.lower()):
        if wanted == "*":
            break
        try:
            return get_supported_language_variant(wanted)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
