"""People who sign in over HTTP: staff with a second factor, customers by mail."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import encrypt
from django.contrib.auth.models import Group

from billing.models import User
from tests.factories import UserFactory
from tests.journeys.front_end import FrontEnd, Transport, in_this_process

PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def current_code() -> str:
    """The code that the authenticator app shows now."""
    return str(totp.format_hotp_value(totp.hotp_value(SECRET, int(time.time()) // 30)))


def member_of_staff(role: str) -> User:
    """Make a member of staff, as a superadmin does in the console."""
    user = UserFactory.create(username=role, email=f"{role}@example.org", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    user.groups.add(Group.objects.get(name=role))
    Authenticator.objects.create(user=user, type="totp", data={"secret": encrypt(SECRET)})
    return user


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running service: how requests reach it, and its API's root."""

    connect: Callable[[], Transport] = in_this_process
    root: str = "/api/"
    hash_password: Callable[[str], str] | None = None

    def front_end(self, token: str = "") -> FrontEnd:
        """A front end that nobody has signed in at, or that has a token of the platform."""
        return FrontEnd(send=self.connect(), root=self.root, token=token)

    def customer(self, email: str) -> FrontEnd:
        """A front end of a customer who has signed in by a mailed code."""
        return self.front_end().sign_in(email)

    def staff(self, role: str) -> FrontEnd:
        """A front end of a member of staff who has signed in with password and second factor."""
        user = member_of_staff(role)
        if self.hash_password:
            User.objects.filter(pk=user.pk).update(password=self.hash_password(PASSWORD))
        front_end = self.front_end()
        front_end.otp = current_code()
        credentials = {"email": user.email, "password": PASSWORD, "otp": front_end.otp}
        front_end.keep(front_end.post("auth/login", credentials))
        return front_end


def organization_of(owner: FrontEnd, slug: str) -> str:
    """Create an organization of the owner and return its id."""
    made = owner.post("tenant/orgs", {"slug": slug, "name": slug.title()})
    assert made.status == 201, made
    return str(made.body["id"])
