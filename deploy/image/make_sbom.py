"""Writes what the image contains: build/sbom.json (CycloneDX), and build/licences.txt, a line for each package.

`make sbom`. It reads the pinned versions and digests of requirements.hashes.txt, and the licence that each installed
package declares. It fails where an installed package has another version, or declares no licence.
"""

import re
import sys
from importlib.metadata import distribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from config.parts.version import read_version  # noqa: E402 -- the project is no package

PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)((?:\s*\\?\n?\s*--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)
LICENCE_CLASSIFIER = "License :: OSI Approved :: "
MAX_NAME_LENGTH = 80


def pinned_packages() -> list[tuple[str, str, list[str]]]:
    """Returns the name, version and digests of each package of the image."""
    text = (PROJECT / "deploy/image/requirements.hashes.txt").read_text()
    return [(name, version, re.findall(r"sha256:(\w+)", rest)) for name, version, rest in PINNED.findall(text)]


def licence_of(name: str) -> str:
    """Returns the licence that an installed package declares, else the title of its file, or nothing."""
    package = distribution(name)
    if expression := package.metadata["License-Expression"]:
        return str(expression)
    classifiers = package.metadata.get_all("Classifier") or []
    named = [each.removeprefix(LICENCE_CLASSIFIER) for each in classifiers if each.startswith(LICENCE_CLASSIFIER)]
    if named:
        return " AND ".join(sorted(named))
    texts = [str(package.metadata["License"] or "")]
    texts += [each.read_text() for each in package.files or () if each.name.upper().startswith("LICEN")]
    titles = [line.strip() for text in texts for line in text.strip().splitlines()[:1]]
    return titles[0][:MAX_NAME_LENGTH] if titles else ""


def describe_packages() -> tuple[Bom, dict[str, str]]:
    """Returns the bill of materials, and the licence of each package.

    Raises: SystemExit for a package whose licence or version is not as it must be.
    """
    bom, licences = Bom(), {}
    root = Component(name="qasima", version=read_version(PROJECT), type=ComponentType.APPLICATION, bom_ref="qasima")
    bom.metadata.component = root
    for name, version, digests in pinned_packages():
        installed, licence = distribution(name).version, licence_of(name)
        if installed != version or not licence:
            sys.exit(f"{name} is {installed}, pinned {version}; its licence: {licence or 'not declared'}")
        licences[f"{name} {version}"] = licence
        component = Component(
            name=name,
            version=version,
            bom_ref=f"{name}=={version}",
            purl=PackageURL("pypi", name=name.lower(), version=version),
            licenses=[LicenseFactory().make_from_string(licence)],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests],
        )
        bom.components.add(component)
        bom.register_dependency(root, [component])
    return bom, licences


def main() -> None:
    bom, licences = describe_packages()
    folder = PROJECT / "build"
    folder.mkdir(exist_ok=True)
    (folder / "sbom.json").write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n")
    lines = [
        f"{package}: {licence}\n" for package, licence in sorted(licences.items(), key=lambda each: each[0].lower())
    ]
    (folder / "licences.txt").write_text("".join(lines))
    print(f"{len(licences)} packages: build/sbom.json, build/licences.txt")


if __name__ == "__main__":
    main()
