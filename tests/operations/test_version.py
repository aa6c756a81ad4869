"""The version comes from git's tags: in a checkout, in a wheel, and in what has no history."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from config.parts.version import read_version

PROJECT = Path(__file__).resolve().parents[2]


def git(folder: Path, *arguments: str) -> None:
    person = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *person, *arguments], cwd=folder, check=True, capture_output=True)


def checkout(folder: Path) -> Path:
    """Makes a checkout of this project's files, with one commit and no tag."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    for name in listed.split("\0"):
        source = PROJECT / name
        if name and source.is_file() and not source.is_symlink():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "all")


def test_a_checkout_has_the_version_of_its_tag(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    assert read_version(tmp_path) == "0.0.0"
    git(tmp_path, "tag", "another")
    assert read_version(tmp_path) == "0.0.0"
    git(tmp_path, "tag", "v1.4.0")
    assert read_version(tmp_path) == "1.4.0"
    commit(tmp_path)
    assert read_version(tmp_path).startswith("1.4.0+1.g")


def test_without_history_the_written_version_counts(tmp_path: Path) -> None:
    assert read_version(tmp_path) == "0.0.0"
    (tmp_path / "config").mkdir()
    (tmp_path / "config/version.txt").write_text("1.4.0\n")
    assert read_version(tmp_path) == "1.4.0"


def test_a_wheel_has_the_version_of_its_tag_and_all_that_runs(tmp_path: Path) -> None:
    source = checkout(tmp_path / "source")
    git(source, "tag", "v1.4.0")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(command, check=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == "qasima-1.4.0-py3-none-any.whl"
    with ZipFile(wheel) as pack:
        names = set(pack.namelist())
        assert pack.read("config/version.txt").decode().strip() == "1.4.0"
    assert {
        "manage.py",
        "billing/models/ledger.sql",
        "promos/migrations/0001_initial.py",
        "orders/use_cases/checkout/place_orders.sql",
        "locale/ar/LC_MESSAGES/django.po",
    } <= names
    assert any(name.startswith("templates/") and name.endswith(".html") for name in names)
    assert not any(name.startswith("tests/") for name in names)
