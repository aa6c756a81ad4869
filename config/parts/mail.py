"""Mail settings from one URL, in the form that django-environ reads. Error messages never repeat the URL."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

TERMINAL_BACKEND = "config.devtools.terminal_mail.EmailBackend"
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
    """Returns Django's mail settings for the URL. Without a URL, mail is discarded.

    Raises: ValueError if it is not a mail URL. The message does not repeat the URL, which holds a password.
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
