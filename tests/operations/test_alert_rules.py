"""Prometheus's own tool reads the alert rules and runs their tests."""

import subprocess
from pathlib import Path

import pytest

WATCHING = Path(__file__).resolve().parents[2] / "deploy/watching"


@pytest.mark.parametrize("command", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts.test.yaml")])
def test_the_alert_rules_are_right(command: tuple[str, ...]) -> None:
    result = subprocess.run(["promtool", *command], cwd=WATCHING, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
