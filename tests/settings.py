"""The settings of tests: those of development, with known keys and a fast password hasher."""

import os

os.environ |= {
    "DEBUG": "1",
    "DEMO": "0",
    "SECRET_KEY": "only-tests-sign-sessions-with-this-0123456789-abcdefghijklmnop",
    "JWT_SECRET": "only-tests-sign-tokens-with-this-0123456789",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "CARD_CODE_SECRET": "only-tests-hash-cards-with-this-0123456789",
    "LEDGER_SIGNING_SECRET": "only-tests-sign-heads-with-this-0123456789",
    "LOG_LEVEL": "WARNING",
    # Concurrency tests run up to 64 threads, each with a connection of its own.
    "DATABASE_POOL_SIZE": "80",
    # Nothing listens there, so no test depends on the machine's name servers.
    "DNS_RESOLVERS": "127.0.0.1:9",
    "DNS_TIMEOUT_SECONDS": "1",
    "DOMAIN_RATE_LIMIT": "100000/min",
}
for _name in (
    "ALERT_REDEMPTIONS",
    "ALERT_REFUSED_CODES",
    "API_GROUPS_OFF",
    "API_PREFIX",
    "AUTH_ENABLED",
    "ATTEMPTS_KEPT_DAYS",
    "AUTH_REDIRECT_ORIGINS",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_ISSUER",
    "BRAND_COLOR",
    "BRAND_COLOR_DARK",
    "BRAND_LOGO",
    "CHECKOUT_CANCEL_URL",
    "CHECKOUT_SUCCESS_URL",
    "CORS_ALLOWED_ORIGINS",
    "CORS_ALLOW_CREDENTIALS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_POOLER",
    "DATABASE_STATEMENT_TIMEOUT",
    "DEMO_PASSWORD",
    "CREDIT_REMINDER_DAYS",
    "CONSOLE_URL",
    "EMAIL_FROM",
    "EMAIL_URL",
    "JOBS_KEPT_DAYS",
    "JWT_AUDIENCE",
    "LEGAL_LINKS",
    "JWT_ISSUER",
    "JWT_JWKS_URL",
    "CARD_CODE_SECRET_FALLBACKS",
    "LEDGER_SIGNING_SECRET_FALLBACKS",
    "PREVIEW_RATE_LIMIT",
    "PRICES_INCLUDE_VAT",
    "PROVISIONER",
    "PRORATION",
    "RENEWAL_GRACE_DAYS",
    "REPLICA_MAX_LAG_SECONDS",
    "REPLICA_URL",
    "RENEWAL_REMINDER_DAYS",
    "UNSUBSCRIBE_URL",
    "RESERVED_SLUGS",
    "SECURE_HSTS_SECONDS",
    "SECRET_KEY_FALLBACKS",
    "SECURE_SSL_REDIRECT",
    "TMF654_ENABLED",
    "SOVEREIGN_CURRENCY",
    "SOVEREIGN_DOMAIN",
    "SOVEREIGN_NAME",
    "SOVEREIGN_TIME_ZONE",
    "STRIPE_API_BASE",
    "STRIPE_MINIMUM_CHARGE_MINOR",
    "STRIPE_PUBLIC_KEY",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "SENTRY_DSN",
    "TRACES_PERCENT",
    "TRACES_URL",
    "SUPPORT_CONTACT",
    "TRUSTED_PROXIES",
):
    os.environ.pop(_name, None)

from config.settings import *  # noqa: E402, F403 - after the environment is set

DEBUG = False
PLAYED_STEP_SECONDS = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
