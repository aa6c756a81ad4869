"""The steps of a deployment: pure, frozen, and kept as JSON in their row, in the order in which they were planned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from billing.local_time import utc_text


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


FINISHED = (StepStatus.COMPLETED, StepStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, with the times at which it started and ended."""

    name: str
    status: StepStatus = StepStatus.PENDING
    message: str = ""
    started_at: str | None = None
    done_at: str | None = None

    def start(self, now: datetime) -> "Step":
        return replace(self, status=StepStatus.RUNNING, started_at=self.started_at or utc_text(now))

    def finish(self, status: StepStatus, now: datetime, *, message: str = "") -> "Step":
        """Returns the step as it ended at this moment."""
        moment = utc_text(now)
        return replace(
            self,
            status=status,
            message=message or self.message,
            started_at=self.started_at or moment,
            done_at=moment,
        )

    def as_json(self) -> dict[str, Any]:
        """Returns the step as rows and answers have it; a time that is not known is left out."""
        row: dict[str, Any] = {"name": self.name, "status": self.status.value, "message": self.message}
        if self.started_at:
            row["started_at"] = self.started_at
        if self.done_at:
            row["done_at"] = self.done_at
        return row


def as_rows(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Returns the steps as a row has them."""
    return [step.as_json() for step in steps]


def read_steps(rows: Iterable[dict[str, Any]]) -> list[Step]:
    """Returns the steps of a row."""
    return [Step(**{**row, "status": StepStatus(row["status"])}) for row in rows]


def progress_of(rows: Sequence[dict[str, Any]]) -> int:
    """Returns how much of the steps is completed, in percent, rounded down."""
    completed = sum(row["status"] == StepStatus.COMPLETED for row in rows)
    return 100 * completed // len(rows) if rows else 100
