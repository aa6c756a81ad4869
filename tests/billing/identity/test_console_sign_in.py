"""Sign-in to the console: limited, recorded by name, and with a second factor."""

import re
import time
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import encrypt
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from billing.models import AuditEntry, User
from billing.use_cases.identity.sessions import open_session, refresh_session
from billing.use_cases.identity.users import ensure_user
from tests.contract.api_client import Caller
from tests.contract.json_shapes import assert_refused
from tests.factories import UserFactory, actor

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def noor() -> User:
    user = UserFactory.create(username="noor", email="noor@example.org", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    user.groups.add(Group.objects.get(name="superadmin"))
    # The console stores an address of staff as proved.
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def with_second_factor(noor: User) -> User:
    Authenticator.objects.create(user=noor, type="totp", data={"secret": encrypt(SECRET)})
    RecoveryCodes.activate(noor)
    return noor


def current_code(secret: str = SECRET) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))


def sign_in(client: Client, *, username: str = "noor", password: str = PASSWORD, otp: str = "") -> Any:
    form = {"username": username, "password": password, "otp": otp}
    return client.post(reverse("admin:login"), form)


def errors_of(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(answer.context["form"].non_field_errors())


@pytest.mark.parametrize("username", ["noor", "noor@example.org", "NOOR@example.org"])
def test_a_name_or_an_address_and_the_password_open_the_console(client: Client, noor: User, username: str) -> None:
    assert sign_in(client, username=username).status_code == 302
    assert client.get(reverse("admin:index")).status_code == 200
    entry = AuditEntry.objects.get(action="user.signed_in")
    assert (entry.actor_id, entry.actor_role, entry.channel) == (noor.sub, "superadmin", "admin")
    assert (entry.object_id, entry.address) == (str(noor.pk), "127.0.0.1")


def test_a_wrong_password_is_recorded_by_name(client: Client, noor: User) -> None:
    assert "correct" in errors_of(sign_in(client, password="wrong"))
    entry = AuditEntry.objects.get(action="user.sign_in_failed")
    assert (entry.object_id, entry.address, entry.channel) == ("noor", "127.0.0.1", "admin")
    assert entry.changes == {"method": [None, "password"]}


def test_three_hundred_passwords_are_not_tried(client: Client, noor: User) -> None:
    for _ in range(10):
        sign_in(client, password="wrong")
    assert "Too many attempts" in errors_of(sign_in(client))
    # Neither another address nor the user's other name helps.
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    assert "Too many attempts" in errors_of(sign_in(elsewhere, username="noor@example.org"))
    assert AuditEntry.objects.filter(action="user.sign_in_failed").count() == 10


def test_one_client_cannot_try_many_accounts(client: Client, noor: User) -> None:
    for number in range(30):
        sign_in(client, username=f"user-{number}", password="wrong")
    assert "Too many attempts" in errors_of(sign_in(client))
    assert sign_in(Client(REMOTE_ADDR="198.51.100.7")).status_code == 302


def test_addresses_of_one_ipv6_network_count_as_one_client(client: Client, noor: User) -> None:
    for number in range(30):
        sign_in(Client(REMOTE_ADDR=f"2001:db8::{number + 1:x}"), username=f"user-{number}", password="wrong")
    assert "Too many attempts" in errors_of(sign_in(Client(REMOTE_ADDR="2001:db8::ffff")))


def test_a_second_factor_is_asked(client: Client, with_second_factor: User) -> None:
    assert "authenticator app" in errors_of(sign_in(client))
    assert "wrong" in errors_of(sign_in(client, otp="000000"))
    assert client.get(reverse("admin:index")).status_code == 302
    assert sign_in(client, otp=current_code()).status_code == 302
    assert client.get(reverse("admin:index")).status_code == 200
    assert AuditEntry.objects.get(action="user.sign_in_failed").changes == {"method": [None, "second factor"]}


def test_a_code_of_the_app_works_once(client: Client, with_second_factor: User) -> None:
    code = current_code()
    assert sign_in(client, otp=code).status_code == 302
    assert "wrong" in errors_of(sign_in(Client(), otp=code))


def test_a_recovery_code_works_once(client: Client, with_second_factor: User) -> None:
    stored = Authenticator.objects.get(user=with_second_factor, type="recovery_codes")
    code = stored.wrap().get_unused_codes()[0]
    assert sign_in(client, otp=code).status_code == 302
    assert "wrong" in errors_of(sign_in(Client(), otp=code))


def test_codes_of_the_app_cannot_be_guessed(client: Client, with_second_factor: User) -> None:
    for _ in range(10):
        sign_in(client, otp="000000")
        sign_in(client)
    assert "Too many attempts" in errors_of(sign_in(client, otp=current_code()))


def test_the_api_asks_the_second_factor_too(with_second_factor: User) -> None:
    anybody = Caller()
    body = {"email": "noor@example.org", "password": PASSWORD}
    assert_refused(anybody.post("auth/login", body), 401, "second_factor_required")
    assert_refused(anybody.post("auth/login", {**body, "otp": "000000"}), 401, "wrong_second_factor")
    assert_refused(anybody.post("auth/login", {**body, "password": "wrong"}), 401, "wrong_credentials")
    assert anybody.post("auth/login", {**body, "otp": current_code()}).status == 200


def test_the_secret_of_the_app_is_stored_encrypted(with_second_factor: User) -> None:
    assert SECRET not in str(list(Authenticator.objects.values()))


def test_staff_set_up_a_second_factor(client: Client, noor: User) -> None:
    sign_in(client)
    page = client.get(reverse("mfa_activate_totp"), follow=True)
    assert page.redirect_chain[-1][0].startswith(reverse("account_reauthenticate"))
    next_page = client.post(page.redirect_chain[-1][0], {"password": PASSWORD}, follow=True)
    assert next_page.status_code == 200
    secret = str(next_page.context["form"].secret)
    client.post(reverse("mfa_activate_totp"), {"code": current_code(secret)})
    assert Authenticator.objects.filter(user=noor, type="totp").exists()
    assert "authenticator app" in errors_of(sign_in(Client()))


def test_asking_a_password_again_is_limited_and_recorded(client: Client, noor: User) -> None:
    client.force_login(noor)
    for _ in range(12):
        client.post(reverse("account_reauthenticate"), {"password": "wrong"})
    failed = AuditEntry.objects.filter(action="user.sign_in_failed", object_id="noor")
    assert 0 < failed.count() <= 10


@pytest.mark.django_db(transaction=True)
def test_setting_up_a_second_factor_is_recorded(client: Client, django_db_blocker: Any) -> None:
    user = UserFactory.create(username="noor", is_staff=True, is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    sign_in(client)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    secret = str(client.get(reverse("mfa_activate_totp")).context["form"].secret)
    client.post(reverse("mfa_activate_totp"), {"code": current_code(secret)})
    assert AuditEntry.objects.get(action="user.totp_activated").object_id == str(user.pk)


def test_an_own_password_change_is_recorded_and_ends_the_other_sessions(client: Client, noor: User) -> None:
    other = Client()
    for each in (client, other):
        sign_in(each)
    tokens = open_session(user=noor, method="password")
    new = "another horse battery staple"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post(reverse("admin:password_change"), form).status_code == 302
    entry = AuditEntry.objects.get(action="user.password_changed")
    assert (entry.object_id, entry.actor_id, entry.channel) == (str(noor.pk), noor.sub, "admin")
    assert client.get(reverse("admin:index")).status_code == 200
    assert other.get(reverse("admin:index")).status_code == 302
    with pytest.raises(Exception, match="sign in again"):
        refresh_session(token=tokens.refresh, by=actor())


def test_a_wrong_old_password_changes_and_records_nothing(client: Client, noor: User) -> None:
    sign_in(client)
    form = {"old_password": "wrong", "new_password1": "x" * 20, "new_password2": "x" * 20}
    assert client.post(reverse("admin:password_change"), form).status_code == 200
    assert not AuditEntry.objects.filter(action="user.password_changed").exists()


def test_the_sign_in_page_shows_a_field_for_the_code(client: Client) -> None:
    content = client.get(reverse("admin:login")).content.decode()
    assert re.search(r'name="otp"', content)


def test_a_customer_is_asked_for_no_password(client: Client) -> None:
    client.force_login(ensure_user(address="ada@example.org", by=actor()))
    assert client.get(reverse("account_reauthenticate")).status_code == 403
