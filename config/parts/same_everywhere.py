"""Settings that are the same in every deployment."""

from pathlib import Path
from typing import Any

from config.parts.application import APPS, PASSWORD_VALIDATORS
from config.parts.catalogs import LOCALE_FOLDER

# --- The application --------------------------------------------------------------------------------------
ROOT_URLCONF: str = "config.urls"
WSGI_APPLICATION: str = "config.wsgi.application"
AUTH_USER_MODEL: str = "billing.User"
LOGIN_URL: str = "admin:login"
LOGIN_REDIRECT_URL: str = "admin:index"
INSTALLED_APPS: list[str] = APPS
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = PASSWORD_VALIDATORS

# --- Pages of django-allauth: second factors, and asking a password again ----------------------------------
ACCOUNT_ADAPTER: str = "billing.web.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION: str = "none"
ACCOUNT_RATE_LIMITS: dict[str, str] = {"reauthenticate": "10/m/user"}
# A mailed code proves an address, which is not enough for a change of a second factor.
ACCOUNT_REAUTHENTICATION_METHODS: list[str] = ["password", "mfa"]
MFA_ADAPTER: str = "billing.web.adapters.MFAAdapter"
# A code of the app is valid for half a minute longer than it is shown, for clocks that differ.
MFA_TOTP_TOLERANCE: int = 1
MFA_SUPPORTED_TYPES: list[str] = ["totp", "recovery_codes"]
# The processes share what each needs to know of the others, such as which code of an app was used.
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "billing_cache"}
}

# --- Languages, times, static files -------------------------------------------------------------------------
LANGUAGE_CODE: str = "en"
LANGUAGES: list[tuple[str, str]] = [("en", "English"), ("ar", "العربية")]
LOCALE_PATHS: list[Path] = [LOCALE_FOLDER]
FORMAT_MODULE_PATH: str = "config.formats"
LANGUAGE_COOKIE_AGE: int = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_HTTPONLY: bool = True
LANGUAGE_COOKIE_SAMESITE: str = "Lax"
USE_I18N: bool = True
USE_TZ: bool = True
TIME_ZONE: str = "UTC"

# WhiteNoise serves the few assets from the packages that contain them, so no collectstatic step is needed.
STATIC_URL: str = "/static/"
WHITENOISE_USE_FINDERS: bool = True

# --- Jobs -------------------------------------------------------------------------------------------------
PROCRASTINATE_ON_APP_READY: str = "config.worker.install_restarting_worker"

# --- dj-stripe, which keeps copies of Stripe's objects ----------------------------------------------------
DJSTRIPE_FOREIGN_KEY_TO_FIELD: str = "id"
DJSTRIPE_SUBSCRIBER_MODEL: str = "billing.Customer"
# None: dj-stripe must not take a Stripe customer's owner from its metadata, which anyone with access to Stripe's
# dashboard can edit. This service records the owner itself.
DJSTRIPE_SUBSCRIBER_CUSTOMER_KEY: None = None
MIGRATION_MODULES: dict[str, str] = {"djstripe": "config.stripe_mirror.migrations"}
