from uuid import uuid4

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now, Upper


def new_user_id() -> str:
    return str(uuid4())


class User(AbstractUser):
    """Who signs in at this service's own pages: staff in the console, customers in the shop.

    `sub` is the user id on the platform, the same that a bearer token carries.
    """

    sub = models.CharField(max_length=255, unique=True, default=new_user_id, verbose_name="platform user id")

    class Meta(AbstractUser.Meta):
        db_table = "billing_user"
        constraints = [
            models.CheckConstraint(condition=~models.Q(sub=""), name="billing_user_sub_given"),
        ]


class Customer(models.Model):
    """Somebody who may hold credit: one row for each user id that ever acted, never deleted."""

    user_id = models.CharField(max_length=255, unique=True)
    email = models.CharField(max_length=254, blank=True, default="", db_default="")
    stripe_customer_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(user_id=""), name="billing_customer_user_id_given"),
            models.UniqueConstraint(
                fields=["stripe_customer_id"],
                condition=~models.Q(stripe_customer_id=""),
                name="billing_customer_stripe_customer_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="billing_customer_newest"),
            models.Index(Upper("email"), name="billing_customer_email"),
        ]

    def __str__(self) -> str:
        return self.email or self.user_id
