"""Sign-in by mailed codes and passwords, tokens, and the signed-in user."""

import re
import time
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import crypto

from billing.models import AuditEntry, Customer, User
from billing.use_cases.identity.sign_in.sign_in_codes import send_code
from tests.factories import CustomerFactory, UserFactory
from tests.orders.subscriptions.run_renewals import queued_jobs

from .api_client import Answer, Caller, by_token
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db

USER = {"id", "email", "name", "avatar_url", "role", "created_at", "updated_at"}
PASSWORD = "correct horse battery staple"


def mailed_code(address: str = "ada@example.org") -> str:
    """Run the newest mail job and return the code of the mail."""
    send_code(key=queued_jobs("send_sign_in_code")[-1]["key"])
    message = mail.outbox[-1]
    assert message.to == [address]
    found = re.search(r"\b[0-9]{6}\b", str(message.body))
    assert found, message.body
    return found.group()


def ask(caller: Caller, email: str = "ada@example.org") -> str:
    answer = caller.post("auth/magic-link", {"email": email})
    assert answer.status == 200, answer.body
    return mailed_code(email.strip().lower())


def sign_in(caller: Caller, email: str = "ada@example.org") -> dict[str, Any]:
    answer = caller.post("auth/verify", {"email": email, "code": ask(caller, email)})
    assert answer.status == 200, answer.body
    return dict(answer.body)


def refresh(caller: Caller, token: str) -> Answer:
    return caller.post("auth/refresh", {"refresh_token": token})


def as_user(tokens: dict[str, Any]) -> Caller:
    return Caller(headers={"Authorization": f"Bearer {tokens['token']}"})


def staff(role: str = "superadmin", email: str = "noor@example.org") -> User:
    user = UserFactory.create(email=email, is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    user.groups.add(Group.objects.get(name=role))
    return user


def test_a_code_by_mail_makes_an_unknown_address_a_customer(anybody: Caller) -> None:
    asked = anybody.post("auth/magic-link", {"email": " Ada@Example.org "})
    assert (asked.status, set(asked.body)) == (200, {"message"})
    answer = anybody.post("auth/verify", {"email": "ADA@example.org", "code": mailed_code()})
    assert answer.status == 200
    assert set(answer.body) == {"token", "refresh_token", "user"}
    user = answer.body["user"]
    assert set(user) == USER
    assert (user["email"], user["name"], user["avatar_url"], user["role"]) == ("ada@example.org", "", "", "member")
    assert Customer.objects.get().user_id == user["id"]


def test_an_access_token_is_a_jwt_of_fifteen_minutes(anybody: Caller) -> None:
    tokens = sign_in(anybody)
    assert jwt.get_unverified_header(tokens["token"])["alg"] == "HS256"
    claims = jwt.decode(tokens["token"], django_settings.JWT_SECRET, algorithms=["HS256"])
    assert claims["sub"] == tokens["user"]["id"]
    assert (claims["email"], claims["role"]) == ("ada@example.org", "member")
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert abs(claims["iat"] - time.time()) < 60
    assert as_user(tokens).get("billing/balance").status == 200


def test_the_answer_is_the_same_for_known_and_unknown_addresses(anybody: Caller) -> None:
    sign_in(anybody)
    known = anybody.post("auth/magic-link", {"email": "ada@example.org"})
    unknown = anybody.post("auth/magic-link", {"email": "bob@example.org"})
    assert (known.status, known.body) == (unknown.status, unknown.body) == (200, known.body)


@pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": "   "}, {"email": "ada"}, {"email": None}])
def test_a_mail_needs_an_address(anybody: Caller, body: dict[str, Any]) -> None:
    answer = anybody.post("auth/magic-link", body)
    assert answer.status == 400
    assert "email" in answer.body["fields"]


def test_without_mail_no_code_is_made(anybody: Caller, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert_refused(anybody.post("auth/magic-link", {"email": "ada@example.org"}), 503, "mail_not_configured")


def test_an_address_cannot_be_bombed_with_mail(anybody: Caller) -> None:
    statuses = [anybody.post("auth/magic-link", {"email": "ada@example.org"}).status for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    answer = anybody.post("auth/magic-link", {"email": "ADA@example.org"})
    assert_refused(answer, 429, "throttled")
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert anybody.post("auth/magic-link", {"email": "bob@example.org"}).status == 200


def test_a_client_cannot_bomb_many_addresses(anybody: Caller) -> None:
    statuses = [anybody.post("auth/magic-link", {"email": f"p{n}@example.org"}).status for n in range(31)]
    assert statuses == [200] * 30 + [429]


def test_a_code_works_once(anybody: Caller) -> None:
    code = ask(anybody)
    body = {"email": "ada@example.org", "code": code}
    assert anybody.post("auth/verify", body).status == 200
    assert_refused(anybody.post("auth/verify", body), 401, "wrong_code")


def test_a_new_code_replaces_the_old_one(anybody: Caller) -> None:
    old = ask(anybody)
    new = ask(anybody)
    while new == old:
        new = ask(anybody)
    assert anybody.post("auth/verify", {"email": "ada@example.org", "code": old}).status == 401
    assert anybody.post("auth/verify", {"email": "ada@example.org", "code": new}).status == 200


def test_a_code_of_another_address_is_wrong(anybody: Caller) -> None:
    code = ask(anybody)
    other = ask(anybody, "bob@example.org")
    assert anybody.post("auth/verify", {"email": "bob@example.org", "code": code}).status == (
        200 if code == other else 401
    )


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_the_fifth_wrong_attempt_ends_the_code(anybody: Caller) -> None:
    code = ask(anybody)
    for _ in range(5):
        answer = anybody.post("auth/verify", {"email": "ada@example.org", "code": wrong(code)})
        assert_refused(answer, 401, "wrong_code")
    assert_refused(anybody.post("auth/verify", {"email": "ada@example.org", "code": code}), 401, "wrong_code")
    assert AuditEntry.objects.get(action="sign_in_code.guessed_at").object_id == "ada@example.org"
    assert not User.objects.exists()


def test_the_fourth_wrong_attempt_does_not(anybody: Caller) -> None:
    code = ask(anybody)
    for _ in range(4):
        anybody.post("auth/verify", {"email": "ada@example.org", "code": wrong(code)})
    assert anybody.post("auth/verify", {"email": "ada@example.org", "code": code}).status == 200


def test_more_than_ten_attempts_a_minute_are_refused(anybody: Caller) -> None:
    body = {"email": "ada@example.org", "code": "000000"}
    assert [anybody.post("auth/verify", body).status for _ in range(11)] == [401] * 10 + [429]
    answer = anybody.post("auth/verify", {"email": "bob@example.org", "code": "000000"})
    assert_refused(answer, 429, "throttled")
    assert 0 < int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("body", [{}, {"email": "ada@example.org"}, {"code": "123456"}, {"email": "x", "code": "1"}])
def test_an_attempt_needs_an_address_and_a_code(anybody: Caller, body: dict[str, Any]) -> None:
    assert anybody.post("auth/verify", body).status == 400


def test_staff_sign_in_with_a_password(anybody: Caller) -> None:
    user = staff("sovereign-admin")
    answer = anybody.post("auth/login", {"email": " NOOR@example.org", "password": PASSWORD})
    assert answer.status == 200
    assert set(answer.body) == {"token", "refresh_token", "user"}
    assert (answer.body["user"]["id"], answer.body["user"]["role"]) == (user.sub, "sovereign-admin")
    assert as_user(answer.body).get("billing/vouchers/list").status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"email": "noor@example.org", "password": "wrong"},
        {"email": "unknown@example.org", "password": PASSWORD},
    ],
)
def test_a_wrong_password_is_refused_and_recorded_by_name(anybody: Caller, body: dict[str, Any]) -> None:
    staff()
    assert_refused(anybody.post("auth/login", body), 401, "wrong_credentials")
    entry = AuditEntry.objects.get(action="user.sign_in_failed")
    assert (entry.object_id, entry.address) == (body["email"], "127.0.0.1")


def test_a_customer_has_no_password(anybody: Caller) -> None:
    user = UserFactory.create(email="ada@example.org")
    user.set_password(PASSWORD)
    user.save()
    assert anybody.post("auth/login", {"email": "ada@example.org", "password": PASSWORD}).status == 401


def test_passwords_cannot_be_tried_out(anybody: Caller) -> None:
    staff()
    body = {"email": "noor@example.org", "password": "wrong"}
    assert [anybody.post("auth/login", body).status for _ in range(11)] == [401] * 10 + [429]
    answer = anybody.post("auth/login", {"email": "noor@example.org", "password": PASSWORD})
    assert_refused(answer, 429, "throttled")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_client_cannot_try_one_password_at_many_accounts(anybody: Caller) -> None:
    statuses = [
        anybody.post("auth/login", {"email": f"p{n}@example.org", "password": PASSWORD}).status for n in range(31)
    ]
    assert statuses == [401] * 30 + [429]


@pytest.mark.parametrize(
    ("path", "body", "allowed"),
    [
        ("auth/login", {"email": "p{n}@example.org", "password": "wrong"}, 30 * 16),
        ("auth/verify", {"email": "p{n}@example.org", "code": "000000"}, 10 * 16),
    ],
)
def test_a_client_with_many_ipv6_networks_is_one_client(path: str, body: dict[str, str], allowed: int) -> None:
    """A /48 has 65,536 networks of one customer each; together they may do as much as 16."""
    caller, statuses = Caller(), []
    for n in range(allowed + 1):
        caller.client.defaults["REMOTE_ADDR"] = f"2001:db8:1:{64 * n:x}::1"
        statuses.append(caller.post(path, {name: value.format(n=n) for name, value in body.items()}).status)
    assert statuses == [401] * allowed + [429]


def test_right_passwords_are_not_limited(anybody: Caller) -> None:
    staff()
    body = {"email": "noor@example.org", "password": PASSWORD}
    assert {anybody.post("auth/login", body).status for _ in range(12)} == {200}


def test_me(anybody: Caller, django_assert_max_num_queries: Any) -> None:
    tokens = sign_in(anybody)
    with django_assert_max_num_queries(3):
        answer = as_user(tokens).get("auth/me")
    assert (answer.status, answer.body) == (200, {"user": tokens["user"]})
    assert_refused(anybody.get("auth/me"), 401, "not_authenticated")


def test_me_of_staff_costs_one_query(anybody: Caller, django_assert_num_queries: Any) -> None:
    staff()
    tokens = anybody.post("auth/login", {"email": "noor@example.org", "password": PASSWORD}).body
    with django_assert_num_queries(1):
        assert as_user(tokens).get("auth/me").body["user"]["role"] == "superadmin"


def test_me_is_404_for_a_user_who_is_gone(anybody: Caller) -> None:
    tokens = sign_in(anybody)
    User.objects.update(is_active=False)
    assert_refused(as_user(tokens).get("auth/me"), 404, "user_not_found")


@pytest.mark.parametrize(("role", "word"), [("customer", "member"), ("auditor", "auditor")])
def test_me_of_a_platforms_user_who_has_only_a_customer_here_has_the_tokens_role(role: str, word: str) -> None:
    CustomerFactory.create(user_id="kim", email="kim@example.org")
    user = by_token(role, "kim").get("auth/me").body["user"]
    assert (user["id"], user["email"], user["role"]) == ("kim", "kim@example.org", word)


def test_me_has_no_tight_limit(anybody: Caller) -> None:
    signed_in = as_user(sign_in(anybody))
    assert {signed_in.get("auth/me").status for _ in range(100)} == {200}


def test_a_refresh_token_is_rotated(anybody: Caller) -> None:
    tokens = sign_in(anybody)
    answer = refresh(anybody, tokens["refresh_token"])
    assert answer.status == 200
    assert set(answer.body) == {"token", "refresh_token", "user"}
    assert answer.body["refresh_token"] != tokens["refresh_token"]
    assert answer.body["user"] == tokens["user"]
    assert refresh(anybody, answer.body["refresh_token"]).status == 200


def test_a_token_that_was_just_rotated_is_answered_again(anybody: Caller) -> None:
    token = sign_in(anybody)["refresh_token"]
    first, second = refresh(anybody, token), refresh(anybody, token)
    assert (first.status, second.status) == (200, 200)
    assert first.body["refresh_token"] != second.body["refresh_token"]
    assert refresh(anybody, first.body["refresh_token"]).status == 200
    assert refresh(anybody, second.body["refresh_token"]).status == 200


@pytest.mark.parametrize("token", ["unknown", "x" * 43, "a.b.c"])
def test_an_unknown_refresh_token_is_refused(anybody: Caller, token: str) -> None:
    assert_refused(refresh(anybody, token), 401, "invalid_refresh_token")


def test_a_refresh_needs_a_token(anybody: Caller) -> None:
    assert anybody.post("auth/refresh", {}).status == 400
    assert anybody.post("auth/logout", {}).status == 400


def test_signing_out_ends_the_session(anybody: Caller) -> None:
    tokens = sign_in(anybody)
    newer = refresh(anybody, tokens["refresh_token"]).body
    answer = anybody.post("auth/logout", {"refresh_token": newer["refresh_token"]})
    assert (answer.status, set(answer.body)) == (200, {"message"})
    assert refresh(anybody, newer["refresh_token"]).status == 401
    assert anybody.post("auth/logout", {"refresh_token": "unknown"}).status == 200


def test_signing_out_everywhere_ends_all_sessions(anybody: Caller) -> None:
    first, second = sign_in(anybody), sign_in(anybody)
    other = sign_in(anybody, "bob@example.org")
    answer = as_user(first).post("auth/logout-all")
    assert (answer.status, set(answer.body)) == (200, {"message"})
    assert {refresh(anybody, tokens["refresh_token"]).status for tokens in (first, second)} == {401}
    assert refresh(anybody, other["refresh_token"]).status == 200
    assert_refused(anybody.post("auth/logout-all"), 401, "not_authenticated")


def test_wrong_codes_cost_the_same_statements_for_known_and_unknown_addresses(anybody: Caller) -> None:
    sign_in(anybody)
    costs = []
    for address in ("ada@example.org", "unknown@example.org"):
        code = ask(anybody, address)
        with CaptureQueriesContext(connection) as queries:
            assert anybody.post("auth/verify", {"email": address, "code": wrong(code)}).status == 401
        costs.append([query["sql"].split()[0] for query in queries])
    assert costs[0] == costs[1]


def test_wrong_codes_cost_the_same_statements_and_hashes_whatever_the_address(
    anybody: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(anybody)
    UserFactory.create(username="user@example.org", email="user@example.org")
    ask(anybody, "ada@example.org")
    ask(anybody, "asked@example.org")
    hashed: list[str] = []

    def salted_hmac(salt: Any, *args: Any, **options: Any) -> Any:
        hashed.append(str(salt))
        return crypto.salted_hmac(salt, *args, **options)

    for module in ("billing.use_cases.identity.sign_in.sign_in_codes", "billing.use_cases.count_attempt"):
        monkeypatch.setattr(f"{module}.salted_hmac", salted_hmac)
    costs = []
    # The first attempt also removes windows that have ended.
    for address in (
        "first@example.org",
        "ada@example.org",
        "user@example.org",
        "asked@example.org",
        "nobody@example.org",
    ):
        hashed.clear()
        with CaptureQueriesContext(connection) as queries:
            assert anybody.post("auth/verify", {"email": address, "code": "x"}).code == "wrong_code"
        statements = [re.sub(r'"s\d+_x\d+"', "", query["sql"].replace(address, "")) for query in queries]
        costs.append(([each.split(" WHERE ")[0] for each in statements], list(hashed)))
    assert costs[1] == costs[2] == costs[3] == costs[4]


def test_without_jwt_secret_tokens_are_signed_with_a_derived_key(anybody: Caller, settings: Any) -> None:
    settings.JWT_SECRET = ""
    tokens = sign_in(anybody)
    assert as_user(tokens).get("auth/me").status == 200
    settings.AUTH_ENABLED = False
    assert as_user(tokens).get("billing/balance").status == 401


def test_tokens_are_never_logged(anybody: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    tokens = sign_in(anybody)
    anybody.get(f"catalog/plans?token={tokens['token']}&refresh_token={tokens['refresh_token']}")
    refresh(anybody, tokens["refresh_token"])
    for secret in (tokens["token"], tokens["refresh_token"]):
        assert secret not in caplog.text
