"""Compiles the catalogs of translations: gettext reads `.mo` files, and the repository holds only their `.po` files.

Each start compiles what has changed. The service's user may not write here, and an image is read-only when it starts,
so the installation and the image's build compile too (`python -m config.parts.catalogs`).
"""

import os
from pathlib import Path

LOCALE_FOLDER = Path(__file__).resolve().parents[2] / "locale"


def compile_catalogs(folder: Path = LOCALE_FOLDER) -> list[Path]:
    """Compiles each catalog that is newer than its compiled file, and returns those that it compiled.

    Raises: OSError if a compiled file is missing or old and cannot be written.
    """
    compiled = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            _compile(source, target)
            compiled.append(target)
    return compiled


def _compile(source: Path, target: Path) -> None:
    # Few starts compile, so only they pay for the import.
    import polib  # noqa: PLC0415

    # Processes may start together, and a process may read while another one writes.
    draft = target.with_suffix(f".{os.getpid()}.draft")
    draft.write_bytes(polib.pofile(str(source)).to_binary())
    draft.replace(target)


if __name__ == "__main__":
    compile_catalogs()
