import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from django.test import Client

from billing import provider_keys
from billing.api.access import tokens
from billing.api.access.tokens import IdentityProviderUnavailable, InvalidToken, verify_token
from billing.use_cases.identity.access_tokens import signing_key
from tests.billing.api.conftest import IdentityProvider, authorization, bearer, claims

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.billing.api.probe")]

INVALID = {"error": "the bearer token is not valid", "code": "invalid_token"}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def test_a_platform_token_identifies_its_bearer(api: Client) -> None:
    answer = api.get("/api/whoami", headers=bearer(role="auditor"), REMOTE_ADDR="192.0.2.7")
    assert answer.status_code == 200
    assert answer.json() == ["ada", "ada@example.org", "auditor", "192.0.2.7", "api"]


@pytest.mark.parametrize(
    ("said", "email"),
    [
        (None, "ada@example.org"),
        (True, "ada@example.org"),
        ("true", "ada@example.org"),
        (False, ""),
        ("false", ""),
    ],
)
def test_an_address_that_the_token_calls_unverified_counts_as_none(api: Client, said: Any, email: str) -> None:
    given = {"sub": "ada", "email": "ada@example.org"} | ({} if said is None else {"email_verified": said})
    assert api.get("/api/whoami", headers=bearer(**given)).json()[:2] == ["ada", email]


@pytest.mark.parametrize("session", ["0f1b7d2e-6c1d-4f0e-9a52-3f6f4a1f0a11", "a-session", 7])
def test_a_staff_token_may_name_a_session_of_the_identity_provider(
    api: Client, identity_provider: IdentityProvider, session: Any
) -> None:
    for headers in (
        authorization(identity_provider.token(role="auditor", sid=session)),
        bearer(role="auditor", sid=session),
    ):
        answer = api.get("/api/whoami", headers=headers)
        assert (answer.status_code, answer.json()[2]) == (200, "auditor")


def test_no_identity_is_401_and_says_how_to_give_one(api: Client) -> None:
    answer = api.get("/api/whoami")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json() == {"error": "sign in, or send a bearer token", "code": "not_authenticated"}


@pytest.mark.parametrize(
    "given",
    [
        {"exp": None},
        {"exp": int(time.time()) - 3600, "nbf": "x"},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": True},
        {"sub": None},
        {"sub": ""},
        {"sub": "  "},
        {"sub": 5},
        {"sub": ["ada"]},
        {"sub": "a\0b"},
        {"sub": "\ud800"},
        {"sub": "a" * 256},
        {"nbf": int(time.time()) + 3600},
    ],
)
def test_claims_that_prove_nothing_are_refused(api: Client, given: dict[str, Any]) -> None:
    answer = api.get("/api/whoami", headers=bearer(**given))
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_token"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_an_expired_token_is_refused_as_expired(api: Client) -> None:
    answer = api.get("/api/whoami", headers=bearer(exp=int(time.time()) - 11))
    assert answer.status_code == 401
    assert answer.json() == {"error": "the bearer token has expired", "code": "invalid_token"}


def test_clocks_may_differ_by_a_few_seconds(api: Client) -> None:
    assert api.get("/api/whoami", headers=bearer(exp=int(time.time()) - 5)).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "a b", f"{b64(b'[' * 5000)}.e30.e30", "..", "\0"])
def test_an_invalid_token_is_refused(api: Client, token: str) -> None:
    answer = api.get("/api/whoami", headers=authorization(token))
    assert answer.status_code == 401
    assert answer.json() == INVALID


def test_a_token_without_a_signature_is_refused(api: Client) -> None:
    for algorithm in ("none", "None", "NONE"):
        header = b64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        token = f"{header}.{b64(json.dumps(claims(role='superadmin')).encode())}."
        assert api.get("/api/whoami", headers=authorization(token)).json() == INVALID


def test_another_secret_and_another_algorithm_are_refused(api: Client) -> None:
    other = jwt.encode(claims(), "another-secret-0123456789-0123456789", algorithm="HS256")
    assert api.get("/api/whoami", headers=authorization(other)).json() == INVALID
    hs512 = jwt.encode(claims(), django_settings.JWT_SECRET * 2, algorithm="HS512")
    assert api.get("/api/whoami", headers=authorization(hs512)).json() == INVALID


def test_hs256_is_refused_where_only_the_identity_provider_signs(
    api: Client, settings: Any, identity_provider: IdentityProvider
) -> None:
    token = bearer()
    settings.JWT_SECRET = ""
    assert api.get("/api/whoami", headers=token).json() == INVALID
    assert api.get("/api/whoami", headers=authorization(identity_provider.token())).status_code == 200


def test_rs256_is_refused_where_no_identity_provider_is_configured(
    api: Client, settings: Any, identity_provider: IdentityProvider
) -> None:
    settings.JWT_JWKS_URL = ""
    assert api.get("/api/whoami", headers=authorization(identity_provider.token())).json() == INVALID
    assert identity_provider.requests == 0


def test_a_public_key_is_no_hmac_secret(api: Client, identity_provider: IdentityProvider) -> None:
    public = identity_provider.keys["first"].public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'first'}).encode())}.{b64(json.dumps(claims()).encode())}"
    signature = b64(hmac.digest(secret, signed.encode(), hashlib.sha256))
    assert api.get("/api/whoami", headers=authorization(f"{signed}.{signature}")).json() == INVALID


def test_a_token_cannot_bring_its_own_key(api: Client, identity_provider: IdentityProvider) -> None:
    attacker = IdentityProvider()
    attacker.new_key("first")
    attacker.thread.start()
    own_key = json.loads(attacker.published())["keys"][0]
    try:
        for header in ({"jwk": own_key}, {"jku": attacker.url}, {"x5u": attacker.url}, {"x5c": ["TUlJ"]}):
            for kid in ("first", attacker.url):
                forged = jwt.encode(claims(), attacker.keys["first"], "RS256", headers={"kid": kid, **header})
                assert api.get("/api/whoami", headers=authorization(forged)).json() == INVALID
    finally:
        attacker.stop()
    assert attacker.requests == 0
    assert api.get("/api/whoami", headers=authorization(identity_provider.token())).status_code == 200


@pytest.mark.parametrize("signer", ["platform", "identity provider"])
def test_issuer_and_audience_are_demanded_where_configured(
    api: Client, settings: Any, identity_provider: IdentityProvider, signer: str
) -> None:
    def signed(**given: Any) -> dict[str, str]:
        return bearer(**given) if signer == "platform" else authorization(identity_provider.token(**given))

    settings.JWT_ISSUER, settings.JWT_AUDIENCE = "https://id.example.om", "qasima"
    right = {"iss": "https://id.example.om", "aud": ["other", "qasima"]}
    assert api.get("/api/whoami", headers=signed(**right)).status_code == 200
    for wrong in ({"iss": "https://evil.example"}, {"iss": None}, {"aud": "other"}, {"aud": None}):
        assert api.get("/api/whoami", headers=signed(**{**right, **wrong})).json() == INVALID


def test_an_audience_does_not_matter_where_none_is_configured(api: Client) -> None:
    assert api.get("/api/whoami", headers=bearer(aud="another-service")).status_code == 200


@pytest.mark.parametrize("role", [None, "system", "Superadmin", "root", 7, ["superadmin"], {"a": 1}])
def test_an_unknown_role_is_a_customer(api: Client, role: Any) -> None:
    assert api.get("/api/whoami", headers=bearer(role=role)).json()[2] == "customer"


@pytest.mark.parametrize("email", ["ada@example.org ", "\tada@example.org\r\n", "\u00a0ada@example.org"])
def test_an_email_claim_with_blanks_around_it_is_trimmed(api: Client, email: str) -> None:
    assert api.get("/api/whoami", headers=bearer(email=email)).json()[:2] == ["ada", "ada@example.org"]


NO_ADDRESSES = [
    "ada",
    "ada.example.org",
    "@example.org",
    "ada@",
    "a da@example.org",
    "ada@example.org, bob@example.org",
]


@pytest.mark.parametrize("email", [None, 5, "a\0b", "\udfff", "x" * 255, "a@" + "b" * 250 + ".org", *NO_ADDRESSES])
def test_an_unusable_email_is_none(api: Client, email: Any) -> None:
    assert api.get("/api/whoami", headers=bearer(email=email)).json()[:2] == ["ada", ""]


def test_the_scheme_is_case_insensitive_and_others_are_no_identity(api: Client) -> None:
    token = bearer()["Authorization"].removeprefix("Bearer ")
    assert api.get("/api/whoami", headers={"Authorization": f"bearer  {token}"}).status_code == 200
    answer = api.get("/api/whoami", headers={"Authorization": "Basic YWRhOmFkYQ=="})
    assert answer.json()["code"] == "not_authenticated"


def test_an_identity_providers_token_is_verified_with_its_published_key(
    api: Client, identity_provider: IdentityProvider
) -> None:
    headers = authorization(identity_provider.token(sub="noor", role="superadmin"))
    for _ in range(3):
        assert api.get("/api/whoami", headers=headers).json()[:3] == ["noor", "ada@example.org", "superadmin"]
    assert identity_provider.requests == 1


def test_a_forged_signature_and_an_unknown_key_are_refused(api: Client, identity_provider: IdentityProvider) -> None:
    forged = IdentityProvider()
    forged.new_key("first")
    forged.new_key("other")
    forged.server.server_close()
    for kid in ("first", "other"):
        assert api.get("/api/whoami", headers=authorization(forged.token(kid=kid))).json() == INVALID
    without_kid = jwt.encode(claims(), forged.keys["first"], algorithm="RS256")
    assert api.get("/api/whoami", headers=authorization(without_kid)).json() == INVALID
    # For the first key and for the other one.
    assert identity_provider.requests == 2


def test_a_new_key_counts_at_once(api: Client, identity_provider: IdentityProvider) -> None:
    for kid in ("first", "second", "third"):
        identity_provider.keys.clear()
        identity_provider.new_key(kid)
        assert api.get("/api/whoami", headers=authorization(identity_provider.token(kid=kid))).status_code == 200
    assert identity_provider.requests == 3


def test_invented_key_ids_are_looked_up_once_in_a_while(
    api: Client, identity_provider: IdentityProvider, later: Callable[[float], None]
) -> None:
    for kid in ("invented", "another", "invented"):
        invented = jwt.encode(claims(), identity_provider.keys["first"], "RS256", headers={"kid": kid})
        assert api.get("/api/whoami", headers=authorization(invented)).json() == INVALID
    assert identity_provider.requests == 1
    identity_provider.new_key("second")
    new = authorization(identity_provider.token(kid="second"))
    assert api.get("/api/whoami", headers=new).json() == INVALID
    later(provider_keys.KEYS_UNKNOWN_SECONDS)
    assert api.get("/api/whoami", headers=new).status_code == 200
    assert identity_provider.requests == 2


def test_a_slow_provider_holds_up_one_request_only(
    identity_provider: IdentityProvider, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_keys, "KEYS_WAIT_SECONDS", 0.01)
    known = identity_provider.token()
    assert verify_token(known).user_id == "ada"
    identity_provider.new_key("second")
    new = identity_provider.token(kid="second", sub="bob")
    identity_provider.may_answer.clear()
    identity_provider.was_asked.clear()
    later(provider_keys.KEYS_FRESH_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(verify_token, known)
        assert identity_provider.was_asked.wait(10)
        assert verify_token(known).user_id == "ada"
        with pytest.raises(IdentityProviderUnavailable):
            verify_token(new)
        identity_provider.may_answer.set()
        assert waiting.result().user_id == "ada"
    assert verify_token(new).user_id == "bob"
    assert identity_provider.requests == 2


@pytest.mark.parametrize("name", ["JWT_SECRET", "SECRET_KEY"])
def test_tokens_of_the_present_and_of_another_secret_count_while_both_are_named(settings: Any, name: str) -> None:
    if name == "SECRET_KEY":
        settings.JWT_SECRET = ""
    old, new = getattr(settings, name), "the-new-secret-of-the-rotation-0123456789"

    def use(present: str, *fallbacks: str) -> None:
        setattr(settings, name, present)
        setattr(settings, f"{name}_FALLBACKS", list(fallbacks))

    def sign(secret: str) -> str:
        use(secret)
        return jwt.encode(claims(), signing_key(), algorithm="HS256")

    of_old, of_new, of_nobody = sign(old), sign(new), sign("a-secret-that-is-not-named-0123456789-0123456789")
    # Announced, taken, and at last alone.
    for present, fallbacks, valid in (
        (old, [new], [of_old, of_new]),
        (new, [old], [of_old, of_new]),
        (new, [], [of_new]),
    ):
        use(present, *fallbacks)
        for token in valid:
            assert verify_token(token).user_id == "ada"
        with pytest.raises(InvalidToken):
            verify_token(of_nobody)
        signs = signing_key()
        use(present)
        assert signs == signing_key()
    # A remembered token ends with its secret too.
    with pytest.raises(InvalidToken):
        verify_token(of_old)


def test_an_identity_provider_that_is_away_is_a_503(api: Client, identity_provider: IdentityProvider) -> None:
    token = authorization(identity_provider.token())
    identity_provider.stop()
    answer = api.get("/api/whoami", headers=token)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json() == {
        "error": "the identity provider cannot be reached: try again",
        "code": "identity_provider_unavailable",
    }
    # The platform's own tokens do not depend on it.
    assert api.get("/api/whoami", headers=bearer()).status_code == 200


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (302, b""),
        (200, b"<html>sorry</html>"),
        (200, b"\xff\xfe"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": 5}'),
    ],
)
def test_an_answer_that_is_no_key_set_is_a_503_and_not_asked_for_again_at_once(
    api: Client, identity_provider: IdentityProvider, status: int, body: bytes
) -> None:
    identity_provider.status, identity_provider.body = status, body
    token = authorization(identity_provider.token())
    for _ in range(3):
        assert api.get("/api/whoami", headers=token).json()["code"] == "identity_provider_unavailable"
    assert identity_provider.requests == 1


def test_known_keys_outlive_an_outage_of_their_provider(
    api: Client, identity_provider: IdentityProvider, later: Callable[[float], None]
) -> None:
    token = authorization(identity_provider.token())
    assert api.get("/api/whoami", headers=token).status_code == 200
    identity_provider.status = 500
    later(301)
    assert api.get("/api/whoami", headers=token).status_code == 200
    later(3600)
    assert api.get("/api/whoami", headers=token).status_code == 503
    identity_provider.status = 200
    later(6)
    assert api.get("/api/whoami", headers=token).status_code == 200


def test_a_key_that_is_not_rsa_verifies_nothing(api: Client, identity_provider: IdentityProvider) -> None:
    secret = b64(b"0123456789abcdef0123456789abcdef")
    keys = [{"kty": "oct", "kid": "first", "k": secret, "use": "sig", "alg": "HS256"}]
    identity_provider.body = json.dumps({"keys": keys}).encode()
    assert api.get("/api/whoami", headers=authorization(identity_provider.token())).json() == INVALID


def test_a_token_that_was_verified_is_verified_no_second_time(
    api: Client, monkeypatch: pytest.MonkeyPatch, identity_provider: IdentityProvider
) -> None:
    for headers in (bearer(), authorization(identity_provider.token())):
        assert api.get("/api/whoami", headers=headers).status_code == 200
        with monkeypatch.context() as patched:
            patched.setattr(jwt, "decode", None)
            assert api.get("/api/whoami", headers=headers).status_code == 200


def test_a_verified_token_counts_until_it_expires(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = bearer(exp=int(time.time()) + 600)
    assert api.get("/api/whoami", headers=headers).status_code == 200
    later = datetime.now(UTC) + timedelta(seconds=611)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Later":
            return cls.fromtimestamp(later.timestamp(), tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Later)
    monkeypatch.setattr(time, "time", later.timestamp)
    answer = api.get("/api/whoami", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "the bearer token has expired")


def test_a_verified_token_is_refused_once_its_key_is_withdrawn(
    api: Client, identity_provider: IdentityProvider, later: Callable[[float], None]
) -> None:
    headers = authorization(identity_provider.token())
    assert api.get("/api/whoami", headers=headers).status_code == 200
    identity_provider.new_key("first")
    assert api.get("/api/whoami", headers=headers).status_code == 200
    later(provider_keys.KEYS_FRESH_SECONDS)
    assert api.get("/api/whoami", headers=headers).json() == INVALID
    assert api.get("/api/whoami", headers=authorization(identity_provider.token())).status_code == 200


def test_a_verified_token_is_refused_under_other_settings(api: Client, settings: Any) -> None:
    headers = bearer(iss="https://id.example", aud="shop")
    settings.JWT_AUDIENCE, settings.JWT_ISSUER = "shop", "https://id.example"
    assert api.get("/api/whoami", headers=headers).status_code == 200
    for name, other in (("JWT_AUDIENCE", "bank"), ("JWT_ISSUER", "https://other.example"), ("JWT_SECRET", "x" * 40)):
        before = getattr(settings, name)
        setattr(settings, name, other)
        assert api.get("/api/whoami", headers=headers).json() == INVALID
        setattr(settings, name, before)
    assert api.get("/api/whoami", headers=headers).status_code == 200


def test_no_part_of_a_verified_token_can_be_changed(api: Client) -> None:
    token = bearer()["Authorization"].removeprefix("Bearer ")
    assert api.get("/api/whoami", headers=authorization(token)).status_code == 200
    for place in (0, token.index(".") + 5, len(token) - 5):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert api.get("/api/whoami", headers=authorization(changed)).json() == INVALID


def test_a_process_remembers_a_limited_number_of_tokens(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_VERIFIED_TOKENS", 2)
    for number in range(5):
        assert api.get("/api/whoami", headers=bearer(sub=f"user-{number}")).status_code == 200
        assert len(tokens._verified_tokens) <= 2
