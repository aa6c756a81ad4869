"""The Sovereign's name and links, for the frame of every page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def branding(request: HttpRequest) -> dict[str, Any]:
    """Returns what the frame of every page shows of the Sovereign. No query."""
    contact = settings.SUPPORT_CONTACT
    return {
        "sovereign": settings.SOVEREIGN_NAME,
        "time_zone": settings.SOVEREIGN_TIME_ZONE,
        "support": f"mailto:{contact}" if "@" in contact and ":" not in contact else contact,
        "legal_links": settings.LEGAL_LINKS,
        "demo": settings.DEMO,
        "has_colors": bool(settings.BRAND_COLOR),
        "has_logo": bool(settings.BRAND_LOGO),
    }
