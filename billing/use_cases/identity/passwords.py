"""Passwords of staff, and second factors. Customers have no password, and may enrol a second factor.

Attempts are counted before the password is checked, so that attempts at the same moment cannot pass the limit
together. A success takes its own attempt back. Wrong codes of the second factor count as wrong passwords do.
"""

from allauth.mfa.models import Authenticator
from django.db.models import Q

from billing.actor import STAFF_ROLES, Actor, anonymous_actor
from billing.errors import SecondFactorRequired, WrongPassword, WrongSecondFactor
from billing.models import SignInSession, User
from billing.text import normal_email
from billing.use_cases.assign_role import role_of
from billing.use_cases.count_attempt import (
    Limit,
    count_attempt,
    count_attempt_of_networks,
    forget_attempts,
    uncount_attempt,
    uncount_attempt_of_networks,
)
from billing.use_cases.identity.addresses import normalize_address
from billing.use_cases.identity.sessions import Tokens
from billing.use_cases.identity.sign_in.complete_sign_in import count_failed_sign_in, sign_in_to_api
from billing.use_cases.record_audit import record_audit

PASSWORDS_OF_ACCOUNT = Limit(scope="passwords of an account", hits=10, seconds=15 * 60)
PASSWORDS_OF_CLIENT = Limit(scope="passwords of a client", hits=30, seconds=15 * 60)
SECOND_FACTORS_OF_CUSTOMER = Limit(scope="second factors of a customer", hits=5, seconds=15 * 60)
_MAX_NAME_LENGTH = 100


def sign_in_with_password(*, email: str, password: str, otp: str = "", by: Actor) -> Tokens:
    """Signs a member of staff in to the API.

    Raises: InvalidAddress; as check_staff. Transaction: owns.
    """
    user = check_staff(name=normalize_address(email), password=password, otp=otp, by=by)
    return sign_in_to_api(user=user, method=SignInSession.Method.PASSWORD, by=by)


def check_staff(*, name: str, password: str, otp: str, by: Actor) -> User:
    """Returns the member of staff with this name, password and, if one is enrolled, second factor.

    Args: name: the user name or e-mail address. otp: may be empty.
    Raises: WrongPassword; SecondFactorRequired without `otp`; WrongSecondFactor; TooManyAttempts.
    Transaction: owns; call it outside one, so that a refusal does not undo what it counts and records.
    """
    users = _find_staff(name)
    account = count_password_attempt(name=name, user=users[0] if users else None, address=by.address)
    user = _check_password(users, password)
    if user is None:
        record_failure(name=name, method="password", by=by)
        raise WrongPassword
    if has_second_factor(user):
        if not otp:
            uncount_attempt_of_networks(PASSWORDS_OF_CLIENT, by.address)
            uncount_attempt(PASSWORDS_OF_ACCOUNT, account)
            raise SecondFactorRequired
        if not check_second_factor(user, otp):
            record_failure(name=name, method="second factor", by=by)
            raise WrongSecondFactor
    forget_failed_passwords(account=account, address=by.address)
    return user


def count_password_attempt(*, name: str, user: User | None, address: str | None) -> str:
    """Counts an attempt, and returns the account under which it is counted: known users count under one name.

    Raises: TooManyAttempts.
    """
    account = f"user {user.pk}" if user else f"name {normal_email(name)}"
    count_attempt_of_networks(PASSWORDS_OF_CLIENT, address)
    count_attempt(PASSWORDS_OF_ACCOUNT, account)
    return account


def forget_failed_passwords(*, account: str, address: str | None) -> None:
    """Takes back the attempt that succeeded, and forgets the failed ones of the account."""
    uncount_attempt_of_networks(PASSWORDS_OF_CLIENT, address)
    forget_attempts(PASSWORDS_OF_ACCOUNT, account)


def has_second_factor(user: User | None) -> bool:
    """Tells whether the user has enrolled an authenticator app. Nobody has none, at the same cost."""
    return Authenticator.objects.filter(user_id=user.pk if user else 0, type=Authenticator.Type.TOTP).exists()


def check_second_factor(user: User, code: str) -> bool:
    """Tells whether this is a current code of the user's authenticator app, or an unused recovery code.

    Either works once.
    """
    enrolled = Authenticator.objects.filter(
        user=user, type__in=[Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]
    )
    return any(one.wrap().validate_code(code.strip()) for one in enrolled)


def require_second_factor(user: User, code: str, *, by: Actor) -> None:
    """Checks the second factor of a customer who has one and has proved an address.

    Raises: SecondFactorRequired without a code; WrongSecondFactor; TooManyAttempts.
    Transaction: owns; call it outside one, so that a refusal does not undo what it counts and records.
    """
    if not has_second_factor(user):
        return
    if not code:
        raise SecondFactorRequired
    count_attempt(SECOND_FACTORS_OF_CUSTOMER, str(user.pk))
    if not check_second_factor(user, code):
        record_failure(name=user.email, method="second factor", by=by)
        raise WrongSecondFactor
    forget_attempts(SECOND_FACTORS_OF_CUSTOMER, str(user.pk))


def record_failure(*, name: str, method: str, by: Actor) -> None:
    """Records a failed sign-in under the name that was tried, also of an unknown account. Transaction: joins."""
    count_failed_sign_in(method)
    record_audit(
        action="user.sign_in_failed",
        object_type="user",
        object_id=name[:_MAX_NAME_LENGTH],
        by=anonymous_actor(channel=by.channel, address=by.address),
        changes={"method": [None, method]},
    )


def _find_staff(name: str) -> list[User]:
    found = User.objects.filter(Q(username=name) | Q(email__iexact=name), is_active=True).order_by("pk")
    return [user for user in found.prefetch_related("groups") if role_of(user) in STAFF_ROLES]


def _check_password(users: list[User], password: str) -> User | None:
    """Returns the first of the users whose password this is. An unknown name costs as much work as a known one."""
    if not users:
        User().set_password(password)
    return next((user for user in users if user.check_password(password)), None)
