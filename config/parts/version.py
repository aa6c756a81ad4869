"""The version of this code, from the tags of git: `v1.4.0` makes 1.4.0.

A wheel and an image hold it in version.txt, because they have no history. A checkout asks git. An archive without
either is 0.0.0.
"""

import subprocess
from pathlib import Path

UNKNOWN = "0.0.0"
_DESCRIBE = ("git", "describe", "--tags", "--match", "v[0-9]*", "--dirty")


def read_version(folder: Path) -> str:
    """Returns the version of the code in this folder."""
    if (folder / ".git").exists():
        return _of_checkout(folder) or UNKNOWN
    written = folder / "config/version.txt"
    return (written.read_text(encoding="utf-8").strip() if written.exists() else "") or UNKNOWN


def _of_checkout(folder: Path) -> str:
    """Returns the tag, with what came after it as a local version: 1.4.0+3.gabc1234."""
    try:
        found = subprocess.run(  # noqa: S603 -- a constant
            _DESCRIBE, cwd=folder, capture_output=True, text=True, check=False, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    tag, _, later = found.stdout.strip().removeprefix("v").partition("-")
    return f"{tag}+{later.replace('-', '.')}" if later else tag
