"""The alert rules and the dashboard name metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from django.test import Client

from config.metrics.database_state import STATE
from config.metrics.endpoint import render_metrics

WATCHING = Path(__file__).resolve().parents[3] / "deploy/watching"


def own_names() -> set[str]:
    return set(re.findall(r"^# TYPE (qasima_\w+)", render_metrics().decode(), re.MULTILINE))


def known_names() -> set[str]:
    own = own_names()
    parts = {f"{name}_{part}" for name in own for part in ("bucket", "count", "sum")}
    return own | parts | set(STATE)


def test_rules_and_dashboard_use_only_metrics_that_exist(db: None, client: Client) -> None:
    client.get("/")  # loads every module that counts
    rules = yaml.safe_load((WATCHING / "alerts.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((WATCHING / "dashboard.json").read_text())["panels"]
    expressions = [rule["expr"] for rule in rules] + [each["expr"] for panel in panels for each in panel["targets"]]
    used = {name for text in expressions for name in re.findall(r"qasima_\w+", text)}
    assert used - known_names() == set()
    # Every metric is on the dashboard or has an alert.
    assert set(STATE) - used == set()
    counted = {name for name in own_names() - set(STATE) if not name.endswith("_created")}
    assert {name for name in counted if not any(each.startswith(name) for each in used)} == set()


def alerts() -> list[dict[str, Any]]:
    """Return the rules without those that only record a figure."""
    rules = yaml.safe_load((WATCHING / "alerts.yaml").read_text())["groups"][0]["rules"]
    return [rule for rule in rules if "alert" in rule]


def test_every_alert_has_a_severity_and_a_sentence() -> None:
    rules = alerts()
    assert {rule["labels"]["severity"] for rule in rules} == {"page", "ticket"}
    assert all(
        rule["annotations"]["summary"].endswith(".") or "{{" in rule["annotations"]["summary"] for rule in rules
    )


def test_the_book_says_what_to_do_about_every_alert() -> None:
    headings = re.findall(r"^## .*", (WATCHING.parent / "books/respond.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"Qasima\w+", " ".join(headings))) == sorted(rule["alert"] for rule in alerts())


def test_promtool_sees_every_alert_fire_and_not_fire() -> None:
    groups = yaml.safe_load((WATCHING / "alerts.test.yaml").read_text())["tests"]
    cases = [each for group in groups for each in group.get("alert_rule_test", ())]
    seen = {(each["alertname"], bool(each["exp_alerts"])) for each in cases}
    assert seen == {(rule["alert"], fires) for rule in alerts() for fires in (True, False)}
