"""The code of the last release, from this repository's history."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.operations.own_server import PROJECT

DUMP = "tests/releases/0.1.0.sql"


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=PROJECT, check=True, capture_output=True).stdout


def extract_last_release(folder: Path) -> str:
    """Writes the code of the commit that wrote the release's dump into a folder. Returns the commit.

    Skips the test where the clone has no history, because nothing else tells what the release's code was.
    """
    try:
        is_shallow = git("rev-parse", "--is-shallow-repository").strip() == b"true"
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the code of the last release is not here: this is no git clone")
    if is_shallow:
        pytest.skip("the code of the last release is not here: run git fetch --unshallow")
    commit = git("log", "-1", "--format=%H", "--", DUMP).decode().strip()
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
        archive.extractall(folder, filter="data")
    return commit
