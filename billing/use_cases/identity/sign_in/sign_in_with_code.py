from django.db import transaction

from billing.actor import Actor
from billing.errors import WrongCode
from billing.models import SignInSession, User
from billing.use_cases.identity.sessions import Tokens
from billing.use_cases.identity.sign_in.complete_sign_in import sign_in_to_api
from billing.use_cases.identity.sign_in.sign_in_codes import use_code
from billing.use_cases.identity.users import ensure_user


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


def sign_in_with_code(*, email: str, code: str, by: Actor) -> Tokens:
    """Signs in with a mailed code. Raises: as prove_by_code. Transaction: owns."""
    user = prove_by_code(email=email, code=code, by=by)
    return sign_in_to_api(user=user, method=SignInSession.Method.CODE, by=by)
