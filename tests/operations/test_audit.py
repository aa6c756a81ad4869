"""`.ci/audit` with a copy of OSV's database: it finds a pin that is known to be vulnerable, without a network."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DJANGO = version("django")


def audit(database: Path) -> tuple[int, list[str]]:
    answer = subprocess.run(
        [sys.executable, ".ci/audit"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "AUDIT_DATABASE": str(database)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stderr == ""
    return answer.returncode, answer.stdout.splitlines()


def record(events: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Django"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        **more.pop("affected", {}),
    }
    return {"id": "PYSEC-1", "modified": "2026-11-01T00:00:00Z", "affected": [affected], **more}


def write(place: Path, *records: dict[str, Any]) -> Path:
    with ZipFile(place / "all.zip", "w") as archive:
        for number, each in enumerate(records):
            archive.writestr(f"{number}.json", json.dumps(each))
    return place / "all.zip"


@pytest.mark.parametrize(
    ("known", "is_found"),
    [
        (record([{"introduced": "0"}, {"fixed": "9999"}]), True),
        (record([{"introduced": "0"}, {"last_affected": DJANGO}]), True),
        (record([{"introduced": DJANGO}]), True),
        (record([], affected={"versions": [DJANGO]}), True),
        (record([{"introduced": "0"}, {"fixed": DJANGO}]), False),
        (record([{"introduced": "0"}, {"last_affected": "1.0"}, {"introduced": "9999"}]), False),
        (record([{"introduced": "0"}], withdrawn="2026-11-02T00:00:00Z"), False),
        (record([{"introduced": "0"}], affected={"package": {"ecosystem": "npm", "name": "django"}}), False),
    ],
)
def test_a_pin_is_compared_with_the_versions_of_a_record(tmp_path: Path, known: Any, is_found: bool) -> None:
    status, lines = audit(write(tmp_path, known))
    assert status == is_found
    assert (f"audit: django {DJANGO}: PYSEC-1" in lines) is is_found
    assert lines[-1].endswith(f"with records up to 2026-11-01 checked, {int(is_found)} with known vulnerabilities")


def test_a_copy_that_cannot_be_read_or_is_empty_fails(tmp_path: Path) -> None:
    assert audit(tmp_path / "none.zip")[0] == 1
    assert audit(write(tmp_path)) == (1, [f"audit: {tmp_path / 'all.zip'} contains no record"])
