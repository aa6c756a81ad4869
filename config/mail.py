"""How mail leaves the service: one URL, read as django-environ reads it, and never repeated in a message."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

DUMMY_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
_DEFAULTS: dict[str, Any] = {
    "EMAIL_BACKEND": DUMMY_BACKEND,
    "EMAIL_HOST": "",
    "EMAIL_PORT": 25,
    "EMAIL_HOST_USER": "",
    "EMAIL_HOST_PASSWORD": "",
    "EMAIL_USE_TLS": False,
    "EMAIL_USE_SSL": False,
}


def mail_settings(url: str) -> dict[str, Any]:
    """Django's mail settings for the URL; with none, mail goes to nobody.

    Raises: ValueError where it is no mail URL; the message does not repeat it, since it holds a password.
    """
    if not url:
        return _DEFAULTS
    try:
        read: dict[str, Any] = environ.Env.email_url_config(url)  # type: ignore[no-untyped-call]
    except (ImproperlyConfigured, ValueError):
        raise ValueError("EMAIL_URL must be an smtp://, smtp+tls:// or smtp+ssl:// URL") from None
    if read["EMAIL_BACKEND"].endswith("smtp.EmailBackend") and not read["EMAIL_HOST"]:
        raise ValueError("EMAIL_URL names no host")
    return {name: read.get(name) or default for name, default in _DEFAULTS.items()}
