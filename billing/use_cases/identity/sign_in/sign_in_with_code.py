from django.db import transaction

from billing.actor import CUSTOMER, Actor
from billing.errors import SecondFactorRequired, WrongCode
from billing.models import SignInSession, User
from billing.use_cases.assign_role import role_of
from billing.use_cases.identity.addresses import normalize_address
from billing.use_cases.identity.passwords import has_second_factor, require_second_factor
from billing.use_cases.identity.sessions import Tokens
from billing.use_cases.identity.sign_in.complete_sign_in import sign_in_to_api
from billing.use_cases.identity.sign_in.sign_in_codes import use_code
from billing.use_cases.identity.users import ensure_user, find_user


def prove_by_code(*, email: str, code: str, by: Actor) -> User:
    """Returns the user of an address whose code is right; an unknown address becomes a customer.

    Raises: InvalidAddress; TooManyAttempts; WrongCode, also if the user may not sign in. Transaction: owns.
    """
    address = use_code(email=email, code=code, by=by)
    with transaction.atomic():
        user = ensure_user(address=address, by=by)
    if not user.is_active:
        raise WrongCode
    return user


def sign_in_with_code(*, email: str, code: str, otp: str = "", by: Actor) -> Tokens:
    """Signs in with a mailed code and, if a customer has enrolled one, a second factor.

    Raises: as prove_by_code; SecondFactorRequired, which leaves the code for the next request; WrongSecondFactor, for
    which the code is used up. Transaction: owns.
    """
    if not otp and _has_second_factor(normalize_address(email)):
        use_code(email=email, code=code, by=by, keep=True)
        raise SecondFactorRequired
    user = prove_by_code(email=email, code=code, by=by)
    if role_of(user) == CUSTOMER:
        require_second_factor(user, otp, by=by)
    return sign_in_to_api(user=user, method=SignInSession.Method.CODE, by=by)


def _has_second_factor(address: str) -> bool:
    # At an address of nobody it costs the same: the answer must not tell who has a second factor.
    user = find_user(address=address)
    return has_second_factor(user) and user is not None and role_of(user) == CUSTOMER
