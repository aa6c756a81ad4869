from collections.abc import Iterator
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Now, Upper
from django.utils.crypto import salted_hmac

from billing.text import MAX_EMAIL_LENGTH


def new_user_id() -> str:
    return str(uuid4())


class User(AbstractUser):
    """A person who signs in at this service's own pages: staff in the console, customers in the shop.

    `sub` is the user id on the platform, the same that a bearer token carries.
    """

    sub = models.CharField(max_length=255, unique=True, default=new_user_id, verbose_name="platform user id")
    avatar_url = models.CharField(max_length=500, blank=True, default="", db_default="")
    # Part of every session's hash: a higher number ends all sessions of the user.
    session_version = models.IntegerField(default=0, db_default=0, editable=False)
    # The language of mails to staff: the one in which they read the console last; empty for the default.
    language = models.CharField(max_length=7, blank=True, default="", db_default="", editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "billing_user"
        constraints = [
            models.CheckConstraint(condition=~models.Q(sub=""), name="billing_user_sub_given"),
        ]

    def get_session_auth_hash(self) -> str:
        return self._hash_session(settings.SECRET_KEY)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return (self._hash_session(secret) for secret in settings.SECRET_KEY_FALLBACKS)

    def _hash_session(self, secret: str) -> str:
        return salted_hmac(
            "session of a user", f"{self.session_version}:{self.password}", secret=secret, algorithm="sha256"
        ).hexdigest()


# The mails that a customer may decline, by the names of their templates.
OPTIONAL_MAILS = ("credit_expires", "renewal_ahead", "credit_runs_out")


class Customer(models.Model):
    """Somebody who may hold credit: one row for each user id that ever acted, never deleted.

    A customer that was merged into another one can no longer act. Its ledger entries, holds and answers stay with it.
    """

    user_id = models.CharField(max_length=255, unique=True)
    email = models.CharField(max_length=MAX_EMAIL_LENGTH, blank=True, default="", db_default="")
    stripe_customer_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    # The language of mails: the one that the customer used last; empty for the default.
    language = models.CharField(max_length=7, blank=True, default="", db_default="")
    declined_mails = ArrayField(models.CharField(max_length=20), blank=True, default=list, db_default=[])
    created_at = models.DateTimeField(db_default=Now())
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="merged_customers", null=True, blank=True, db_index=False
    )
    merged_at = models.DateTimeField(null=True, blank=True)
    # Since then nothing here says who the customer was.
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(user_id=""), name="billing_customer_user_id_given"),
            models.CheckConstraint(
                condition=models.Q(merged_into__isnull=True, merged_at__isnull=True)
                | models.Q(merged_into__isnull=False, merged_at__isnull=False),
                name="billing_customer_merged_at_fits",
            ),
            models.CheckConstraint(
                condition=models.Q(declined_mails__contained_by=list(OPTIONAL_MAILS)),
                name="billing_customer_declines_optional_mails",
            ),
            models.CheckConstraint(
                condition=models.Q(erased_at__isnull=True) | models.Q(email="", language="", declined_mails=[]),
                name="billing_customer_erased_is_empty",
            ),
            models.UniqueConstraint(
                fields=["stripe_customer_id"],
                condition=~models.Q(stripe_customer_id=""),
                name="billing_customer_stripe_customer_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="billing_customer_newest"),
            # It serves searches by the whole address, in any case, and by its beginning.
            models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="billing_customer_by_email"),
            models.Index(
                fields=["merged_into"],
                condition=models.Q(merged_into__isnull=False),
                name="billing_customer_merged",
            ),
        ]

    def __str__(self) -> str:
        return self.email or self.user_id
