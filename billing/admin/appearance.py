from django.http import HttpRequest
from django.templatetags.static import static


def stylesheet(request: HttpRequest) -> str:
    """The console's own stylesheet, beside its skin's."""
    return static("billing/console.css")
