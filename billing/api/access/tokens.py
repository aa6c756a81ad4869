"""Bearer tokens: HS256 with the platform's secret or this service's own, RS256 with the identity provider's keys.

The token's header can only choose an algorithm that is configured, and each algorithm has its own kind of key. This
refuses `alg: none` and an RSA public key used as an HMAC secret. PyJWT does the verification.

Clients send a token with many requests. A process remembers the tokens that it has verified, by their hash, until
they expire or their key is withdrawn. Only the token is remembered: each request asks the database whether a session
of staff has ended.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from threading import Lock
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from jwt.api_jwk import PyJWK
from jwt.exceptions import ExpiredSignatureError, InvalidSignatureError, PyJWKClientConnectionError, PyJWTError
from rest_framework.exceptions import AuthenticationFailed

from billing.actor import CUSTOMER, MACHINE_ROLES, STAFF_ROLES, is_user_id
from billing.errors import DomainError
from billing.provider_keys import KEYS_RETRY_SECONDS, ProviderKeys
from billing.text import MAX_EMAIL_LENGTH
from billing.use_cases.identity.access_tokens import SESSION_CLAIM, verification_keys

# Allowed difference between the clocks of the signer and of this service.
LEEWAY_SECONDS = 10
# How many verified tokens a process remembers.
MAX_VERIFIED_TOKENS = 4_096


class InvalidToken(AuthenticationFailed):
    default_detail = "the bearer token is not valid"
    default_code = "invalid_token"


class IdentityProviderUnavailable(DomainError):
    code = "identity_provider_unavailable"
    status = 503
    message = "the identity provider cannot be reached: try again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of a valid token."""

    user_id: str
    email: str
    role: str
    # The session of a token that this service issued; the platform's own tokens have none.
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _VerifiedToken:
    """The claims of a token, the moment until which they count, and what they were verified with."""

    claims: Claims
    valid_before: float
    header: dict[str, Any]
    key: str | PyJWK
    issuer: str
    audience: str


_verified_tokens: dict[bytes, _VerifiedToken] = {}
_remembering = Lock()


def verify_token(token: str) -> Claims:
    """Verifies the token and returns its claims.

    Raises: InvalidToken; IdentityProviderUnavailable.
    """
    digest = sha256(token.encode()).digest()
    try:
        verified = _verified_tokens.get(digest)
        if verified is None or not _still_counts(verified):
            verified = _verify(token)
            _remember(digest, verified)
    except PyJWKClientConnectionError as error:
        raise IdentityProviderUnavailable(retry_after=KEYS_RETRY_SECONDS) from error
    except ExpiredSignatureError as error:
        raise InvalidToken("the bearer token has expired") from error
    except (PyJWTError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidToken() from error
    return verified.claims


def _verify(token: str) -> _VerifiedToken:
    header = jwt.get_unverified_header(token)
    *earlier, last = _keys_for(header)
    for key in earlier:
        try:
            return _verify_with(key, token, header)
        except InvalidSignatureError:
            continue
    return _verify_with(last, token, header)


def _verify_with(key: str | PyJWK, token: str, header: dict[str, Any]) -> _VerifiedToken:
    claims = jwt.decode(
        token,
        key,
        algorithms=[header["alg"]],
        leeway=LEEWAY_SECONDS,
        issuer=settings.JWT_ISSUER or None,
        audience=settings.JWT_AUDIENCE or None,
        options={"require": ["exp", "sub"], "verify_aud": bool(settings.JWT_AUDIENCE)},
    )
    return _VerifiedToken(
        claims=_read_claims(claims),
        valid_before=int(claims["exp"]) + LEEWAY_SECONDS,
        header=header,
        key=key,
        issuer=settings.JWT_ISSUER,
        audience=settings.JWT_AUDIENCE,
    )


def _still_counts(verified: _VerifiedToken) -> bool:
    """Tells whether the token would be verified again. A key that the identity provider withdraws ends its tokens."""
    return (
        time.time() < verified.valid_before
        and verified.key in _keys_for(verified.header)
        and (settings.JWT_ISSUER, settings.JWT_AUDIENCE) == (verified.issuer, verified.audience)
    )


def _remember(digest: bytes, verified: _VerifiedToken) -> None:
    with _remembering:
        if len(_verified_tokens) >= MAX_VERIFIED_TOKENS:
            _verified_tokens.clear()
        _verified_tokens[digest] = verified


def _keys_for(header: dict[str, Any]) -> Sequence[str | PyJWK]:
    """Returns the keys that may have signed a token with this header: at least one."""
    algorithm = header.get("alg")
    if algorithm == "HS256" and (secrets := verification_keys()):
        return secrets
    if algorithm == "RS256" and settings.JWT_JWKS_URL:
        key = _identity_provider_keys(settings.JWT_JWKS_URL).find(header.get("kid"))
        if key.key_type != "RSA":
            raise InvalidToken()
        return [key]
    raise InvalidToken()


@lru_cache(maxsize=1)
def _identity_provider_keys(url: str) -> ProviderKeys:
    return ProviderKeys(url)


def _read_claims(claims: dict[str, Any]) -> Claims:
    user_id, email, role = claims["sub"], claims.get("email"), claims.get("role")
    if not is_user_id(user_id):
        raise InvalidToken()
    session_id = claims.get(SESSION_CLAIM)
    return Claims(
        user_id=user_id,
        email="" if _is_unverified(claims) else read_email(email),
        role=role if role in (*STAFF_ROLES, *MACHINE_ROLES) else CUSTOMER,
        session_id=UUID(session_id) if isinstance(session_id, str) else None,
    )


def _is_unverified(claims: dict[str, Any]) -> bool:
    """Tells whether the token says that nobody proved its address: such an address counts as none.

    It may be another person's, and an address leads to invitations and mails. A token that does not say comes from a
    platform that verifies every address.
    """
    return claims.get("email_verified") in (False, "false")


def read_email(value: object) -> str:
    """Reads an e-mail claim: trimmed, and empty if it is not an address.

    Stripe refuses a customer whose address is none, so a bad claim would fail every payment by card.
    """
    address = value.strip() if isinstance(value, str) else ""
    if len(address) > MAX_EMAIL_LENGTH:
        return ""
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address
