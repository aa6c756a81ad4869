"""Directories of the embedded PostgreSQL while several processes make them, and after one was killed."""

import os
import stat
from pathlib import Path

import pytest

from config.devtools.embedded_postgres.errors import EmbeddedPostgresError
from config.devtools.embedded_postgres.places import own_directory

PRIVATE = 0o700
OPEN = 0o755


@pytest.fixture(params=[0o022, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> None:
    """Run the test under an umask, which is put back."""
    before = os.umask(request.param)
    request.addfinalizer(lambda: os.umask(before))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Provide the path of a directory that is not there."""
    return tmp_path / "control"


def rights(path: Path) -> int:
    """Return a directory's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_directory_gets_its_rights_whatever_the_umask(place: Path) -> None:
    own_directory(place, OPEN)
    assert rights(place) == OPEN


def test_directory_whose_maker_has_not_given_the_rights_is_given_them(place: Path) -> None:
    place.mkdir(PRIVATE)  # by a process that is a step behind, or was killed
    own_directory(place, OPEN)
    assert rights(place) == OPEN


def test_directory_in_use_keeps_its_rights(place: Path) -> None:
    place.mkdir(PRIVATE)
    (place / "lease.lock").touch()
    own_directory(place, OPEN)
    assert rights(place) == PRIVATE


def test_file_in_the_place_of_a_directory_is_refused_and_left_alone(place: Path) -> None:
    place.write_text("mine")
    with pytest.raises(EmbeddedPostgresError, match="must be a directory"):
        own_directory(place, OPEN)
    assert place.read_text() == "mine"
