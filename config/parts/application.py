"""The parts of the application: its apps, its middleware, its templates and the rules of its passwords."""

from pathlib import Path
from typing import Any

APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "config.console.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "config.stripe_mirror.apps.StripeMirrorConfig",
    "billing",
    "promos",
    "orders",
]

PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]


def middleware(*, with_cors: bool, with_traces: bool) -> list[str]:
    """Returns the middleware, the outermost first.

    Those of config.web handle a request before Django checks its host, and their order matters: ProxyMiddleware
    determines the client's address and scheme, which all others use; the next three add headers to all answers;
    HealthMiddleware answers probes, which write no log line.
    """
    return [
        "config.web.middleware.ProxyMiddleware",
        "config.web.middleware.SecurityHeadersMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "config.web.middleware.PagePolicyMiddleware",
        "config.web.middleware.HealthMiddleware",
        *(["config.telemetry.entrances.TraceMiddleware"] if with_traces else []),
        "config.web.middleware.RequestLogMiddleware",
        *(["corsheaders.middleware.CorsMiddleware"] if with_cors else []),
        "config.web.language.LanguageMiddleware",
        "config.web.middleware.ApiMiddleware",
        "config.web.middleware.ConsoleMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ]


def templates(folder: Path) -> list[dict[str, Any]]:
    """Returns the template engine, which reads this folder and those of the apps."""
    return [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [folder],
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                    "billing.web.branding.branding",
                ],
            },
        },
    ]
