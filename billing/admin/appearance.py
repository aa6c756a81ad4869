from django.http import HttpRequest
from django.templatetags.static import static


def icon(request: HttpRequest) -> str:
    """What stands in a browser's tab."""
    return static("billing/icon.svg")


def stylesheet(request: HttpRequest) -> str:
    """The console's own stylesheet, beside its skin's."""
    return static("billing/console.css")
