"""The threat model names, for each line of its table, tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = re.compile(r"^\| (?!attacker)(?P<attacker>[^|-]+) \|[^|]+\|[^|]+\| (?P<tests>[^|]+) \|$", re.MULTILINE)


def test_each_line_names_tests_that_exist() -> None:
    text = (TESTS.parent / "deploy/threat-model.md").read_text()
    lines = TABLE.findall(text)
    assert len(lines) == text.count("\n| ") - 1 >= 15
    for attacker, tests in lines:
        named = re.findall(r"`([^`]+)`", tests)
        assert named, attacker
        assert [each for each in named if not (TESTS / each).exists()] == []
