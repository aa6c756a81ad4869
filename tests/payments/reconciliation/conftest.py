"""Fixtures of the reconciliation tests."""

import pytest

from orders.use_cases.reconciliation import reconciliation_run
from tests.payments.reconciliation.reconciliation_checks import LATER


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reconciliation treat a change of this moment as one whose webhook is overdue."""
    monkeypatch.setattr(reconciliation_run, "MAX_IN_FLIGHT", -LATER)
