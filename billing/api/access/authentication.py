"""Authentication by a bearer token or by the session of this service's own pages. Both yield a `Principal`.

If a request has a bearer token, only the token counts: a bad token is a 401 even beside a valid session.
"""

import copy
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.datastructures import MultiValueDict
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.request import Request

from billing.actor import STAFF_ROLES, Actor
from billing.api.access.client_address import client_address
from billing.api.access.tokens import InvalidToken, read_email, verify_token
from billing.database.shared_read import Read
from billing.models import User
from billing.queries import SignedInUser, find_user_of_session
from billing.use_cases.assign_role import role_of
from billing.use_cases.identity.users import may_use_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The identity behind a request, however it was proved. `signed_in` is the user of a staff session's token."""

    user_id: str
    email: str
    role: str
    signed_in: Read[SignedInUser] | None = None

    @property
    def is_authenticated(self) -> bool:
        return True


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <JWT>`."""

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not token or not token.isascii():
            raise InvalidToken()
        claims = verify_token(token)
        signed_in = None
        if claims.session_id and claims.role in STAFF_ROLES:
            # A staff role that was taken away ends at once. Customers' requests cost no query.
            signed_in = find_user_of_session(session_id=claims.session_id)
            if signed_in is None:
                raise InvalidToken("the session of this bearer token has ended")
        principal = Principal(user_id=claims.user_id, email=claims.email, role=claims.role, signed_in=signed_in)
        return principal, "bearer"

    def authenticate_header(self, request: Request) -> str:
        """Names the scheme, and an error if a token was sent and refused (RFC 6750)."""
        sent = request.META.get("HTTP_AUTHORIZATION", "").strip().lower().startswith("bearer")
        return 'Bearer error="invalid_token"' if sent else "Bearer"


class SessionAuthentication(BaseAuthentication):
    """The session of a signed-in console user. Requests that change something need the CSRF token in a header."""

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active:
            return None
        _enforce_csrf(request._request)
        role = role_of(user)
        email = read_email(user.email) if may_use_address(user, role=role) else ""
        return Principal(user_id=user.sub, email=email, role=role), "session"


class _CSRFCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def principal_of(request: Request) -> Principal:
    """Returns the identity behind the request.

    Raises: NotAuthenticated.
    """
    if not isinstance(request.user, Principal):
        raise NotAuthenticated()
    return request.user


def actor_of(request: Request) -> Actor:
    """Returns the actor that use cases record for the request.

    Raises: NotAuthenticated.
    """
    principal = principal_of(request)
    return Actor(
        user_id=principal.user_id,
        email=principal.email,
        role=principal.role,
        address=client_address(request),
        channel="api",
    )


def _enforce_csrf(request: HttpRequest) -> None:
    """Runs Django's own CSRF check, with the token from the header only.

    Django would also look for the token in the form, and so read the body before the caller's role is checked. An
    empty form keeps the order of errors: 403 comes before a 413 or a 400.
    """
    shown = copy.copy(request)
    shown._post = QueryDict()  # type: ignore[attr-defined]
    shown._files = MultiValueDict()  # type: ignore[attr-defined]
    check = _CSRFCheck(lambda _: HttpResponse())
    check.process_request(shown)
    reason = check.process_view(shown, lambda *_: HttpResponse(), (), {})
    if reason:
        raise PermissionDenied("the CSRF token is missing or wrong", code="csrf_failed")
