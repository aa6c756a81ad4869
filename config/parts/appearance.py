"""The console's appearance."""

from typing import Any

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy


def unfold_settings(*, sovereign: str, logo: str) -> dict[str, Any]:
    """Returns the setting UNFOLD."""
    return {
        "ACCOUNT": {"navigation": [{"title": gettext_lazy("Second factor"), "link": reverse_lazy("mfa_index")}]},
        "SITE_TITLE": sovereign,
        "SITE_HEADER": sovereign,
        "SITE_SUBHEADER": gettext_lazy("Vouchers, credit, orders"),
        "SITE_SYMBOL": "confirmation_number",
        **({"SITE_LOGO": "billing.admin.appearance.logo"} if logo else {}),
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "billing.admin.appearance.icon"}],
        "SITE_URL": "/",
        "SHOW_HISTORY": False,
        "SHOW_VIEW_ON_SITE": False,
        "STYLES": ["billing.admin.appearance.stylesheet"],
        "SCRIPTS": ["billing.admin.appearance.script"],
        "SIDEBAR": {"navigation": "orders.admin.navigation.menu"},
        "DASHBOARD_CALLBACK": "orders.admin.home.first_page",
    }
