"""Attacks on the rules of sign-in, for test_constraints.py."""

from tests.rules import Attack, Attacks, inserting

_HASH = "repeat('0a', 32)"
_USER = inserting(
    "billing_user",
    {
        "username": "'eve'",
        "sub": "'eve'",
        "password": "''",
        "email": "''",
        "first_name": "''",
        "last_name": "''",
        "is_superuser": "false",
        "is_staff": "false",
        "is_active": "true",
        "date_joined": "now()",
    },
)
_EVE = "(SELECT id FROM billing_user WHERE sub = 'eve')"
_SESSION = {"user_id": _EVE, "method": "'code'"}
_TOKEN = {
    "session_id": "(SELECT id FROM billing_signinsession LIMIT 1)",
    "token_hash": _HASH,
    "expires_at": "now()",
}
_ACCOUNT = {"user_id": _EVE, "issuer": "'https://id.example.org'", "subject": "'1'"}
VALID_CODE = {"email": "'eve@example.org'", "key": "gen_random_uuid()", "expires_at": "now()"}


def code(**wrong: str) -> str:
    return inserting("billing_signincode", VALID_CODE, **wrong)


def session(**wrong: str) -> str:
    return inserting("billing_signinsession", _SESSION, **wrong)


def token(**wrong: str) -> str:
    return inserting("billing_refreshtoken", _TOKEN, **wrong)


def account(**wrong: str) -> str:
    return inserting("billing_provideraccount", _ACCOUNT, **wrong)


SIGN_IN: Attacks = {
    "billing_signincode_email_once": [Attack(code(), [code()])],
    "billing_signincode_key_once": [
        Attack(code(key=f"'{'0' * 32}'", email="'mia@example.org'"), [code(key=f"'{'0' * 32}'")])
    ],
    "billing_signincode_email": [code(email="''"), code(email="'Eve@example.org'")],
    "billing_signincode_attempts": [code(wrong_attempts="-1"), code(wrong_attempts="5")],
    "billing_signinsession_method_known": [Attack(session(method="'guess'"), [_USER])],
    "billing_refreshtoken_once": [Attack(token(), [_USER, session(), token()])],
    "billing_refreshtoken_hash": [
        Attack(token(token_hash=wrong), [_USER, session()]) for wrong in ("''", "'secret'", "repeat('G', 64)")
    ],
    "billing_provideraccount_once": [Attack(account(), [_USER, account()])],
    "billing_provideraccount_subject_given": [
        Attack(account(subject="''"), [_USER]),
        Attack(account(issuer="''"), [_USER]),
    ],
}
