from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from billing.text import MAX_EMAIL_LENGTH

from ..customer import Customer


class Erasure(models.Model):
    """A customer's erasure that a job still finishes: what it removes from history. The job deletes the row."""

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, primary_key=True)
    addresses = ArrayField(models.CharField(max_length=MAX_EMAIL_LENGTH))
    language = models.CharField(max_length=7, blank=True, default="", db_default="")
    began_at = models.DateTimeField(db_default=Now())
    mailed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"erasure since {self.began_at:%Y-%m-%d %H:%M}"
