"""The image, Compose and Kubernetes files: valid against Kubernetes' schemas, and as strict as they claim."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft7Validator
from kubernetes_validate.utils import validate

from config.parts.database import LOCK_CONNECTIONS
from tests.config.test_connections import OF_A_WORKER

PROJECT = Path(__file__).resolve().parents[2]
KUBERNETES = PROJECT / "deploy/kubernetes"
VERSION = "1.31"
# Their schemas are in no package; they are compared with their documentation by eye.
CUSTOM = {("Cluster", "qasima-database"), ("ScheduledBackup", "qasima-database"), ("Kustomization", "")}
# The schemas of the Gateway API v1, from npm's @kubernetes-models/gateway-api 0.5.1 (MIT), without descriptions. As a
# cluster does in strict mode, they refuse a field that they do not name.
GATEWAY_API = ("Gateway", "HTTPRoute")
SOVEREIGN = {
    "NAME": "demo-one",
    "DOMAIN": "billing.demo.example",
    "CURRENCY": "OMR",
    "IMAGE": f"registry.example/qasima@sha256:{'ab' * 32}",
}


def make_sovereign(top: Path, **other: str) -> Path:
    specification = importlib.util.spec_from_file_location("make_sovereign", KUBERNETES / "make_sovereign.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    made: Path = module.main(SOVEREIGN | other, top=top)
    return made


def documents(*folders: Path) -> list[dict[str, Any]]:
    return [
        document
        for folder in folders
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return documents(KUBERNETES / "base", make_sovereign(tmp_path_factory.mktemp("clusters")))


def kind_and_name(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document.get("metadata", {}).get("name", "")


def pods(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]
        for document in manifests
        if document["kind"] in ("Deployment", "Job")
    }


def test_each_object_is_valid(manifests: list[dict[str, Any]]) -> None:
    custom = {kind_and_name(document) for document in manifests} & CUSTOM
    assert custom == CUSTOM
    for document in manifests:
        if kind_and_name(document) not in CUSTOM and document["kind"] not in GATEWAY_API:
            validate(document, VERSION, strict=True)


@pytest.mark.parametrize("kind", GATEWAY_API)
def test_each_object_of_the_gateway_api_is_valid(manifests: list[dict[str, Any]], kind: str) -> None:
    schema = Draft7Validator(json.loads((Path(__file__).parent / f"schemas/{kind}.json").read_text()))
    [document] = [each for each in manifests if each["kind"] == kind]
    assert list(schema.iter_errors(document)) == []
    first = next(name for name in document["spec"] if isinstance(document["spec"][name], list))
    for wrong in (
        {**document["spec"], "backend": {}},
        {**document["spec"], first: 1},
        {**document["spec"], first: [{**document["spec"][first][0], "nane": "x"}] if kind == "Gateway" else [1]},
    ):
        assert not schema.is_valid({**document, "spec": wrong})


def test_each_pod_has_no_right_that_it_does_not_need(manifests: list[dict[str, Any]]) -> None:
    assert set(pods(manifests)) == {"qasima-web", "qasima-worker", "qasima-migrate"}
    for pod in pods(manifests).values():
        [container] = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "limits" in container["resources"]


def test_the_connections_of_all_pods_fit(manifests: list[dict[str, Any]]) -> None:
    most = {
        document["metadata"]["name"]: document["spec"]["maxReplicas"]
        for document in manifests
        if document["kind"] == "HorizontalPodAutoscaler"
    }
    environment = {one["name"]: one.get("value") for one in pods(manifests)["qasima-web"]["containers"][0]["env"]}
    of_web = int(environment["WEB_CONCURRENCY"]) * (int(environment["DATABASE_POOL_SIZE"]) + LOCK_CONNECTIONS)
    [database] = [document for document in manifests if document["kind"] == "Cluster"]
    accepted = int(database["spec"]["postgresql"]["parameters"]["max_connections"])
    # A rollout adds one pod of each; some are left for people, backups and the operator.
    opened = (most["qasima-web"] + 1) * of_web + (most["qasima-worker"] + 1) * OF_A_WORKER
    assert opened <= accepted - 20


def test_a_sovereign_is_written_once_and_names_no_secret(tmp_path: Path) -> None:
    made = make_sovereign(tmp_path)
    text = "".join(path.read_text() for path in made.iterdir())
    assert "$" not in re.sub(r"`[^`]*`", "", text)
    assert "billing.demo.example" in text and "sha256:" + "ab" * 32 in text
    with pytest.raises(SystemExit, match="exists"):
        make_sovereign(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"NAME": "Demo"}, {"DOMAIN": "demo"}, {"CURRENCY": "omr"}, {"IMAGE": "qasima:latest"}, {"NAME": "../x"}]
)
def test_a_malformed_value_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(SystemExit, match="missing or malformed"):
        make_sovereign(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_the_image_installs_what_production_requires_by_digest() -> None:
    def names(text: str) -> set[str]:
        lines = [line.split(" ")[0] for line in text.splitlines() if line and not line.startswith("#")]
        return {re.sub(r"\[.*\]", "", line).lower().replace("_", "-").replace(".", "-") for line in lines}

    hashed = (PROJECT / "deploy/image/requirements.hashes.txt").read_text()
    assert names(hashed) == names((PROJECT / "requirements.txt").read_text())
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}$", line) for line in hashed.splitlines() if "==" in line)


def test_the_image_holds_all_that_runs_and_compose_runs_it_read_only() -> None:
    containerfile = (PROJECT / "deploy/image/Containerfile").read_text()
    copied = set(re.findall(r"^COPY (\S+) ", containerfile, re.MULTILINE))
    assert {"manage.py", "billing", "promos", "orders", "config", "templates"} <= copied
    assert re.search(r"^USER 10001$", containerfile, re.MULTILINE)
    services = yaml.safe_load((PROJECT / "deploy/image/compose.yaml").read_text())["services"]
    for name in ("migrate", "web", "worker"):
        assert services[name]["read_only"] is True and services[name]["cap_drop"] == ["ALL"]
    # Each setting that the files name is one that operators can read about.
    variables = (PROJECT / "deploy/README.md").read_text()
    assert all(f"`{name.removesuffix('_FILE')}`" in variables for name in services["web"]["environment"])


def test_production_starts_without_the_devtools() -> None:
    """As in the image, which has none."""
    code = "import sys; sys.modules['config.devtools'] = None; import config.gunicorn, config.settings"
    environment = {
        "SECRET_KEY": "only-a-test-signs-with-this-0123456789-abcdefghijk",
        "JWT_SECRET": "only-a-test-signs-tokens-with-this-0123456789",
        "ALLOWED_HOSTS": "sovereign.example",
        "DATABASE_URL": "postgresql://nobody@localhost/none",
    }
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
