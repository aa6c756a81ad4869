"""The bill of materials names each package of the image, with its version, digest and licence."""

import json
import subprocess
import sys
from pathlib import Path

from tests.config.test_requirements import normalized, requirements

PROJECT = Path(__file__).resolve().parents[2]


def test_bill_of_materials_has_every_package_of_the_image() -> None:
    subprocess.run([sys.executable, "deploy/image/make_sbom.py"], cwd=PROJECT, check=True)
    components = json.loads((PROJECT / "build/sbom.json").read_text())["components"]
    pinned = {(normalized(each.name), str(each.specifier)) for each in requirements("requirements.txt")}
    assert {(normalized(each["name"]), f"=={each['version']}") for each in components} == pinned
    assert all(each["licenses"] and each["hashes"] for each in components)
    assert len((PROJECT / "build/licences.txt").read_text().splitlines()) == len(pinned)
