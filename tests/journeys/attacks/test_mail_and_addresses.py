"""Attacks by mail and by addresses: bombing, look-alike letters, a second account with the same address."""

from typing import Any

import pytest
from django.core import mail

from billing.models import Customer, User
from tests.billing.api.conftest import bearer
from tests.billing.identity.oidc_provider import REDIRECT, OidcProvider, provider
from tests.journeys.front_end import FrontEnd, in_this_process, newest_code
from tests.journeys.people import Deployment, organization_of
from tests.journeys.worker import run_worker

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["provider"]

# One mailbox, as mail is delivered: the domain's letters are full-width, or hold characters that show nothing.
ONE_MAILBOX = [
    "ada@example.org",
    " ADA@Example.ORG ",
    "ada@\uff45xample.org",
    "ada@EX\uff21MPLE.org",
    "ada@exam\u00adple.org",
    "ada@ex\u200bample.org",
    "ada@example\u3002org",
    "ada@example\uff0eorg",
]


def ask(address: str, email: str) -> int:
    return FrontEnd(send=in_this_process(REMOTE_ADDR=address)).post("auth/magic-link", {"email": email}).status


def test_one_mailbox_is_not_bombed_by_many_clients_and_spellings() -> None:
    statuses = [ask(f"198.51.100.{n + 1}", ONE_MAILBOX[n % len(ONE_MAILBOX)]) for n in range(16)]
    assert statuses.count(200) == 5, statuses
    assert set(statuses[5:]) <= {400, 429}
    run_worker()
    # Codes that a newer one replaced are not mailed any more.
    assert [message.to for message in mail.outbox] == [["ada@example.org"]]


def test_one_network_does_not_bomb_many_mailboxes() -> None:
    statuses = [ask(f"2001:db8::{n + 1:x}", f"person-{n}@example.org") for n in range(32)]
    assert statuses == [200] * 30 + [429] * 2


def test_spellings_of_one_address_are_one_customer(catalog: None, deployment: Deployment) -> None:
    ada = deployment.customer("ada@example.org")
    for spelling in ("ADA@Example.org", "ada@\uff45xample.org", "ada@exam\u00adple.org"):
        front_end = deployment.front_end()
        assert front_end.post("auth/magic-link", {"email": spelling}).status == 200
        code = newest_code("ada@example.org")
        front_end.keep(front_end.post("auth/verify", {"email": spelling, "code": code}))
        assert front_end.user == ada.user
    assert User.objects.filter(email="ada@example.org").count() == 1


@pytest.mark.parametrize(
    "look_alike", ["\u0430da@example.org", "ada@ex\u0430mple.org", "ada@exam\u0440le.org", "\u0251da@example.org"]
)
def test_another_address_that_looks_alike_is_another_person_or_refused(
    catalog: None, deployment: Deployment, look_alike: str
) -> None:
    ada = deployment.customer("ada@example.org")
    mallory = deployment.front_end()
    asked = mallory.post("auth/magic-link", {"email": look_alike})
    run_worker()
    if asked.status == 400:
        return
    # The mail goes to the other domain, whose name is shown in letters that cannot be mistaken.
    [address] = mail.outbox[-1].to
    assert address.isascii()
    assert address != "ada@example.org"
    assert "xn--" in address
    code = newest_code(address)
    mallory.keep(mallory.post("auth/verify", {"email": look_alike, "code": code}))
    assert mallory.user["id"] != ada.user["id"]
    assert mallory.user["email"] == address


def test_an_invitation_of_a_look_alike_is_not_the_persons(catalog: None, deployment: Deployment) -> None:
    ada, bob = deployment.customer("ada@example.org"), deployment.customer("bob@example.org")
    tenant = organization_of(ada, "ada-bakery")
    invited = ada.post(f"tenant/orgs/{tenant}/members", {"email": "bob@ex\u0430mple.org"})
    assert invited.status in (201, 400)
    assert bob.read("tenant/orgs") == []
    # A spelling of the same mailbox is.
    assert ada.post(f"tenant/orgs/{tenant}/members", {"email": "BOB@\uff45xample.org"}).status == 201
    assert [org["id"] for org in bob.read("tenant/orgs")] == [tenant]


def test_an_unverified_address_brings_nobodys_account(
    catalog: None, deployment: Deployment, provider: OidcProvider
) -> None:
    ada = deployment.customer("ada@example.org")
    tenant = organization_of(ada, "ada-bakery")
    mallory = deployment.front_end()
    url = mallory.read(f"auth/google?redirect_uri={REDIRECT}")["url"]
    code = provider.grant(url, sub="mallory", email="ADA@example.org", email_verified=False)
    mallory.keep(mallory.post("auth/google/callback", {"code": code, "redirect_uri": REDIRECT}))
    assert mallory.user["id"] != ada.user["id"]
    assert mallory.read("tenant/orgs") == []
    assert mallory.get(f"tenant/orgs/{tenant}").status == 404
    # The second account stays one of its own when the owner comes back.
    assert deployment.customer("ada@example.org").user["id"] == ada.user["id"]


def test_an_account_that_was_there_first_with_an_unverified_address_gets_nothing_later(
    catalog: None, deployment: Deployment, provider: OidcProvider
) -> None:
    mallory = deployment.front_end()
    url = mallory.read(f"auth/google?redirect_uri={REDIRECT}")["url"]
    code = provider.grant(url, sub="mallory", email="ada@example.org", email_verified=False)
    mallory.keep(mallory.post("auth/google/callback", {"code": code, "redirect_uri": REDIRECT}))
    bob = deployment.customer("bob@example.org")
    tenant = organization_of(bob, "bobs")
    bob.post(f"tenant/orgs/{tenant}/members", {"email": "ada@example.org", "role": "admin"})
    assert mallory.read("tenant/orgs") == [], "an invitation is not for an address that nobody proved"
    ada = deployment.customer("ada@example.org")
    assert ada.user["id"] != mallory.user["id"]
    assert [org["id"] for org in ada.read("tenant/orgs")] == [tenant]
    assert mallory.read("tenant/orgs") == []


def test_an_address_in_a_token_of_the_platform_brings_nobodys_account(catalog: None, deployment: Deployment) -> None:
    ada = deployment.customer("ada@example.org")
    tenant = organization_of(ada, "ada-bakery")
    claims: dict[str, Any] = {"sub": "mallory", "email": "ada@example.org", "role": "member"}
    mallory = deployment.front_end(bearer(**claims)["Authorization"].split()[1])
    assert mallory.read("tenant/orgs") == []
    assert mallory.get(f"tenant/orgs/{tenant}").status == 404
    assert mallory.read("billing/balance")["entries"] == []
    assert Customer.objects.filter(user_id=ada.user["id"]).count() == 1


def test_an_invitation_cannot_bomb_a_mailbox(catalog: None, deployment: Deployment) -> None:
    mallory = deployment.customer("mallory@example.org")
    tenants = [organization_of(mallory, f"bomb-{number}") for number in range(5)]
    for number in range(30):
        path = f"tenant/orgs/{tenants[number % 5]}/members"
        invited = mallory.post(path, {"email": "victim@example.org"})
        assert invited.status in (201, 429)
        if invited.status == 201:
            run_worker("mail")
            mallory.delete(f"{path}/{invited.body['id']}")
    mails = [message for message in mail.outbox if message.to == ["victim@example.org"]]
    assert len(mails) == 10


@pytest.mark.parametrize(
    "address",
    [
        "a@b@example.org",
        "ada@example.org\nBcc: all@example.org",
        "ada@example.org,eve@example.org",
        "ada@example.org\u0000",
        "<ada@example.org>",
        "ada@",
        "@example.org",
        "a" * 255 + "@example.org",
        5,
        None,
        [],
        {"a": 1},
    ],
)
def test_what_is_no_address_is_refused(deployment: Deployment, address: Any) -> None:
    for path, body in (("auth/magic-link", {}), ("auth/verify", {"code": "123456"})):
        answer = deployment.front_end().post(path, {**body, "email": address})
        assert answer.status == 400, answer
        # A NUL is refused before the fields are read.
        assert "email" in answer.body.get("fields", {}) or "\u0000" in str(address)
    run_worker()
    assert mail.outbox == []
