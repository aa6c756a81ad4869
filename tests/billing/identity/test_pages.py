"""The sign-in pages of customers."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from billing.models import AuditEntry, Customer
from billing.use_cases.identity.sign_in.sign_in_codes import send_code
from tests.billing.identity.oidc_provider import OidcProvider, provider
from tests.factories import UserFactory
from tests.orders.subscriptions.run_renewals import queued_jobs

pytestmark = pytest.mark.django_db
__all__ = ["provider"]


def mailed_code() -> str:
    job = queued_jobs("send_sign_in_code")[-1]
    send_code(key=job["key"], language=job["language"])
    found = re.search(r"\b[0-9]{6}\b", str(mail.outbox[-1].body))
    assert found
    return found.group()


def sign_in(client: Client, **query: str) -> Any:
    client.get(reverse("account_login"), query)
    asked = client.post(reverse("account_login"), {"email": " Ada@example.org "})
    assert asked.headers["Location"] == reverse("account_code")
    return client.post(reverse("account_code"), {"code": mailed_code()})


def test_a_customer_signs_in_and_lands_on_the_first_page(client: Client) -> None:
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert "You are signed in as ada@example.org" in client.get("/").content.decode()
    assert client.get("/api/billing/balance").status_code == 200
    assert Customer.objects.get().email == "ada@example.org"
    assert AuditEntry.objects.get(action="user.signed_in").channel == "page"


def test_signing_out_ends_the_session(client: Client) -> None:
    sign_in(client)
    assert client.get(reverse("account_logout")).status_code == 200
    assert client.post(reverse("account_logout")).headers["Location"] == "/"
    assert client.get("/api/billing/balance").status_code == 401


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/api/docs", "/api/docs"),
        *((target, "/") for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x")),
    ],
)
def test_the_next_page_is_one_of_this_service(client: Client, target: str, location: str) -> None:
    assert sign_in(client, next=target).headers["Location"] == location


def test_a_wrong_code_is_said(client: Client) -> None:
    client.post(reverse("account_login"), {"email": "ada@example.org"})
    right = mailed_code()
    page = client.post(reverse("account_code"), {"code": f"{(int(right) + 1) % 10**6:06}"})
    assert "This code is wrong or has expired." in page.content.decode()


def test_without_an_address_there_is_no_code_to_enter(client: Client) -> None:
    assert client.get(reverse("account_code")).headers["Location"] == reverse("account_login")


def test_a_mailed_code_opens_no_session_of_staff(client: Client) -> None:
    user = UserFactory.create(email="ada@example.org", is_staff=True, is_superuser=True)
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    page = sign_in(client)
    assert "with a password" in page.content.decode()
    assert client.get(reverse("admin:index")).status_code == 302


def test_the_pages_need_the_csrf_token() -> None:
    strict = Client(enforce_csrf_checks=True)
    for name in ("account_login", "account_code", "account_logout"):
        assert strict.post(reverse(name), {"email": "ada@example.org"}).status_code == 403


def test_the_provider_signs_in(client: Client, provider: OidcProvider) -> None:
    url = client.get(reverse("account_provider")).headers["Location"]
    query = parse_qs(urlsplit(url).query)
    assert query["redirect_uri"] == [f"http://testserver{reverse('account_provider_callback')}"]
    code = provider.grant(url)
    answer = client.get(reverse("account_provider_callback"), {"code": code, "state": query["state"][0]})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert client.get("/api/billing/balance").status_code == 200


def test_another_browser_cannot_be_signed_in(client: Client, provider: OidcProvider) -> None:
    url = client.get(reverse("account_provider")).headers["Location"]
    back = {"code": provider.grant(url), "state": parse_qs(urlsplit(url).query)["state"][0]}
    answer = Client().get(reverse("account_provider_callback"), back)
    assert answer.status_code == 400
    assert "did not confirm" in answer.content.decode()


def test_without_a_provider_its_pages_say_so(client: Client) -> None:
    assert client.get(reverse("account_provider")).status_code == 404
    assert client.get(reverse("account_provider_callback")).status_code == 404
