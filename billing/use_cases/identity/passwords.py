"""Passwords and second factors of staff. Customers have neither.

Attempts are counted before the password is checked, so that attempts at the same moment cannot pass the limit
together. A success takes its own attempt back. Wrong codes of the second factor count as wrong passwords do.
"""

from allauth.mfa.models import Authenticator
from django.db import transaction

from billing.actor import ANONYMOUS, STAFF_ROLES, Actor
from billing.errors import SecondFactorRequired, WrongPassword, WrongSecondFactor
from billing.models import SignInSession, User
from billing.use_cases.assign_role import role_of
from billing.use_cases.count_attempt import Limit, count_attempt, forget_attempts, network_of, uncount_attempt
from billing.use_cases.identity.addresses import normalize_address
from billing.use_cases.identity.complete_sign_in import sign_in_to_api
from billing.use_cases.identity.sessions import Tokens
from billing.use_cases.record_audit import record_audit

PASSWORDS_OF_ACCOUNT = Limit(scope="passwords of an account", hits=10, seconds=15 * 60)
PASSWORDS_OF_CLIENT = Limit(scope="passwords of a client", hits=30, seconds=15 * 60)
_MAX_NAME_LENGTH = 100


def sign_in_with_password(*, email: str, password: str, otp: str, by: Actor) -> Tokens:
    """Signs a member of staff in with a password and, if one is enrolled, a second factor.

    Raises: InvalidAddress; WrongPassword; SecondFactorRequired without `otp`; WrongSecondFactor; TooManyAttempts.
    Transaction: owns.
    """
    name = normalize_address(email)
    count_password_attempt(name=name, address=by.address)
    user = _check_password(name, password)
    if user is None:
        record_failure(name=name, method="password", by=by)
        raise WrongPassword
    if has_second_factor(user):
        if not otp:
            uncount_password_attempt(name=name, address=by.address)
            raise SecondFactorRequired
        if not check_second_factor(user, otp):
            record_failure(name=name, method="second factor", by=by)
            raise WrongSecondFactor
    forget_password_attempts(name=name, address=by.address)
    return sign_in_to_api(user=user, method=SignInSession.Method.PASSWORD, by=by)


def count_password_attempt(*, name: str, address: str | None) -> None:
    """Counts an attempt at an account. Raises: TooManyAttempts."""
    count_attempt(PASSWORDS_OF_CLIENT, network_of(address))
    count_attempt(PASSWORDS_OF_ACCOUNT, name)


def uncount_password_attempt(*, name: str, address: str | None) -> None:
    """Takes back the attempt that was just counted: it was neither right nor wrong."""
    uncount_attempt(PASSWORDS_OF_CLIENT, network_of(address))
    uncount_attempt(PASSWORDS_OF_ACCOUNT, name)


def forget_password_attempts(*, name: str, address: str | None) -> None:
    """Forgets the account's attempts, and this one of the client: the identity is proved."""
    uncount_attempt(PASSWORDS_OF_CLIENT, network_of(address))
    forget_attempts(PASSWORDS_OF_ACCOUNT, name)


def has_second_factor(user: User) -> bool:
    """Tells whether the user has enrolled an authenticator app."""
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()


def check_second_factor(user: User, code: str) -> bool:
    """Tells whether this is a current code of the user's authenticator app, or an unused recovery code.

    Either works once.
    """
    enrolled = Authenticator.objects.filter(
        user=user, type__in=[Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]
    )
    return any(one.wrap().validate_code(code.strip()) for one in enrolled)


def record_failure(*, name: str, method: str, by: Actor) -> None:
    """Records a failed sign-in under the account's name, whether or not the account exists. Transaction: joins."""
    actor = Actor(user_id=ANONYMOUS, role=ANONYMOUS, channel=by.channel, address=by.address)
    record_audit(
        action="user.sign_in_failed",
        object_type="user",
        object_id=name[:_MAX_NAME_LENGTH],
        by=actor,
        changes={"method": [None, method]},
    )


def _check_password(name: str, password: str) -> User | None:
    """Returns the active member of staff with this e-mail address and password."""
    users = [user for user in User.objects.filter(email__iexact=name, is_active=True) if role_of(user) in STAFF_ROLES]
    if not users:
        # As much work as for a known name.
        User().set_password(password)
        return None
    with transaction.atomic():
        # A correct password may be hashed again with today's parameters.
        return next((user for user in users if user.check_password(password)), None)
