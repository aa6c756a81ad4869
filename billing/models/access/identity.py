from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from billing.text import MAX_EMAIL_LENGTH

from ..customer import User
from ..keys import Uuid7

CODE_MAX_ATTEMPTS = 5


class SignInCode(models.Model):
    """The one sign-in code that was mailed to an address and was not used yet.

    The code itself is not stored. It is derived from `key` with a secret of the settings.
    """

    email = models.CharField(max_length=MAX_EMAIL_LENGTH)
    key = models.UUIDField()
    wrong_attempts = models.SmallIntegerField(default=0, db_default=0)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["email"], name="billing_signincode_email_once"),
            models.UniqueConstraint(fields=["key"], name="billing_signincode_key_once"),
            models.CheckConstraint(condition=~Q(email="") & Q(email=Lower("email")), name="billing_signincode_email"),
            models.CheckConstraint(
                condition=Q(wrong_attempts__gte=0, wrong_attempts__lt=CODE_MAX_ATTEMPTS),
                name="billing_signincode_attempts",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="billing_signincode_expired")]

    def __str__(self) -> str:
        return self.email


class SignInSession(models.Model):
    """One sign-in through the API. Its refresh tokens follow one another; ending it ends all of them."""

    class Method(models.TextChoices):
        CODE = "code"
        PASSWORD = "password"  # noqa: S105 - the name of a way to sign in
        PROVIDER = "provider"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    method = models.CharField(max_length=10, choices=Method)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(method__in=["code", "password", "provider"]), name="billing_signinsession_method_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.created_at:%Y-%m-%d %H:%M}"


class RefreshToken(models.Model):
    """One refresh token of a session: its hash, never the token. It may be used once."""

    session = models.ForeignKey(SignInSession, on_delete=models.CASCADE)
    token_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token_hash"], name="billing_refreshtoken_once"),
            models.CheckConstraint(condition=Q(token_hash__regex="^[0-9a-f]{64}$"), name="billing_refreshtoken_hash"),  # noqa: S106
        ]
        indexes = [models.Index(fields=["expires_at"], name="billing_refreshtoken_expired")]

    def __str__(self) -> str:
        return f"until {self.expires_at:%Y-%m-%d %H:%M}"


class ProviderAccount(models.Model):
    """A user's account at an OpenID Connect provider."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="billing_provideraccount_once"),
            models.CheckConstraint(
                condition=~Q(issuer="") & ~Q(subject=""), name="billing_provideraccount_subject_given"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
