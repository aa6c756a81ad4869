"""Every setting of the service: typed, from the environment alone, without a default for any secret.

The service runs in production mode unless DEBUG=1 or DEMO=1 is set (only `make demo` sets the latter). In
production it refuses to start while a required setting is missing or malformed; the message names all of them.
"""

import os
import re
import secrets
from email.utils import formataddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing.currencies import CURRENCIES
from config.development import embedded_connection, uses_embedded_postgres
from config.parts.api_groups import GROUPS
from config.parts.appearance import unfold_settings
from config.parts.application import middleware, templates
from config.parts.approvals import approval_limits
from config.parts.branding import read_colors, read_logo
from config.parts.catalogs import compile_catalogs
from config.parts.database import (
    connection_from_url,
    database,
    default_pool_size,
    default_web_processes,
    replica_database,
)
from config.parts.environment import LOCAL_HOSTS, Environment, Network
from config.parts.logs import configure_structlog, logging_config
from config.parts.mail import TERMINAL_BACKEND, mail_settings
from config.parts.reserved_slugs import DEFAULT_RESERVED_SLUGS
from config.parts.rest import api_docs_settings, rest_framework_settings
from config.parts.same_everywhere import *  # noqa: F403 -- settings that no variable changes
from config.parts.version import read_version

BASE_DIR: Path = Path(__file__).resolve().parent.parent
VERSION: str = read_version(BASE_DIR)

_environment = Environment(os.environ)

# --- The mode ---------------------------------------------------------------------------------------------
DEBUG: bool = _environment.flag("DEBUG")
DEMO: bool = _environment.flag("DEMO")
PRODUCTION: bool = _environment.is_production()

# --- The deployment ---------------------------------------------------------------------------------------
SOVEREIGN_NAME: str = _environment.text("SOVEREIGN_NAME", "Sovereign")
SOVEREIGN_CURRENCY: str = _environment.text("SOVEREIGN_CURRENCY", "OMR", pattern="[A-Z]{3}")
_environment.refuse(
    re.fullmatch("[A-Z]{3}", SOVEREIGN_CURRENCY) and SOVEREIGN_CURRENCY not in CURRENCIES,
    "SOVEREIGN_CURRENCY must be a currency in which Stripe charges",
)
# People see times in this zone, and their days begin at its midnight. The API's times are in UTC.
SOVEREIGN_TIME_ZONE: str = _environment.text("SOVEREIGN_TIME_ZONE", "UTC")
try:
    ZoneInfo(SOVEREIGN_TIME_ZONE)
except (ValueError, OSError, ZoneInfoNotFoundError):
    _environment.refuse(True, "SOVEREIGN_TIME_ZONE must be a zone such as Asia/Muscat")
SOVEREIGN_DOMAIN: str = _environment.text("SOVEREIGN_DOMAIN", "sovereign.example", pattern="[A-Za-z0-9.-]+")

# The footer of the customers' pages: an e-mail address or a page for questions, and pages such as the terms.
SUPPORT_CONTACT: str = _environment.text("SUPPORT_CONTACT", pattern=r"https?://\S+|[^\s@:/]+@[^\s@:/]+")
LEGAL_LINKS: list[tuple[str, str]] = _environment.links("LEGAL_LINKS")

# The seller on invoices, as the law wants it: its registered name and address, and its VAT number if it has one.
SELLER_NAME: str = _environment.text("SELLER_NAME", SOVEREIGN_NAME)
SELLER_ADDRESS: str = _environment.text("SELLER_ADDRESS")
SELLER_VAT_NUMBER: str = _environment.text("SELLER_VAT_NUMBER")

# The colour of links and buttons, in a light and in a dark page; the second is made of the first where it is absent.
BRAND_COLOR, BRAND_COLOR_DARK = read_colors(_environment)
# An SVG image in place of the name; usually BRAND_LOGO_FILE names its file.
BRAND_LOGO: str = read_logo(_environment)

# --- Secrets and identity ---------------------------------------------------------------------------------
SECRET_KEY: str = _environment.secret("SECRET_KEY")
# Earlier values of SECRET_KEY: sessions that they signed and keys that they encrypted stay valid.
SECRET_KEY_FALLBACKS: list[str] = _environment.secrets("SECRET_KEY_FALLBACKS")
JWT_SECRET: str = _environment.secret("JWT_SECRET")
# Earlier and coming values of JWT_SECRET: tokens that they signed are valid too.
JWT_SECRET_FALLBACKS: list[str] = _environment.secrets("JWT_SECRET_FALLBACKS")
_environment.refuse(JWT_SECRET_FALLBACKS and not JWT_SECRET, "JWT_SECRET_FALLBACKS needs JWT_SECRET")
# The key that signs the ledger's heads is derived from the first; earlier values verify the heads that they signed.
LEDGER_SIGNING_SECRET: str = _environment.secret("LEDGER_SIGNING_SECRET")
LEDGER_SIGNING_SECRET_FALLBACKS: list[str] = _environment.secrets("LEDGER_SIGNING_SECRET_FALLBACKS")
# Hashes the codes of secret batches; earlier values find the cards that they hashed.
CARD_CODE_SECRET: str = _environment.secret("CARD_CODE_SECRET")
CARD_CODE_SECRET_FALLBACKS: list[str] = _environment.secrets("CARD_CODE_SECRET_FALLBACKS")
JWT_JWKS_URL: str = _environment.text("JWT_JWKS_URL")
JWT_ISSUER: str = _environment.text("JWT_ISSUER")
JWT_AUDIENCE: str = _environment.text("JWT_AUDIENCE")
# The groups of the API that do not exist here. AUTH_ENABLED=0 adds `auth`: the platform signs its own tokens.
API_GROUPS_OFF: frozenset[str] = frozenset(
    [*_environment.items("API_GROUPS_OFF"), *([] if _environment.flag("AUTH_ENABLED", default=True) else ["auth"])]
)
_environment.refuse(API_GROUPS_OFF.difference(GROUPS), f"API_GROUPS_OFF must be some of {', '.join(GROUPS)}")
AUTH_ENABLED: bool = "auth" not in API_GROUPS_OFF
# Whether an operator's systems can top up customers by TM Forum's API for prepaid balances.
TMF654_ENABLED: bool = _environment.flag("TMF654_ENABLED")
# An OpenID Connect provider that signs people in here; its redirects may lead to these origins.
OIDC_ISSUER: str = _environment.text("OIDC_ISSUER", pattern=r"https?://[^\s?#]+")
OIDC_CLIENT_ID: str = _environment.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET: str = _environment.text("OIDC_CLIENT_SECRET")
AUTH_REDIRECT_ORIGINS: list[str] = _environment.origins("AUTH_REDIRECT_ORIGINS")
_environment.refuse_plain("OIDC_ISSUER", OIDC_ISSUER)
_environment.refuse(OIDC_ISSUER and not OIDC_CLIENT_ID, "OIDC_CLIENT_ID is missing, which OIDC_ISSUER needs")
_jwks_scheme = urlsplit(JWT_JWKS_URL).scheme
_environment.refuse(JWT_JWKS_URL and _jwks_scheme not in ("http", "https"), "JWT_JWKS_URL must be an http(s) URL")
if _jwks_scheme == "http":
    _environment.refuse_plain("JWT_JWKS_URL", JWT_JWKS_URL)

# --- Hosts, proxies, transport ----------------------------------------------------------------------------
ALLOWED_HOSTS: list[str] = _environment.items("ALLOWED_HOSTS")
_environment.refuse(PRODUCTION and "*" in ALLOWED_HOSTS, "ALLOWED_HOSTS must name the hosts: * accepts every host")
_environment.refuse(
    any(not re.fullmatch(r"\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", host) for host in ALLOWED_HOSTS),
    "ALLOWED_HOSTS must be hosts such as shop.example.om, or .example.om",
)
TRUSTED_PROXIES: tuple[Network, ...] = _environment.networks("TRUSTED_PROXIES")
_environment.refuse(
    PRODUCTION and any(network.prefixlen == 0 for network in TRUSTED_PROXIES),
    "TRUSTED_PROXIES must name the gateway's networks: /0 trusts every client",
)
# Behind a gateway that is no trusted proxy, a request from a page of https://host arrives as http. That page's
# origin must still pass the CSRF check.
CSRF_TRUSTED_ORIGINS: list[str] = _environment.items("CSRF_TRUSTED_ORIGINS") or [
    f"https://*{host}" if host.startswith(".") else f"https://{host}" for host in ALLOWED_HOSTS if host != "*"
]
_environment.refuse(
    PRODUCTION
    and _environment.given("CSRF_TRUSTED_ORIGINS")
    and any(not re.fullmatch(r"https://(\*\.)?[^*/\s]+", origin) for origin in CSRF_TRUSTED_ORIGINS),
    "CSRF_TRUSTED_ORIGINS must be https:// origins in production",
)
SECURE_SSL_REDIRECT: bool = _environment.flag("SECURE_SSL_REDIRECT")
SECURE_HSTS_SECONDS: int = _environment.number("SECURE_HSTS_SECONDS", 31_536_000 if PRODUCTION else 0)
SESSION_COOKIE_SECURE: bool = PRODUCTION
CSRF_COOKIE_SECURE: bool = PRODUCTION
SESSION_COOKIE_AGE: int = 12 * 60 * 60
X_FRAME_OPTIONS: str = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF: bool = True
SECURE_REFERRER_POLICY: str = "same-origin"

# --- Database ---------------------------------------------------------------------------------------------
DATABASE_URL: str = _environment.text("DATABASE_URL")
# A streaming replica: the audit trail, the ledger, reports and exports are read there unless it is too far behind.
REPLICA_URL: str = _environment.text("REPLICA_URL")
REPLICA_MAX_LAG_SECONDS: int = _environment.number("REPLICA_MAX_LAG_SECONDS", 30)
_connection: dict[str, Any] = {}
_replica: dict[str, Any] = {}
try:
    _connection = connection_from_url(DATABASE_URL) if DATABASE_URL else {}
    _replica = connection_from_url(REPLICA_URL, name="REPLICA_URL") if REPLICA_URL else {}
except ValueError as _error:
    _environment.refuse(True, str(_error))
if not DATABASE_URL and uses_embedded_postgres(_environment):
    _connection = embedded_connection()
WEB_PROCESSES: int = _environment.number("WEB_CONCURRENCY", default_web_processes(), minimum=1)
DATABASES: dict[str, dict[str, Any]] = {
    "default": database(
        _connection,
        pool_size=_environment.number("DATABASE_POOL_SIZE", default_pool_size(WEB_PROCESSES), minimum=1),
        statement_timeout_seconds=_environment.number("DATABASE_STATEMENT_TIMEOUT", 30),
        behind_pooler=_environment.flag("DATABASE_POOLER"),
    )
}
if _replica:
    DATABASES["replica"] = replica_database(
        _replica, statement_timeout_seconds=_environment.number("DATABASE_STATEMENT_TIMEOUT", 30)
    )
DEFAULT_AUTO_FIELD: str = "django.db.models.BigAutoField"

# --- The API ----------------------------------------------------------------------------------------------
# No leading slash, a trailing slash, or empty: a gateway may strip /api before it forwards a request.
_prefix = os.environ.get("API_PREFIX", "api/").strip().strip("/")
API_PREFIX: str = f"{_prefix}/" if _prefix else ""
_environment.refuse(
    not re.fullmatch(r"([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?", _prefix),
    "API_PREFIX must be a path such as api/, or empty",
)
# The first parts of the addresses of the service's own pages. If the API's prefix is empty, it stands beside them.
PAGE_PATHS: tuple[str, ...] = ("account", "accounts", "admin", "checkout", "mails", "redeem", "shop", "static")
_environment.refuse(
    _prefix in (*PAGE_PATHS, "healthz", "readyz", "metrics"), "API_PREFIX is a path of the service's own"
)
# Names that an organization's address must not have, because people would take it for the Sovereign's own.
RESERVED_SLUGS: frozenset[str] = frozenset(_environment.items("RESERVED_SLUGS")) or DEFAULT_RESERVED_SLUGS
# How many requests one client address may send to the public voucher preview and to quotes, together.
PREVIEW_RATE_LIMIT: str = _environment.text("PREVIEW_RATE_LIMIT", "60/min", pattern=r"[1-9][0-9]{0,5}/(s|min|h|d)")

# How many refused codes a customer may send with checkouts and top-ups. All customers of one address together may
# send ten times as many.
REFUSED_CODE_RATE_LIMIT: str = _environment.text(
    "REFUSED_CODE_RATE_LIMIT", "20/min", pattern=r"[1-9][0-9]{0,5}/(s|min|h|d)"
)
# Above so many refused codes of one address or one customer, and redemptions of one customer, staff are alerted.
ALERT_REFUSED_CODES: str = _environment.text("ALERT_REFUSED_CODES", "100/h", pattern=r"[1-9][0-9]{0,5}/(s|min|h|d)")
ALERT_REDEMPTIONS: str = _environment.text("ALERT_REDEMPTIONS", "20/min", pattern=r"[1-9][0-9]{0,5}/(s|min|h|d)")
# How many lookups of domains one client address may cause.
DOMAIN_RATE_LIMIT: str = _environment.text("DOMAIN_RATE_LIMIT", "30/min", pattern=r"[1-9][0-9]{0,5}/(s|min|h|d)")
# The name servers that look up customers' domains. Without any, the system's are asked.
DNS_RESOLVERS: list[tuple[str, int]] = _environment.name_servers("DNS_RESOLVERS")
# How long the lookups of one request may take together.
DNS_TIMEOUT_SECONDS: int = _environment.number("DNS_TIMEOUT_SECONDS", 5, minimum=1)

# Pages of these origins may call the API from a browser; without any, browsers refuse all pages of other origins.
CORS_ALLOWED_ORIGINS: list[str] = _environment.origins("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_CREDENTIALS: bool = _environment.flag("CORS_ALLOW_CREDENTIALS")
CORS_URLS_REGEX: str = rf"^/{API_PREFIX}" if API_PREFIX else rf"^/(?!({'|'.join(PAGE_PATHS)})(/|$)|$)"
CORS_ALLOW_HEADERS: list[str] = (
    "accept authorization content-type idempotency-key if-none-match x-csrftoken x-request-id".split()
)
CORS_EXPOSE_HEADERS: list[str] = ["ETag", "Link", "Retry-After", "X-Request-Id"]
CORS_ALLOW_METHODS: list[str] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]

# --- Quotas -----------------------------------------------------------------------------------------------
# How many organizations a customer may own. One that was deleted counts for a day.
MAX_ORGANIZATIONS: int = _environment.number("MAX_ORGANIZATIONS", 100, minimum=1)
# How many members and invitations an organization may have, beside its owner.
MAX_MEMBERS: int = _environment.number("MAX_MEMBERS", 100, minimum=1)
# How many people may be invited in a day to all organizations of one owner.
INVITATIONS_PER_DAY: int = _environment.number("INVITATIONS_PER_DAY", 100, minimum=1)
# How many orders a customer may place in a day that cost nothing, and how many whose payment does not arrive.
FREE_ORDERS_PER_DAY: int = _environment.number("FREE_ORDERS_PER_DAY", 100, minimum=1)
UNPAID_ORDERS_PER_DAY: int = _environment.number("UNPAID_ORDERS_PER_DAY", 100, minimum=1)

# --- Approvals --------------------------------------------------------------------------------------------
# Above these limits an act of staff is only proposed: it takes effect once another member of staff approves it.
APPROVAL_LIMITS: dict[str, dict[str, int]] = {}
try:
    APPROVAL_LIMITS = approval_limits(_environment.items("APPROVAL_LIMITS"))
except ValueError as _error:
    _environment.refuse(True, str(_error))
# How many days a proposal waits for a decision.
PROPOSAL_DAYS: int = _environment.number("PROPOSAL_DAYS", 14, minimum=1)

# --- Card payments ----------------------------------------------------------------------------------------
STRIPE_API_BASE: str = _environment.text(
    "STRIPE_API_BASE", "https://api.stripe.com", pattern=r"https?://[^\s?#@]+"
).rstrip("/")
_environment.refuse_plain("STRIPE_API_BASE", STRIPE_API_BASE)
# Half of a web process's threads (see `config.gunicorn`).
STRIPE_CALLS_AT_ONCE: int = max(1, _environment.number("WEB_THREADS", 16, minimum=1) // 2)
# Initial values; `billing/admin/settings` replaces them at run time. They are not named STRIPE_..._KEY, because
# dj-stripe reads settings of that name and would use them after a replacement. The patterns refuse a key in
# another key's place: a secret key in the public key's place would be published.
INITIAL_STRIPE_SECRET_KEY: str = _environment.text("STRIPE_SECRET_KEY", pattern=r"(?!pk_|whsec_)[!-~]{1,255}")
INITIAL_STRIPE_WEBHOOK_SECRET: str = _environment.text("STRIPE_WEBHOOK_SECRET", pattern=r"(?![psr]k_)[!-~]{1,255}")
INITIAL_STRIPE_PUBLIC_KEY: str = _environment.text("STRIPE_PUBLIC_KEY", pattern=r"(?![sr]k_|whsec_)[!-~]{1,255}")
# The smallest amount that Stripe charges, in minor units. The account's country can make it another one.
STRIPE_MINIMUM_CHARGE_MINOR: int = _environment.number(
    "STRIPE_MINIMUM_CHARGE_MINOR",
    CURRENCIES[SOVEREIGN_CURRENCY].minimum_charge_minor if SOVEREIGN_CURRENCY in CURRENCIES else 0,
)
# Where Stripe sends the customer after the payment; Stripe replaces {CHECKOUT_SESSION_ID}.
CHECKOUT_SUCCESS_URL: str = _environment.text(
    "CHECKOUT_SUCCESS_URL", f"https://{SOVEREIGN_DOMAIN}/checkout/success", pattern=r"https?://\S+"
)
CHECKOUT_CANCEL_URL: str = _environment.text(
    "CHECKOUT_CANCEL_URL", f"https://{SOVEREIGN_DOMAIN}/checkout/cancel", pattern=r"https?://\S+"
)
# The page that the QR code of a printed card opens; {code} is the card's code.
CARD_REDEEM_URL: str = _environment.text(
    "CARD_REDEEM_URL", f"https://{SOVEREIGN_DOMAIN}/redeem?code={{code}}", pattern=r"https?://\S+\{code\}\S*"
)

# Where mails to staff find the console: what stands before /admin/.
CONSOLE_URL: str = _environment.text("CONSOLE_URL", f"https://{SOVEREIGN_DOMAIN}", pattern=r"https?://[^\s/]+")

# The page that declines a kind of mail; {token} says whose and which.
UNSUBSCRIBE_URL: str = _environment.text(
    "UNSUBSCRIBE_URL", f"https://{SOVEREIGN_DOMAIN}/mails?token={{token}}", pattern=r"https?://\S+\{token\}\S*"
)

# --- Renewals, jobs and mail ------------------------------------------------------------------------------
# Whether the catalog's prices include VAT, or the VAT of the day is added to them.
PRICES_INCLUDE_VAT: bool = _environment.flag("PRICES_INCLUDE_VAT", default=True)
# Whether a change of plan credits the unused part of the paid month to the balance.
PRORATION: bool = _environment.flag("PRORATION", default=True)
# How long a subscription that credit no longer covers stays past due before it ends.
RENEWAL_GRACE_DAYS: int = _environment.number("RENEWAL_GRACE_DAYS", 7)
# How many days before credit expires its customer gets a mail; 0 for none.
CREDIT_REMINDER_DAYS: int = _environment.number("CREDIT_REMINDER_DAYS", 7)
# How many days before a renewal its customer gets a mail; 0 for none.
RENEWAL_REMINDER_DAYS: int = _environment.number("RENEWAL_REMINDER_DAYS", 3)
# How long finished jobs stay in the console. Failed jobs are never removed.
JOBS_KEPT_DAYS: int = _environment.number("JOBS_KEPT_DAYS", 14, minimum=1)
# How long refused attempts to use a code stay, with the customer's id and address.
ATTEMPTS_KEPT_DAYS: int = _environment.number("ATTEMPTS_KEPT_DAYS", 90, minimum=1)
# smtp+tls://user:password@host:587, smtp+ssl:// or smtp://. Without it the terminal prints every mail; production
# sends none and logs that it did not.
EMAIL_URL: str = _environment.text("EMAIL_URL")
_mail: dict[str, Any] = mail_settings("") | ({} if PRODUCTION else {"EMAIL_BACKEND": TERMINAL_BACKEND})
if EMAIL_URL:
    try:
        _mail = mail_settings(EMAIL_URL)
    except ValueError as _error:
        _environment.refuse(True, str(_error))
_environment.refuse(
    PRODUCTION
    and _mail["EMAIL_HOST_PASSWORD"]
    and not (_mail["EMAIL_USE_TLS"] or _mail["EMAIL_USE_SSL"] or _mail["EMAIL_HOST"] in LOCAL_HOSTS),
    "EMAIL_URL must be smtp+tls:// or smtp+ssl:// in production where it has a password",
)
EMAIL_BACKEND: str = _mail["EMAIL_BACKEND"]
EMAIL_HOST: str = _mail["EMAIL_HOST"]
EMAIL_PORT: int = _mail["EMAIL_PORT"]
EMAIL_HOST_USER: str = _mail["EMAIL_HOST_USER"]
EMAIL_HOST_PASSWORD: str = _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS: bool = _mail["EMAIL_USE_TLS"]
EMAIL_USE_SSL: bool = _mail["EMAIL_USE_SSL"]
EMAIL_TIMEOUT: int = 10
DEFAULT_FROM_EMAIL: str = _environment.text(
    "EMAIL_FROM", formataddr((SOVEREIGN_NAME, f"no-reply@{SOVEREIGN_DOMAIN}"))
)

# --- Provisioning -----------------------------------------------------------------------------------------
# external: a provisioner reports the steps of deployments. none: the worker completes them itself.
PROVISIONER: str = _environment.text("PROVISIONER", "none", pattern="none|external")
# How long each step takes that the worker completes itself.
PLAYED_STEP_SECONDS: float = 0.5

# --- Events -----------------------------------------------------------------------------------------------
# The broker that gets the events of the outbox. Without it they stay in the database.
EVENTS_URL: str = _environment.text("EVENTS_URL", pattern=r"(nats|tls)://\S+")
# Subscribers' endpoints may have private addresses, and http, only in these networks.
WEBHOOK_PRIVATE_NETWORKS: tuple[Network, ...] = _environment.networks("WEBHOOK_PRIVATE_NETWORKS")
# An endpoint that accepts nothing for so many hours is paused.
WEBHOOK_PAUSE_HOURS: int = _environment.number("WEBHOOK_PAUSE_HOURS", 24, minimum=1)
# How long deliveries that were accepted stay in the log.
WEBHOOK_LOG_DAYS: int = _environment.number("WEBHOOK_LOG_DAYS", 30, minimum=1)

# --- Monitoring -------------------------------------------------------------------------------------------
# Prometheus identifies itself by this token. Without it there are no metrics.
METRICS_TOKEN: str = _environment.secret("METRICS_TOKEN")
# The worker's own port for /metrics; 0 for none.
METRICS_PORT: int = _environment.number("METRICS_PORT", 0)

# Traces are sent there (OTLP over HTTP), for example http://collector:4318/v1/traces; without it there are none.
TRACES_URL: str = _environment.text("TRACES_URL", pattern=r"https?://[^\s?#@]+")
# How many of a hundred requests and jobs are traced.
TRACES_PERCENT: int = _environment.number("TRACES_PERCENT", 100)
# Where errors are reported, by Sentry's protocol; without it they are only logged.
SENTRY_DSN: str = _environment.text("SENTRY_DSN", pattern=r"https?://[^\s@/]+@[^\s@]+/[0-9]+")
_environment.refuse_plain("SENTRY_DSN", SENTRY_DSN)

# --- What production requires -----------------------------------------------------------------------------
if PRODUCTION:
    _environment.require(SECRET_KEY, "SECRET_KEY")
    _environment.require(DATABASE_URL, "DATABASE_URL")
    _environment.require(ALLOWED_HOSTS, "ALLOWED_HOSTS")
    _environment.require(JWT_SECRET or JWT_JWKS_URL, "JWT_SECRET or JWT_JWKS_URL")
LOG_LEVEL: str = _environment.text("LOG_LEVEL", "INFO", pattern="DEBUG|INFO|WARNING|ERROR")
DEMO_PASSWORD: str = _environment.text("DEMO_PASSWORD", "demo" if DEMO else "")
_environment.refuse(DEMO_PASSWORD and PRODUCTION, "DEMO_PASSWORD is not for production")
# The users that the demo creates with that password, and their roles; the demo's landing page lists them.
DEMO_LOGINS: dict[str, str] = {
    "admin": "superadmin",
    "noor": "sovereign-admin",
    "amal": "approver",
    "fatima": "finance",
    "huda": "support",
    "salim": "auditor",
    "majid": "dealer",
}
_environment.refuse_problems()
if not SECRET_KEY:
    # Only outside production: every session ends with the process.
    SECRET_KEY = secrets.token_urlsafe(50)
if not PRODUCTION and not ALLOWED_HOSTS:
    ALLOWED_HOSTS = ["localhost", ".localhost", "127.0.0.1", "[::1]"]

# --- The application --------------------------------------------------------------------------------------
MIDDLEWARE: list[str] = middleware(with_cors=bool(CORS_ALLOWED_ORIGINS), with_traces=bool(TRACES_URL))
TEMPLATES: list[dict[str, Any]] = templates(BASE_DIR / "templates")
LANGUAGE_COOKIE_SECURE: bool = PRODUCTION
compile_catalogs()
SILENCED_SYSTEM_CHECKS: list[str] = [
    "security.W005",  # HSTS for subdomains: the operator's domain has subdomains that this service must not affect
    "security.W021",  # HSTS preload: likewise
    *([] if SECURE_SSL_REDIRECT else ["security.W008"]),  # without SECURE_SSL_REDIRECT a gateway ends TLS
]

# --- REST framework, OpenAPI ------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = rest_framework_settings()
SPECTACULAR_SETTINGS: dict[str, Any] = api_docs_settings(
    sovereign=SOVEREIGN_NAME, version=VERSION, api_prefix=API_PREFIX
)

# --- The console's appearance -----------------------------------------------------------------------------
UNFOLD: dict[str, Any] = unfold_settings(sovereign=SOVEREIGN_NAME, logo=BRAND_LOGO)

# --- Logging ----------------------------------------------------------------------------------------------
configure_structlog()
# In the demo's terminal, two lines of every job would push the addresses and passwords out of sight.
_job_log_level = "WARNING" if DEMO else LOG_LEVEL
_reports = {"dsn": SENTRY_DSN, "version": VERSION, "sovereign": SOVEREIGN_DOMAIN} if SENTRY_DSN else None
LOGGING: dict[str, Any] = logging_config(
    as_json=PRODUCTION, level=LOG_LEVEL, job_level=_job_log_level, reports=_reports
)
