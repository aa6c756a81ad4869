from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.functional import lazy

from billing.language import isolate


def console_address(name: str, key: object) -> Any:
    """Returns the full address of a record's page in the console, for a mail to staff, written in its language."""
    return lazy(isolate, str)(f"{settings.CONSOLE_URL}{reverse(name, args=[key])}")
