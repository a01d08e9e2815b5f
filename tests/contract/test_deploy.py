"""The files of deploy/ and compose fit the service: variables, commands, pages and names that exist."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from equipoise_service.command_line.command import OPTIONS
from equipoise_service.command_line.commands import COMMANDS
from equipoise_service.http.app import create_app
from equipoise_service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
SYSTEMD = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
KINDS = {
    "v1": {"Namespace", "ConfigMap", "Secret", "Service"},
    "apps/v1": {"Deployment"},
    "batch/v1": {"CronJob"},
    "policy/v1": {"PodDisruptionBudget"},
    "kustomize.config.k8s.io/v1beta1": {"Kustomization"},
}


def manifests() -> list[dict[str, Any]]:
    """Every object of the Kubernetes manifests."""
    return [
        document
        for path in sorted(KUBERNETES.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def pods() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Objects that run something, with the pod that they run."""
    for document in manifests():
        if document["kind"] == "Deployment":
            yield document, document["spec"]["template"]
        if document["kind"] == "CronJob":
            yield document, document["spec"]["jobTemplate"]["spec"]["template"]


def assert_variables_are_known(names: Iterator[str] | list[str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert not {name for name in names if name.startswith(PREFIX)} - known


def assert_command_is_known(words: list[str]) -> None:
    """The service has the command, and it takes these options."""
    command = next(command for command in COMMANDS if command.name == words[0])
    options = {f"--{name.replace('_', '-')}" for name in command.options} | {"--json", "--dry-run"}
    assert {word for word in words[1:] if word.startswith("--")} <= options
    assert command.options or not set(words[1:]) & set(OPTIONS)


def test_manifests_are_objects_of_known_kinds() -> None:
    """Every manifest parses, is of a kind of its group, has a name, and is listed in the kustomization."""
    for document in manifests():
        assert document["kind"] in KINDS[document["apiVersion"]]
        assert document["kind"] == "Kustomization" or re.fullmatch(
            r"[a-z0-9-]{1,63}", document["metadata"]["name"]
        )
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    others = {"kustomization.yaml", "secret.example.yaml"}
    assert set(listed) == {path.name for path in KUBERNETES.glob("*.yaml")} - others


def test_settings_of_the_cluster_are_settings_of_the_service() -> None:
    """Variables exist, and the service starts with their values."""
    data = {
        name: value
        for document in manifests()
        if document["kind"] in ("ConfigMap", "Secret")
        for name, value in (document.get("data") or document["stringData"]).items()
    }
    assert_variables_are_known(list(data))
    given = {
        name.removeprefix(PREFIX).lower(): value for name, value in data.items() if name.startswith(PREFIX)
    }
    assert Settings(**given).api_processes == 2


def test_pods_run_commands_of_the_service() -> None:
    """Labels match, commands and probes exist, references lead somewhere, and workers may drain."""
    names = {
        (document["kind"], document["metadata"]["name"]) for document in manifests() if "metadata" in document
    }
    pages = set(create_app(Settings()).openapi()["paths"])
    for document, template in pods():
        if document["kind"] == "Deployment":
            wanted = document["spec"]["selector"]["matchLabels"]
            assert wanted.items() <= template["metadata"]["labels"].items()
        (container,) = template["spec"]["containers"]
        assert_command_is_known(container["args"])
        for source in container["envFrom"]:
            for kind, name in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                assert name not in source or (kind, source[name]["name"]) in names
        assert_variables_are_known([variable["name"] for variable in container.get("env", [])])
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in ("readinessProbe", "livenessProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["path"] in pages
                assert container[probe]["httpGet"]["port"] in ports
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        if container["args"][0] == "worker":
            assert template["spec"]["terminationGracePeriodSeconds"] > Settings().drain_seconds


def test_selectors_of_services_choose_pods() -> None:
    """Services and budgets choose the labels that pods have."""
    labels = [
        template["metadata"]["labels"] for document, template in pods() if document["kind"] == "Deployment"
    ]
    for document in manifests():
        if document["kind"] in ("Service", "PodDisruptionBudget"):
            selector = document["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            assert any(selector.items() <= found.items() for found in labels)


def test_compose_runs_the_service() -> None:
    """Compose parses; its variables, commands, dependencies and volumes exist; workers may drain."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert set(services) == {"postgres", "api", "worker", "worker-gpu", "s3", "bucket"}
    for name, service in services.items():
        assert set(service.get("depends_on", [])) <= set(services)
        for volume in service["volumes"]:
            assert volume.split(":")[0] in compose["volumes"]
        if str(service["image"]).startswith("equipoise"):
            assert_command_is_known(service["command"])
            assert_variables_are_known(list(service["environment"]))
            assert int(service["stop_grace_period"].removesuffix("s")) > Settings().drain_seconds, name
    secrets = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name in set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))):
        assert f"\n{name}=\n" in secrets


@pytest.mark.parametrize("unit", SYSTEMD, ids=lambda path: path.name)
def test_units_start_the_service(unit: Path) -> None:
    """A unit runs a command of the service and waits longer than a worker drains."""
    text = unit.read_text(encoding="utf-8")
    started = re.search(r"^ExecStart=\S+ -m equipoise_service (.+)$", text, re.MULTILINE)
    assert started is not None
    assert_command_is_known(shlex.split(started[1]))
    waits = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert waits is not None
    assert "worker" not in unit.name or int(waits[1]) > Settings().drain_seconds


def test_files_of_variables_name_settings() -> None:
    """What the machines' file of variables sets are settings of the service."""
    text = (ROOT / "deploy" / "systemd" / "equipoise.env").read_text(encoding="utf-8")
    assert_variables_are_known(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))


def test_the_slurm_script_is_a_script() -> None:
    """Bash reads it, and it starts a command of the service."""
    path = ROOT / "deploy" / "slurm" / "worker.sbatch"
    subprocess.run(["bash", "-n", str(path)], check=True)
    text = path.read_text(encoding="utf-8")
    started = re.search(r"-m equipoise_service (worker .*) &$", text, re.MULTILINE)
    assert started is not None
    assert_command_is_known(shlex.split(started[1]))
    assert_variables_are_known(re.findall(r"export (\w+)=", text))
