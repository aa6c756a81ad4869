"""The access tokens that this service signs for its own sign-ins.

The key is the platform's JWT_SECRET where it is set, so that the platform's other services accept the tokens too.
Otherwise the key is derived from SECRET_KEY, and only this service verifies its tokens. Tokens of the fallbacks of
either are valid too.
"""

from datetime import datetime, timedelta
from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from billing.actor import CUSTOMER
from billing.models import SignInSession, User
from billing.use_cases.identity.users import may_use_address

ACCESS_MINUTES = 15
# The word for a customer in answers and tokens of the identity endpoints. As a claim it means the same as any other
# word that is no staff role.
MEMBER = "member"
# A claim of this service alone: `sid` is a session of the identity provider, which is not known here.
SESSION_CLAIM = "qasima_session"


def signing_key() -> str:
    """Returns the secret of HS256 tokens; empty if this service neither signs nor accepts any."""
    return next(iter(verification_keys()), "")


def verification_keys() -> list[str]:
    """Returns the secrets that may have signed an HS256 token, the present one first."""
    if settings.JWT_SECRET:
        return [settings.JWT_SECRET, *settings.JWT_SECRET_FALLBACKS]
    if not settings.AUTH_ENABLED:
        return []
    return [_derive(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _derive(secret: str) -> str:
    return salted_hmac("signing key of access tokens", "1", secret=secret, algorithm="sha256").hexdigest()


def role_word(role: str) -> str:
    """Returns the role as the identity endpoints name it."""
    return MEMBER if role == CUSTOMER else role


def sign_access_token(*, user: User, role: str, session: SignInSession, now: datetime) -> str:
    """Signs an access token of the user, valid for ACCESS_MINUTES. It says so if the address is not proved."""
    claims: dict[str, Any] = {
        "sub": user.sub,
        "email": user.email,
        "role": role_word(role),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=ACCESS_MINUTES)).timestamp()),
        SESSION_CLAIM: str(session.pk),
    }
    claims |= {"email_verified": False} if not may_use_address(user, role=role) else {}
    claims |= {"iss": settings.JWT_ISSUER} if settings.JWT_ISSUER else {}
    claims |= {"aud": settings.JWT_AUDIENCE} if settings.JWT_AUDIENCE else {}
    return jwt.encode(claims, signing_key(), algorithm="HS256")
