"""The image, Compose and Kubernetes files: valid against Kubernetes' schemas, and as strict as they claim."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
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
# Kustomize's own file has no kind that a cluster knows, and no schema in a package.
KUSTOMIZE = ("Kustomization", "kustomize.config.k8s.io/v1beta1")
# The schemas of custom kinds, without descriptions and status, from npm's @kubernetes-models/gateway-api 0.5.1,
# cloudnative-pg 1.0.0 (of CloudNativePG 1.29.0, from its type declarations) and flux-cd 3.0.0; all are MIT. As a
# cluster does in strict mode, they refuse a field that they do not name.
CUSTOM = ("Cluster", "Gateway", "HTTPRoute", "Kustomization", "ScheduledBackup")
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


def schema_of(kind: str) -> Draft7Validator:
    return Draft7Validator(json.loads((Path(__file__).parent / f"schemas/{kind}.json").read_text()))


def test_each_object_is_valid(manifests: list[dict[str, Any]]) -> None:
    own = [each for each in manifests if (each["kind"], each["apiVersion"]) not in (KUSTOMIZE,)]
    assert {each["kind"] for each in own} >= set(CUSTOM)
    for document in own:
        if document["kind"] in CUSTOM:
            assert list(schema_of(document["kind"]).iter_errors(document)) == [], kind_and_name(document)
        else:
            validate(document, VERSION, strict=True)


@pytest.mark.parametrize("kind", CUSTOM)
def test_a_misspelt_or_mistyped_field_of_a_custom_kind_is_found(manifests: list[dict[str, Any]], kind: str) -> None:
    schema = schema_of(kind)
    for document in manifests:
        if document["kind"] != kind or (kind, document["apiVersion"]) == KUSTOMIZE:
            continue
        paths = list(inner_paths(document["spec"]))
        assert len(paths) > 3
        for path in paths:
            assert not schema.is_valid({**document, "spec": replaced(document["spec"], path, {"nane": "x"})}), path


def inner_paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """The paths to all texts, numbers and switches in a specification."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ((key, *path) for path in inner_paths(each))
    else:
        yield ()


def replaced(value: Any, path: tuple[Any, ...], by: object) -> Any:
    if not path:
        return by
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], by)
    return copied


def test_kustomize_finds_all_that_its_file_names(tmp_path: Path, manifests: list[dict[str, Any]]) -> None:
    """Checks what `kubectl kustomize` would: each file is there and used, and each name is one of an object."""
    made = make_sovereign(tmp_path)
    used = set()
    for folder in (KUBERNETES / "base", made):
        file = yaml.safe_load((folder / "kustomization.yaml").read_text())
        # A Sovereign's directory lies beside the base's.
        assert all((folder / each).is_file() or each == "../../base" for each in file["resources"])
        used |= {folder / each for each in file["resources"]} | {folder / "kustomization.yaml"}
        written = set(folder.glob("*.yaml"))
        assert written - used == ({made / "flux.yaml"} if folder == made else set())
    assert [(image["name"], image["digest"]) for image in file["images"]] == [("qasima", "sha256:" + "ab" * 32)]
    containers = [container for pod in pods(manifests).values() for container in pod["containers"]]
    assert {container["image"] for container in containers} == {"qasima"}
    [settings] = file["configMapGenerator"]
    references = [{"configMapRef": {"name": settings["name"]}}, {"secretRef": {"name": "qasima"}}]
    assert all(container["envFrom"] == references for container in containers)
    [flux] = [
        each for each in manifests if (each["kind"], each["apiVersion"]) != KUSTOMIZE and each["kind"] == KUSTOMIZE[0]
    ]
    assert flux["spec"]["path"] == f"./deploy/kubernetes/clusters/{made.name}"


def test_nothing_that_holds_data_goes_with_its_directory(manifests: list[dict[str, Any]]) -> None:
    kept = [each for each in manifests if each["kind"] in ("Namespace", "Cluster")]
    assert len(kept) == 2
    for each in kept:
        assert each["metadata"]["annotations"] == {"kustomize.toolkit.fluxcd.io/prune": "disabled"}


def test_workers_are_scaled_by_a_metric_that_the_rules_record(manifests: list[dict[str, Any]]) -> None:
    [scaled] = [each for each in manifests if kind_and_name(each) == ("HorizontalPodAutoscaler", "qasima-worker")]
    [queue] = [each["external"]["metric"]["name"] for each in scaled["spec"]["metrics"] if each["type"] == "External"]
    watching = PROJECT / "deploy/watching"
    rules = yaml.safe_load((watching / "alerts.yaml").read_text())["groups"][0]["rules"]
    [adapted] = yaml.safe_load((watching / "adapter.yaml").read_text())["externalRules"]
    assert queue in [rule.get("record") for rule in rules]
    assert adapted["seriesQuery"].startswith(f"{queue}{{")


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


WRONG = {
    "NAME": ("", "Demo", "../x", "a b", "-a", "a-", "a" * 33, "a\n", "é"),
    "DOMAIN": (
        "",
        "demo",
        "1.2",
        "10.0.0.1",
        "-a.example",
        "a..example",
        "https://a.example",
        "A.example",
        "a.example:443",
    ),
    "CURRENCY": ("omr", "ZZZ", "OM"),
    "IMAGE": (
        "qasima:latest",
        f"@sha256:{'ab' * 32}",
        f"::/@sha256:{'ab' * 32}",
        "qasima@sha256:ab",
        f"a b@sha256:{'ab' * 32}",
    ),
}


@pytest.mark.parametrize("wrong", [{name: value} for name, values in WRONG.items() for value in values], ids=str)
def test_a_malformed_value_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(SystemExit, match="missing or malformed"):
        make_sovereign(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_make_passes_a_value_with_a_space_whole(tmp_path: Path) -> None:
    result = subprocess.run(
        ["make", "-s", "sovereign", "NAME=a b", "DOMAIN=a.example"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "NAME= is missing or malformed: 'a b' is not" in result.stderr and "Traceback" not in result.stderr


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
