from datetime import datetime

from django.contrib.auth.models import update_last_login
from django.db import transaction
from prometheus_client import Counter

from billing.actor import CUSTOMER, Actor
from billing.models import SignInSession, User
from billing.use_cases.assign_role import role_of
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.identity.remember_language import remember_language
from billing.use_cases.identity.sessions import Tokens, open_session
from billing.use_cases.identity.users import has_proved_address
from billing.use_cases.organizations.bind_invitations import bind_invitations
from billing.use_cases.record_audit import record_audit

_SIGN_INS = Counter("qasima_sign_ins", "Sign-ins by method and outcome", ["method", "outcome"])


def count_failed_sign_in(method: str) -> None:
    """Counts a wrong proof of an identity, for monitoring."""
    _SIGN_INS.labels(method, "failed").inc()


def complete_sign_in(*, user: User, method: str, by: Actor) -> None:
    """Does what follows every sign-in, whichever way and on whichever page: call it once the identity is proved.

    A customer gets an account, and mails in the language of the page. Invitations of a proved address are bound, and
    the audit trail names the user.
    Transaction: joins; the caller holds no lock of an organization.
    """
    person = actor_for(user, by)
    if role_of(user) == CUSTOMER:
        ensure_customer(user_id=user.sub, email=user.email)
        remember_language(user_id=user.sub)
    if has_proved_address(user):
        bind_invitations(by=person)
    record_audit(
        action="user.signed_in",
        object_type="user",
        object_id=str(user.pk),
        by=person,
        changes={"method": [None, method]},
    )
    _SIGN_INS.labels(str(method), "succeeded").inc()


def sign_in_to_api(*, user: User, method: str, by: Actor, now: datetime | None = None) -> Tokens:
    """Completes a sign-in through the API: returns the tokens of a new session. Transaction: joins."""
    with transaction.atomic():
        complete_sign_in(user=user, method=method, by=by)
        update_last_login(None, user)  # type: ignore[arg-type]
        return open_session(user=user, method=SignInSession.Method(method), now=now)


def actor_for(user: User, by: Actor) -> Actor:
    """Returns the actor of a user whose identity was just proved, at the address of the request."""
    return Actor(user_id=user.sub, email=user.email, role=role_of(user), channel=by.channel, address=by.address)
