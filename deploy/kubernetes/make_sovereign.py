#!/usr/bin/env python3
"""Writes the directory of a new Sovereign from the template: make sovereign NAME=… DOMAIN=… IMAGE=…@sha256:…"""

import re
import sys
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
RULES = {
    "NAME": r"[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "DOMAIN": r"[a-z0-9-]+(\.[a-z0-9-]+)+",
    "CURRENCY": r"[A-Z]{3}",
    "IMAGE": r"[a-z0-9./:_-]+@sha256:[0-9a-f]{64}",
}


def main(values: dict[str, str], *, top: Path = HERE / "clusters") -> Path:
    """Writes the directory, and returns it. Raises: SystemExit for a wrong value, or a directory that exists."""
    for name, rule in RULES.items():
        if not re.fullmatch(rule, values.get(name, "")):
            sys.exit(f"{name}= is missing or malformed: {values.get(name, '')!r} is not {rule}")
    target = top / values["NAME"]
    if target.exists():
        sys.exit(f"{target} exists: it is edited by hand from here on")
    image_name, _, image_digest = values["IMAGE"].partition("@")
    filled = {
        "name": values["NAME"],
        "title": values["NAME"].replace("-", " ").title(),
        "domain": values["DOMAIN"],
        "currency": values["CURRENCY"],
        "image_name": image_name,
        "image_digest": image_digest,
    }
    target.mkdir(parents=True)
    for source in sorted((HERE / "template").iterdir()):
        (target / source.name).write_text(Template(source.read_text()).substitute(filled))
    return target


if __name__ == "__main__":
    print(main(dict(argument.split("=", 1) for argument in sys.argv[1:])))
