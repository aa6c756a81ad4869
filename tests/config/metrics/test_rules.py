"""The alert rules and the dashboard name metrics that exist."""

import json
import re
from pathlib import Path

import yaml
from django.test import Client

from config.metrics.database_state import STATE
from config.metrics.endpoint import render_metrics

WATCHING = Path(__file__).resolve().parents[3] / "deploy/watching"


def known_names() -> set[str]:
    own = set(re.findall(r"^# TYPE (qasima_\w+)", render_metrics().decode(), re.MULTILINE))
    parts = {f"{name}_{part}" for name in own for part in ("bucket", "count", "sum")}
    return own | parts | set(STATE)


def test_rules_and_dashboard_use_only_metrics_that_exist(db: None, client: Client) -> None:
    client.get("/")  # loads every module that counts
    rules = yaml.safe_load((WATCHING / "alerts.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((WATCHING / "dashboard.json").read_text())["panels"]
    expressions = [rule["expr"] for rule in rules] + [each["expr"] for panel in panels for each in panel["targets"]]
    used = {name for text in expressions for name in re.findall(r"qasima_\w+", text)}
    assert used - known_names() == set()
    # Every value of the state is on the dashboard or has an alert.
    assert set(STATE) - used == set()


def test_every_alert_has_a_severity_and_a_sentence() -> None:
    rules = yaml.safe_load((WATCHING / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "ticket"}
    assert all(
        rule["annotations"]["summary"].endswith(".") or "{{" in rule["annotations"]["summary"] for rule in rules
    )
