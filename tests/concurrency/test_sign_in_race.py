"""Tabs that refresh with one token, and guesses that arrive at the same moment."""

from functools import partial

import pytest

from billing.actor import ANONYMOUS, Actor
from billing.errors import TooManyAttempts, WrongCode
from billing.models import RefreshToken, SignInCode, User
from billing.use_cases.count_attempt import Limit, count_attempt
from billing.use_cases.identity.sessions import open_session, refresh_session
from billing.use_cases.identity.sign_in.sign_in_codes import derive_code, request_code
from billing.use_cases.identity.sign_in.sign_in_with_code import sign_in_with_code
from tests.concurrency.threads import race
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8
ADDRESS = "ada@example.org"


def somebody(number: int = 0) -> Actor:
    return Actor(user_id=ANONYMOUS, role=ANONYMOUS, channel="api", address=f"192.0.2.{number + 1}")


def mailed_code() -> str:
    request_code(email=ADDRESS, by=somebody())
    stored = SignInCode.objects.get()
    return derive_code(stored.key, stored.email)


def test_tabs_that_refresh_together_all_get_tokens() -> None:
    token = open_session(user=UserFactory.create(), method="code").refresh
    outcome = race([partial(refresh_session, token=token, by=somebody())] * THREADS)
    assert len({tokens.refresh for tokens in outcome.values}) == THREADS
    assert RefreshToken.objects.filter(rotated_at=None).count() == THREADS


def test_one_code_signs_in_once() -> None:
    code = mailed_code()
    sign_in = [partial(sign_in_with_code, email=ADDRESS, code=code, by=somebody(n)) for n in range(THREADS)]
    outcome = race(sign_in)
    assert (len(outcome.values), outcome.refusals) == (1, {WrongCode: THREADS - 1})
    assert User.objects.count() == 1


def test_guesses_at_the_same_moment_are_all_counted() -> None:
    code = mailed_code()
    wrong = f"{(int(code) + 1) % 10**6:06}"
    guesses = [partial(sign_in_with_code, email=ADDRESS, code=wrong, by=somebody(n)) for n in range(THREADS)]
    outcome = race(guesses)
    assert outcome.refusals == {WrongCode: THREADS}
    assert not SignInCode.objects.exists()


def test_attempts_at_the_same_moment_do_not_pass_a_limit_together() -> None:
    limit = Limit(scope="test", hits=3, seconds=60)
    outcome = race([partial(count_attempt, limit, "noor")] * THREADS)
    assert outcome.refusals == {TooManyAttempts: THREADS - 3}
