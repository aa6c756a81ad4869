"""A client of the one OpenID Connect provider that OIDC_ISSUER names: Google, a Keycloak, or any other.

PyJWT verifies the ID token: signature by the provider's published keys, issuer, audience, expiry. django-allauth's
client keeps its state in Django's sessions, and trusts an ID token from the token endpoint without its signature; the
API's endpoints have no session, so this is our own. The nonce proves that the sign-in began here, within ten minutes
and for this redirect address, without anything stored.
"""

import secrets
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import requests
import structlog
from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from jwt.exceptions import PyJWKClientConnectionError, PyJWTError

from .errors import ProviderNotConfigured, ProviderRefused, ProviderUnavailable, RedirectNotAllowed
from .provider_keys import ProviderKeys

logger = structlog.get_logger(__name__)

ALGORITHMS = ["RS256", "PS256", "ES256"]
TIMEOUT_SECONDS = 5
LEEWAY_SECONDS = 10
NONCE_SECONDS = 600
CONFIGURATION_FRESH_SECONDS = 3600
_RETRY_SECONDS = 5
_HTTP_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person, as the provider describes them. `address` is empty if the provider names none."""

    issuer: str
    subject: str
    address: str
    address_verified: bool
    name: str
    picture: str


def is_configured() -> bool:
    """Tells whether this deployment has a provider."""
    return bool(settings.OIDC_ISSUER)


def check_configured() -> None:
    """Raises: ProviderNotConfigured."""
    if not is_configured():
        raise ProviderNotConfigured


def check_redirect(redirect_uri: str) -> None:
    """Checks that a sign-in may end at this address.

    Raises: ProviderNotConfigured; RedirectNotAllowed.
    """
    check_configured()
    parts = urlsplit(redirect_uri)
    origin = f"{parts.scheme}://{parts.netloc}"
    # Parsing drops spaces, tabs and line breaks, which would reach the provider all the same.
    is_exact = redirect_uri.startswith(origin) and redirect_uri.isprintable()
    if origin not in settings.AUTH_REDIRECT_ORIGINS or parts.fragment or not is_exact:
        raise RedirectNotAllowed


def authorization_url(*, redirect_uri: str, state: str = "") -> str:
    """Returns the provider's address at which a person signs in. Raises: ProviderUnavailable."""
    query = {
        "response_type": "code",
        "client_id": settings.OIDC_CLIENT_ID,
        "redirect_uri": redirect_uri,
        "scope": "openid email profile",
        "state": state or secrets.token_urlsafe(16),
        "nonce": _signer(redirect_uri).sign(secrets.token_urlsafe(16)),
    }
    endpoint = str(_configuration()["authorization_endpoint"])
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def redeem_code(*, code: str, redirect_uri: str) -> Identity:
    """Exchanges the code that the provider gave to the person's browser for the person's identity.

    Raises: ProviderRefused for a code or token that is not valid; ProviderUnavailable. Transaction: none.
    """
    configuration = _configuration()
    answer = _fetch(
        "POST",
        str(configuration["token_endpoint"]),
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": settings.OIDC_CLIENT_ID,
            "client_secret": settings.OIDC_CLIENT_SECRET,
        },
    )
    claims = _verify(str(answer.get("id_token", "")), configuration, redirect_uri)
    if "email" not in claims and "userinfo_endpoint" in configuration and answer.get("access_token"):
        more = _fetch(
            "GET",
            str(configuration["userinfo_endpoint"]),
            headers={"Authorization": f"Bearer {answer['access_token']}"},
        )
        # The answer must be about the person of the ID token.
        claims = {**more, **claims} if more.get("sub") == claims["sub"] else claims
    return Identity(
        issuer=settings.OIDC_ISSUER,
        subject=str(claims["sub"]),
        address=_text(claims, "email"),
        # Some providers write the flag as a text.
        address_verified=claims.get("email_verified") is True or claims.get("email_verified") == "true",
        name=_text(claims, "name"),
        picture=_text(claims, "picture"),
    )


def _verify(id_token: str, configuration: dict[str, Any], redirect_uri: str) -> dict[str, Any]:
    try:
        key = _keys(str(configuration["jwks_uri"])).find(jwt.get_unverified_header(id_token).get("kid"))
        claims: dict[str, Any] = jwt.decode(
            id_token,
            key,
            algorithms=ALGORITHMS,
            audience=settings.OIDC_CLIENT_ID,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
        _signer(redirect_uri).unsign(str(claims.get("nonce", "")), max_age=NONCE_SECONDS)
    except PyJWKClientConnectionError as error:
        raise ProviderUnavailable(retry_after=_RETRY_SECONDS) from error
    except (PyJWTError, BadSignature, ValueError) as error:
        logger.warning("identity_provider_refused", error=type(error).__name__)
        raise ProviderRefused from error
    return claims


@lru_cache(maxsize=1)
def _cached_configuration(issuer: str, window: int) -> dict[str, Any]:
    found = _fetch("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        logger.error("identity_provider_names_another_issuer")
        raise ProviderUnavailable
    return found


def _configuration() -> dict[str, Any]:
    return _cached_configuration(settings.OIDC_ISSUER, int(monotonic() // CONFIGURATION_FRESH_SECONDS))


@lru_cache(maxsize=1)
def _keys(url: str) -> ProviderKeys:
    return ProviderKeys(url)


def _fetch(method: str, url: str, **options: Any) -> dict[str, Any]:
    try:
        answer = requests.request(method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options)
        body = answer.json() if answer.ok else {}
    except (requests.RequestException, ValueError) as error:
        logger.error("identity_provider_unavailable", error=type(error).__name__)
        raise ProviderUnavailable(retry_after=_RETRY_SECONDS) from error
    if answer.status_code >= _HTTP_SERVER_ERROR:
        raise ProviderUnavailable(retry_after=_RETRY_SECONDS)
    if not answer.ok or not isinstance(body, dict):
        raise ProviderRefused
    return body


def _signer(redirect_uri: str) -> TimestampSigner:
    return TimestampSigner(salt=f"sign-in at a provider, for {redirect_uri}")


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip() if isinstance(value, str) else ""
