from django.db import models
from django.db.models import Q


class RateLimitWindow(models.Model):
    """The number of requests of one kind that a client has made since the running window began.

    `key` is a keyed hash: addresses are counted, not kept. The table is unlogged (see storage.sql): it
    costs no WAL, and starts empty after a crash, which for a rate limit is right.
    """

    key = models.CharField(max_length=64, primary_key=True)
    hits = models.IntegerField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(hits__gt=0), name="billing_ratelimitwindow_hits_positive"),
        ]
        indexes = [models.Index(fields=["ends_at"], name="billing_ratelimitwindow_ended")]

    def __str__(self) -> str:
        return f"{self.hits} until {self.ends_at:%H:%M:%S}"
