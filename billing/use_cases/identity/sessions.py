"""Sessions of the API: opened by a sign-in, continued by refresh tokens, ended by signing out.

A refresh token is used once, and its successor has today's role. Two front ends share one token and two tabs race, so
a token that was rotated less than GRACE_SECONDS ago is answered again. A later reuse means that two parties hold the
token: it is refused and recorded, and ends the session if the session has a staff role. A customer's other front end
keeps its session, because an honest one can be that late.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from billing.actor import CUSTOMER, Actor
from billing.errors import InvalidRefreshToken
from billing.models import RefreshToken, SignInSession, User
from billing.use_cases.assign_role import role_of
from billing.use_cases.identity.access_tokens import sign_access_token
from billing.use_cases.record_audit import record_audit

REFRESH_DAYS = 30
GRACE_SECONDS = 60
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The answer to a sign-in: an access token, the refresh token that follows it, and the user."""

    access: str
    refresh: str
    user: User
    role: str


def open_session(*, user: User, method: str, now: datetime | None = None) -> Tokens:
    """Opens a session of the user and returns its first tokens. Transaction: joins."""
    session = SignInSession.objects.create(user=user, method=method)
    return _issue_tokens(session, now=now or timezone.now())


def refresh_session(*, token: str, by: Actor, now: datetime | None = None) -> Tokens:
    """Exchanges a refresh token for new tokens.

    Raises: InvalidRefreshToken. Locks: RefreshToken. Transaction: owns.
    """
    moment = now or timezone.now()
    with transaction.atomic():
        # Races with a second tab that refreshes with the same token.
        used = (
            RefreshToken.objects.select_for_update(no_key=True, of=("self",))
            .select_related("session__user")
            .filter(token_hash=_hash(token))
            .first()
        )
        if used is not None and _is_reuse(used, moment):
            _record_reuse(used.session, by=by)
        elif used is not None and _is_alive(used, moment):
            if used.rotated_at is None:
                used.rotated_at = moment
                used.save(update_fields=["rotated_at"])
            return _issue_tokens(used.session, now=moment)
    raise InvalidRefreshToken


def end_session(*, token: str, by: Actor) -> None:
    """Ends the session of a refresh token. An unknown token changes nothing. Transaction: owns."""
    session = SignInSession.objects.select_related("user").filter(refreshtoken__token_hash=_hash(token)).first()
    if session is None:
        return
    with transaction.atomic():
        if _end(session):
            _record("user.signed_out", session.user, by=by)


def role_in(session: SignInSession) -> str:
    """Returns the role of the session. A mailed code proves an address, which is not enough for a staff role."""
    return CUSTOMER if session.method == SignInSession.Method.CODE else role_of(session.user)


def _issue_tokens(session: SignInSession, *, now: datetime) -> Tokens:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    RefreshToken.objects.create(
        session=session, token_hash=_hash(token), expires_at=now + timedelta(days=REFRESH_DAYS)
    )
    role = role_in(session)
    access = sign_access_token(user=session.user, role=role, session=session, now=now)
    return Tokens(access=access, refresh=token, user=session.user, role=role)


def _end(session: SignInSession) -> bool:
    """Ends the session. Returns False if it had ended before."""
    return bool(SignInSession.objects.filter(pk=session.pk, ended_at=None).update(ended_at=timezone.now()))


def _hash(token: str) -> str:
    # The token is random and long, so a plain hash cannot be reversed.
    return sha256(token.encode()).hexdigest()


def _is_alive(token: RefreshToken, now: datetime) -> bool:
    session = token.session
    return session.ended_at is None and session.user.is_active and token.expires_at > now


def _is_reuse(token: RefreshToken, now: datetime) -> bool:
    return token.rotated_at is not None and now - token.rotated_at >= timedelta(seconds=GRACE_SECONDS)


def _record_reuse(session: SignInSession, *, by: Actor) -> None:
    if role_in(session) != CUSTOMER:
        _end(session)
    _record("refresh_token.reused", session.user, by=by, reason="a refresh token was used again after its rotation")


def _record(action: str, user: User, *, by: Actor, reason: str = "") -> None:
    record_audit(action=action, object_type="user", object_id=str(user.pk), by=by, reason=reason)
