"""The enqueueing of jobs, under this app's name; `billing.jobs` implements it."""

from billing.jobs import enqueue, enqueue_once

__all__ = ["enqueue", "enqueue_once"]
