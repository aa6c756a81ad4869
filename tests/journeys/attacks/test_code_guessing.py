"""Attacks on mailed codes, passwords and vouchers by guessing.

The odds, under the limits. A mailed code is one of 10**6 and ends with its fifth wrong attempt, so one code is
guessed with a chance of 5 in 1,000,000. An address gets 5 codes in 15 minutes and 30 codes a day, whatever the number
of clients, so an attack on one address that lasts a day succeeds with a chance of 30 * 5 = 150 in 1,000,000, and its
owner gets 30 mails. One client makes 10 attempts a minute, 14,400 a day: spread over many addresses it finds one of
their codes with a chance of 1.4% a day at most, and needs 2,880 mails for that. A second factor is one of 10**6, and
3 codes are valid at a time: 10 attempts in 15 minutes, by somebody who knows the password, succeed with a chance of
30 in 1,000,000.
"""

from fractions import Fraction
from typing import Any

import pytest
from django.db import connection

from billing.models import CODE_MAX_ATTEMPTS, AuditEntry, User
from billing.use_cases.identity.sign_in.sign_in_codes import CODE_DIGITS, CODES_OF_ADDRESS_A_DAY
from tests.journeys.front_end import FrontEnd, in_this_process, newest_code
from tests.journeys.people import PASSWORD, Deployment, current_code, member_of_staff

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "ada@example.org"


def from_address(address: str) -> FrontEnd:
    return FrontEnd(send=in_this_process(REMOTE_ADDR=address))


def wrong_codes(right: str) -> list[str]:
    return [f"{(int(right) + number) % 10**6:06}" for number in range(1, 20)]


def test_a_botnet_gets_five_attempts_at_a_code() -> None:
    from_address("192.0.2.1").post("auth/magic-link", {"email": ADDRESS})
    right = newest_code(ADDRESS)
    bots = [from_address(f"198.51.100.{number}") for number in range(1, 9)]
    statuses = [
        bot.post("auth/verify", {"email": ADDRESS, "code": code}).status
        for bot, code in zip(bots, wrong_codes(right), strict=False)
    ]
    assert statuses == [401] * 8
    # The code ended with the fifth wrong attempt, so that even the right one is wrong now.
    assert from_address("203.0.113.1").post("auth/verify", {"email": ADDRESS, "code": right}).status == 401
    assert not User.objects.filter(email=ADDRESS).exists()
    assert AuditEntry.objects.filter(action="sign_in_code.guessed_at").count() == 1


def test_a_day_of_an_attack_on_one_address_has_the_odds_that_are_stated() -> None:
    codes = 0
    for number in range(40):
        answer = from_address(f"198.51.100.{number + 1}").post("auth/magic-link", {"email": ADDRESS})
        if answer.status == 429:
            assert 1 <= int(answer.headers["Retry-After"]) <= 15 * 60
            break
        codes += 1
    assert codes == 5
    # 96 quarters of an hour would allow 480 codes; the limit of a day stops at 30.
    guesses = CODES_OF_ADDRESS_A_DAY.hits * CODE_MAX_ATTEMPTS
    assert Fraction(guesses, 10**CODE_DIGITS) == Fraction(150, 1_000_000)


def test_the_limit_of_a_day_holds_when_every_quarter_of_an_hour_begins_anew() -> None:
    sent = 0
    for number in range(8):
        end_windows_of_a_quarter()
        answers = [
            from_address(f"198.51.100.{number * 10 + each + 1}").post("auth/magic-link", {"email": ADDRESS})
            for each in range(5)
        ]
        sent += sum(answer.status == 200 for answer in answers)
    assert sent == 30


def end_windows_of_a_quarter() -> None:
    """End the windows of the limits that are shorter than a day."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_ratelimitwindow SET ends_at = now() - interval '1 second'"
            " WHERE ends_at < now() + interval '16 minutes'"
        )


def test_one_client_makes_ten_attempts_a_minute() -> None:
    bot = from_address("2001:db8::1")
    neighbour = from_address("2001:db8::ffff:1")
    statuses = [
        (bot if number % 2 else neighbour)
        .post("auth/verify", {"email": f"p{number}@example.org", "code": "000000"})
        .status
        for number in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2


def test_passwords_and_second_factors_share_a_limit() -> None:
    member_of_staff("superadmin")
    credentials = {"email": "superadmin@example.org", "password": PASSWORD}
    statuses = [
        from_address(f"198.51.100.{number + 1}").post("auth/login", {**credentials, "otp": "000000"}).status
        for number in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2
    # The right code is refused too, from anywhere.
    refused = from_address("203.0.113.1").post("auth/login", {**credentials, "otp": current_code()})
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_a_preview_past_the_limit_says_when_to_come_back(
    deployment: Deployment, catalog: None, settings: Any
) -> None:
    settings.PREVIEW_RATE_LIMIT = "3/min"
    guesser = deployment.front_end()
    statuses = [
        guesser.post("billing/vouchers/redeem-preview", {"code": f"GUESS{number}"}).status for number in range(4)
    ]
    assert statuses == [404] * 3 + [429]


def test_an_unknown_and_a_retired_code_are_answered_alike(root: FrontEnd, visitor: FrontEnd) -> None:
    root.post("billing/vouchers/issue", {"code": "RETIRED", "credit_omr": 5})
    root.delete("billing/vouchers/revoke/RETIRED")
    answers = [visitor.post("billing/vouchers/redeem-preview", {"code": code}) for code in ("RETIRED", "NEVERWAS")]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].body == answers[1].body
    without_id = [{k: v for k, v in answer.headers.items() if k != "X-Request-Id"} for answer in answers]
    assert without_id[0] == without_id[1]
