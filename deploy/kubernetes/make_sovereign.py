#!/usr/bin/env python3
"""Writes the directory of a new Sovereign from the template: make sovereign NAME=… DOMAIN=… IMAGE=…@sha256:…"""

import re
import sys
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from billing.currencies import CURRENCIES  # noqa: E402 -- the project is no package, and this file needs none

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# Of each value: what it must match, and how that is said.
RULES = {
    "NAME": ("[a-z]([a-z0-9-]{0,30}[a-z0-9])?", "at most 32 small letters, digits and hyphens, such as nizwa"),
    "DOMAIN": (
        rf"(?=.{{4,253}}$)({_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]",
        "a host name such as billing.nizwa.example",
    ),
    "CURRENCY": ("|".join(sorted(CURRENCIES)), "a currency in which Stripe charges, such as OMR"),
    "IMAGE": (
        rf"({_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[\w.-]{{1,128}})?@sha256:[0-9a-f]{{64}}",
        "an image by its digest, such as registry.example/qasima@sha256:…",
    ),
}


def main(values: dict[str, str], *, top: Path = HERE / "clusters") -> Path:
    """Writes the directory, and returns it. Raises: SystemExit for a wrong value, or a directory that exists."""
    for name, (rule, meaning) in RULES.items():
        if not re.fullmatch(rule, values.get(name, ""), re.ASCII):
            sys.exit(f"{name}= is missing or malformed: {values.get(name, '')!r} is not {meaning}")
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
    print(main(dict(argument.partition("=")[::2] for argument in sys.argv[1:])))
