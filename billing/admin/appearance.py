from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


def icon(request: HttpRequest) -> str:
    """Returns the address of the icon in the browser's tab."""
    return static("billing/icon.svg")


def stylesheet(request: HttpRequest) -> str:
    """Returns the address of the console's stylesheet, which is loaded after the theme's."""
    return static("billing/console.css")


def script(request: HttpRequest) -> str:
    """Returns the address of the console's script."""
    return static("billing/console.js")


def logo(request: HttpRequest) -> str:
    """Returns the address of the Sovereign's logo."""
    return reverse("brand-logo")
