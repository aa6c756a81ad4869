"""The Sovereign's name, for the frame of every page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def branding(request: HttpRequest) -> dict[str, Any]:
    """Returns what the frame of every page shows of the Sovereign. No query."""
    return {"sovereign": settings.SOVEREIGN_NAME, "time_zone": settings.SOVEREIGN_TIME_ZONE}
