"""The Sovereign's colours as a stylesheet, and its logo."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

# A new logo is seen within an hour.
_KEEP = "public, max-age=3600"
# The logo draws, and does nothing else, also where somebody opens it on its own.
_LOGO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@require_safe
def brand_stylesheet(request: HttpRequest) -> HttpResponse:
    """Answers the stylesheet that puts the Sovereign's colours in place of the default ones."""
    if not settings.BRAND_COLOR:
        raise Http404
    light, dark = settings.BRAND_COLOR, settings.BRAND_COLOR_DARK
    text = (
        f":root {{ --accent: {light}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n"
    )
    return HttpResponse(text, content_type="text/css; charset=utf-8", headers={"Cache-Control": _KEEP})


@require_safe
def brand_logo(request: HttpRequest) -> HttpResponse:
    """Answers the Sovereign's logo."""
    if not settings.BRAND_LOGO:
        raise Http404
    headers = {"Cache-Control": _KEEP, "Content-Security-Policy": _LOGO_POLICY}
    return HttpResponse(settings.BRAND_LOGO, content_type="image/svg+xml", headers=headers)
