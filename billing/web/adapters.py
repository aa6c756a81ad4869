"""Gives django-allauth's pages this service's limits, records and encryption. They sign nobody up."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext

from billing.actor import Actor, anonymous_actor
from billing.errors import TooManyAttempts
from billing.models import User
from billing.use_cases.identity.passwords import count_password_attempt, forget_failed_passwords, record_failure
from billing.use_cases.identity.second_factor_secrets import decrypt_secret, encrypt_secret
from billing.use_cases.identity.sign_in.complete_sign_in import actor_for
from billing.use_cases.record_audit import record_audit


def page_actor(request: HttpRequest) -> Actor:
    """Returns the actor of a page whose visitor's identity is not proved yet."""
    return anonymous_actor(channel="page", address=request.META.get("REMOTE_ADDR") or None)


class AccountAdapter(DefaultAccountAdapter):
    """Counts and records the passwords that pages ask again, and records changes of a second factor."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Returns the address that the proxies' middleware found."""
        return request.META.get("REMOTE_ADDR") or "::"

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Tells whether the user proves the identity again. Customers have no password to prove it with.

        Their first second factor needs only the session; each later change needs the present factor.
        """
        return bool(get_reauthentication_flows(self.request.user)) and bool(
            super().is_reauthentication_required(app=app, **kwargs)
        )

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        user = User.objects.filter(username=credentials.get("username", "")).first()
        try:
            self._account = count_password_attempt(
                name=credentials.get("username", ""), user=user, address=page_actor(request).address
            )
        except TooManyAttempts as error:
            raise ValidationError(gettext("Too many attempts. Try again later.")) from error

    def _rollback_login_failed_rl_usage(self) -> None:
        """Forgets the attempts before a right password. django-allauth calls it where it would do so itself."""
        forget_failed_passwords(account=self._account, address=page_actor(self.request).address)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        record_failure(name=credentials.get("username", ""), method="password", by=page_actor(request))

    def send_notification_mail(
        self,
        template_prefix: str,
        user: AbstractBaseUser,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Records what allauth would mail, such as `user.totp_activated`."""
        if isinstance(user, User):
            record_audit(
                action=f"user.{template_prefix.rpartition('/')[2]}",
                object_type="user",
                object_id=str(user.pk),
                by=actor_for(user, page_actor(self.request)),
            )


class MFAAdapter(DefaultMFAAdapter):
    """Encrypts the secrets of authenticator apps, and names the Sovereign in them."""

    def encrypt(self, text: str) -> str:
        return encrypt_secret(text)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt_secret(encrypted_text)

    def get_totp_issuer(self) -> str:
        return str(settings.SOVEREIGN_NAME)
