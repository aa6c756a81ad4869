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

    Skips the test where the project is an archive or a shallow clone: only the history holds the release's code, and
    an operator who runs the other tests there has nothing to mend. A whole clone never skips.
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
