"""Sign-in at an OpenID Connect provider, against a provider of the tests' own."""

import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from billing.models import User
from tests.billing.identity.oidc_provider import CLIENT_ID, ORIGIN, REDIRECT, OidcProvider, provider
from tests.factories import UserFactory

from .api_client import Answer, Caller
from .json_shapes import assert_refused
from .test_identity import sign_in

pytestmark = pytest.mark.django_db
__all__ = ["provider"]


def start(caller: Caller, redirect_uri: str = REDIRECT) -> str:
    answer = caller.get(f"auth/google?redirect_uri={redirect_uri}")
    assert (answer.status, set(answer.body)) == (200, {"url"})
    return str(answer.body["url"])


def finish(caller: Caller, code: str, redirect_uri: str = REDIRECT) -> Answer:
    return caller.post("auth/google/callback", {"code": code, "redirect_uri": redirect_uri})


def enter(caller: Caller, provider: OidcProvider, **person: Any) -> Answer:
    return finish(caller, provider.grant(start(caller), **person))


def test_without_a_provider_it_is_not_configured(anybody: Caller) -> None:
    assert_refused(anybody.get(f"auth/google?redirect_uri={REDIRECT}"), 404, "not_configured")
    assert_refused(finish(anybody, "code"), 404, "not_configured")
    assert_refused(anybody.post("auth/google/callback", {}), 404, "not_configured")


def test_the_url_is_the_providers(anybody: Caller, provider: OidcProvider) -> None:
    url = urlsplit(start(anybody))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{provider.issuer}/login"
    query = parse_qs(url.query)
    assert query["client_id"] == [CLIENT_ID]
    assert query["redirect_uri"] == [REDIRECT]
    assert query["response_type"] == ["code"]
    assert "openid" in query["scope"][0]


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "",
        "https://evil.example/callback",
        f"{ORIGIN}.evil.example/callback",
        "http://shop.example.om/callback",
        f"{ORIGIN}@evil.example/",
        "//shop.example.om/",
        "javascript:alert(1)",
        f"{ORIGIN}:8443/",
        f"{ORIGIN}/%23x",
    ],
)
def test_redirects_elsewhere_are_refused(anybody: Caller, provider: OidcProvider, redirect_uri: str) -> None:
    if redirect_uri.endswith("%23x"):
        assert_refused(finish(anybody, "code", f"{ORIGIN}/#x"), 400, "redirect_not_allowed")
    assert_refused(anybody.get(f"auth/google?redirect_uri={redirect_uri}"), 400, "redirect_not_allowed")
    assert finish(anybody, "code", redirect_uri).status == 400


def test_a_new_person_becomes_a_customer_and_is_known_again(anybody: Caller, provider: OidcProvider) -> None:
    picture = "https://pictures.example/ada.png"
    first = enter(anybody, provider, name="Ada Lovelace", picture=picture)
    assert first.status == 200
    assert set(first.body) == {"token", "refresh_token", "user"}
    user = first.body["user"]
    assert (user["email"], user["name"], user["avatar_url"]) == ("ada@example.org", "Ada Lovelace", picture)
    again = enter(anybody, provider, email="new@example.org")
    assert again.body["user"]["id"] == user["id"]


def test_a_verified_address_leads_to_the_user_of_the_code(anybody: Caller, provider: OidcProvider) -> None:
    by_code = sign_in(anybody)
    assert enter(anybody, provider).body["user"]["id"] == by_code["user"]["id"]
    assert sign_in(anybody)["user"]["id"] == by_code["user"]["id"]


@pytest.mark.parametrize("verified", [False, None, "false", 1])
def test_an_unverified_address_takes_over_no_account(anybody: Caller, provider: OidcProvider, verified: Any) -> None:
    owner = sign_in(anybody)["user"]["id"]
    attacker = enter(anybody, provider, email_verified=verified)
    assert attacker.status == 200
    assert attacker.body["user"]["id"] != owner
    assert sign_in(anybody)["user"]["id"] == owner


def test_an_account_made_before_with_the_same_unverified_address_gets_nothing(
    anybody: Caller, provider: OidcProvider
) -> None:
    attacker = enter(anybody, provider, email_verified=False).body["user"]["id"]
    assert sign_in(anybody)["user"]["id"] != attacker


def test_the_platforms_own_provider_keeps_its_user_id(anybody: Caller, provider: OidcProvider, settings: Any) -> None:
    settings.JWT_ISSUER = provider.issuer
    assert enter(anybody, provider).body["user"]["id"] == "ada-at-the-provider"


def test_staff_get_their_role(anybody: Caller, provider: OidcProvider) -> None:
    user = UserFactory.create(email="ada@example.org", is_superuser=True)
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    assert enter(anybody, provider).body["user"]["role"] == "superadmin"


def test_a_deactivated_user_is_refused(anybody: Caller, provider: OidcProvider) -> None:
    enter(anybody, provider)
    User.objects.update(is_active=False)
    assert_refused(enter(anybody, provider), 400, "provider_refused")


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.example"},
        {"aud": "another-client"},
        {"exp": 1},
        {"nonce": None},
        {"nonce": "made up"},
        {"sub": None},
        {"email": None},
    ],
    ids=str,
)
def test_a_wrong_token_is_refused(anybody: Caller, provider: OidcProvider, wrong: dict[str, Any]) -> None:
    assert_refused(enter(anybody, provider, **wrong), 400, "provider_refused")
    assert not User.objects.exists()


def test_a_nonce_of_another_redirect_is_refused(anybody: Caller, provider: OidcProvider) -> None:
    other = parse_qs(urlsplit(start(anybody, f"{ORIGIN}/other")).query)["nonce"][0]
    assert_refused(enter(anybody, provider, nonce=other), 400, "provider_refused")


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def forged(provider: OidcProvider, algorithm: str, key: Any) -> None:
    claims = jwt.decode(provider.codes["code"]["id_token"], options={"verify_signature": False})
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "one"})
    provider.codes["code"]["id_token"] = token


def test_a_token_signed_by_another_key_is_refused(anybody: Caller, provider: OidcProvider) -> None:
    provider.grant(start(anybody))
    forged(provider, "RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert_refused(finish(anybody, "code"), 400, "provider_refused")


def test_an_unsigned_token_is_refused(anybody: Caller, provider: OidcProvider) -> None:
    provider.grant(start(anybody))
    forged(provider, "none", None)
    assert_refused(finish(anybody, "code"), 400, "provider_refused")


def test_the_public_key_is_no_secret_of_hs256(anybody: Caller, provider: OidcProvider) -> None:
    provider.grant(start(anybody))
    public = provider.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    # PyJWT itself refuses to sign so.
    header, claims, _ = provider.codes["code"]["id_token"].split(".")
    header = encoded(json.dumps({"alg": "HS256", "kid": "one", "typ": "JWT"}).encode())
    signature = encoded(hmac.digest(public, f"{header}.{claims}".encode(), "sha256"))
    provider.codes["code"]["id_token"] = f"{header}.{claims}.{signature}"
    assert_refused(finish(anybody, "code"), 400, "provider_refused")


def test_a_code_works_once(anybody: Caller, provider: OidcProvider) -> None:
    code = provider.grant(start(anybody))
    assert finish(anybody, code).status == 200
    assert_refused(finish(anybody, code), 400, "provider_refused")


def test_the_address_may_come_from_the_user_information(anybody: Caller, provider: OidcProvider) -> None:
    provider.userinfo = {"sub": "ada-at-the-provider", "email": "ada@example.org", "email_verified": True}
    answer = enter(anybody, provider, email=None, email_verified=None)
    assert answer.body["user"]["email"] == "ada@example.org"


def test_user_information_about_somebody_else_is_ignored(anybody: Caller, provider: OidcProvider) -> None:
    provider.userinfo = {"sub": "mallory", "email": "ada@example.org", "email_verified": True}
    assert_refused(enter(anybody, provider, email=None, email_verified=None), 400, "provider_refused")


def test_a_provider_that_fails_is_a_503(anybody: Caller, provider: OidcProvider) -> None:
    code = provider.grant(start(anybody))
    provider.status = 500
    assert_refused(finish(anybody, code), 503, "identity_provider_unavailable")


def test_an_unverified_address_joins_no_organization(
    anybody: Caller, ada: Caller, acme: str, provider: OidcProvider
) -> None:
    ada.post(f"tenant/orgs/{acme}/members", {"email": "eve@example.org"})
    for verified, joined in ((False, []), (True, [acme])):
        person = {"sub": f"eve-{verified}", "email": "eve@example.org", "email_verified": verified}
        token = enter(anybody, provider, **person).body["token"]
        eve = Caller(headers={"Authorization": f"Bearer {token}"})
        assert [each["id"] for each in eve.get("tenant/orgs").body] == joined
