"""The manifests for Kubernetes: rendered by kubectl, and checked with the schemas of its versions.

There is no cluster here. What these tests cannot find, the page says.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from fyke.api.network import Network
from fyke.cli import root_supervisor, supervisor
from fyke.cli.main import app
from fyke.domain.nodes.fleet import FleetDriver
from fyke.fleet.kubernetes import KubernetesFleet
from fyke.fleet.kubernetes_api import KubernetesApi
from fyke.model.fleet import FleetGroup, FleetNode
from fyke.model.placement import PoolDemand
from fyke.settings import Settings
from support.kubernetes_api import kubernetes_api

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
PAGE = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text()
METRICS = (ROOT / "docs" / "how-to" / "metrics.md").read_text()
OTHER_GROUPS = {"keda.sh/v1alpha1"}
VERSIONS = ("1.33", "1.37")
pytestmark = pytest.mark.needs("kubectl")


@cache
def rendered(folder: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["kubectl", "kustomize", FOLDER / folder], capture_output=True, text=True, check=True
    )
    return [*yaml.safe_load_all(done.stdout)]


def made(folder: Path, *changes: tuple[str, str, str]) -> list[dict[str, Any]]:
    """The example, rendered with changes: a file, and a text in it with its replacement, or
    nothing with what is added at the end.
    """
    shutil.copytree(FOLDER, folder / "kubernetes")
    for name, old, new in changes:
        file = folder / "kubernetes" / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new) if old else text + new)
    command = ["kubectl", "kustomize", folder / "kubernetes" / "example"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [*yaml.safe_load_all(done.stdout)]


def named(kind: str, name: str, folder: str = "example") -> dict[str, Any]:
    [found] = [
        one for one in rendered(folder) if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    return found


def pods(folder: str = "example") -> list[dict[str, Any]]:
    """Those of an installation and its nodes."""
    kinds = ("Deployment", "StatefulSet")
    found = [one["spec"]["template"] for one in rendered(folder) if one["kind"] in kinds]
    return [pod for pod in found if pod["metadata"]["labels"]["role"] != "fleet"]


def fleet_pod() -> dict[str, Any]:
    pod: dict[str, Any] = named("Deployment", "fyke-fleet")["spec"]["template"]
    return pod


def has_http(pod: dict[str, Any]) -> bool:
    ports = pod["spec"]["containers"][0].get("ports", ())
    return "http" in [port["name"] for port in ports]


def variables(pod: dict[str, Any], folder: str = "example") -> dict[str, str]:
    """The variables of a pod with a value."""
    [container] = pod["spec"]["containers"]
    own = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    sources = container.get("envFrom", ())
    maps = [one["configMapRef"]["name"] for one in sources if "configMapRef" in one]
    of_maps = {k: v for name in maps for k, v in named("ConfigMap", name, folder)["data"].items()}
    return of_maps | own


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", ["apart", "installation", "node", "example"])
def test_the_manifests_have_the_fields_of_kubernetes(folder: str, version: str) -> None:
    checked = [one for one in rendered(folder) if one["apiVersion"] not in OTHER_GROUPS]
    assert checked
    for one in checked:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_field_that_does_not_exist_would_be_found() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod | {"spec": {"drain": 1}}, VERSIONS[0], strict=True)


@pytest.mark.parametrize("folder", ["apart", "installation", "node", "example"])
def test_everything_is_in_one_namespace(folder: str) -> None:
    """A ConfigMap without one would be in that of the kubectl command."""
    of_the_cluster = ("Namespace", "RuntimeClass")
    found = [one["metadata"] for one in rendered(folder) if one["kind"] not in of_the_cluster]
    assert found and {metadata.get("namespace") for metadata in found} == {"fyke"}


def test_a_pod_has_the_options_of_a_container_and_no_more() -> None:
    options = (ROOT / "deploy" / "container" / "podman-options").read_text()
    capabilities = re.findall(r"--cap-add=(\S+)", options)[0].split(",")
    assert len(pods()) == 3
    for pod in pods():
        spec, [container] = pod["spec"], pod["spec"]["containers"]
        assert spec["hostUsers"] is False and not spec["automountServiceAccountToken"]
        assert spec["securityContext"]["seccompProfile"]["type"] == "Localhost"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"], "add": capabilities}
        assert context["procMount"] == "Unmasked" and "privileged" not in context
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"]


def test_the_owner_gets_a_password_from_a_secret_that_only_the_first_start_needs() -> None:
    installation = named("StatefulSet", "fyke", "installation")["spec"]["template"]["spec"]
    server = named("Deployment", "fyke-server", "apart")["spec"]["template"]["spec"]
    for spec, mode in ((installation, 0o400), (server, 0o440)):
        [volume] = [one for one in spec["volumes"] if one["name"] == "owner"]
        expected = {"secretName": "fyke-owner", "defaultMode": mode, "optional": True}
        assert volume["secret"] == expected
    assert "fyke-owner --from-file=password=" in PAGE
    [copy] = installation["initContainers"]
    assert copy["command"][-1].endswith(" -m 0400 /owner/password /run/owner_password")
    context = copy["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}
    assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"]
    [container] = installation["containers"]
    run = [one for one in container["volumeMounts"] if one["mountPath"] == "/run"]
    assert run == [one for one in copy["volumeMounts"] if one["mountPath"] == "/run"]
    files = [
        value_of(one["containers"][0], "FYKE_OWNER_PASSWORD_FILE") for one in (installation, server)
    ]
    assert files == ["/run/owner_password", "/owner/password"]


def value_of(container: dict[str, Any], name: str) -> str:
    [value] = [one["value"] for one in container["env"] if one["name"] == name]
    return str(value)


def test_pods_that_run_no_workers_have_no_rights_at_all() -> None:
    assert len(pods("apart")) == 2
    user = re.findall(r"--uid (\d+)", (ROOT / "deploy/container/Containerfile").read_text())
    for pod in pods("apart"):
        spec, [container] = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert [str(spec["securityContext"]["runAsUser"])] == user
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]} and "privileged" not in context
        assert spec["hostUsers"] is False and not spec["automountServiceAccountToken"]


def test_an_old_server_ends_before_one_with_other_settings_starts() -> None:
    assert named("Deployment", "fyke-server", "apart")["spec"]["strategy"] == {"type": "Recreate"}


def test_a_pod_has_the_time_that_draining_takes() -> None:
    for pod in pods():
        longest = int(variables(pod)["FYKE_DRAIN_SECONDS"]) + supervisor.IDLE_END_SECONDS
        longest += 5 * supervisor.STOP_SECONDS + root_supervisor.LAUNCHER_END_SECONDS
        assert pod["spec"]["terminationGracePeriodSeconds"] > longest


@pytest.mark.parametrize("folder", ["apart", "example"])
def test_the_commands_and_settings_exist(folder: str) -> None:
    for pod in (*pods(folder), *([fleet_pod()] if folder == "example" else [])):
        at: Any = get_command(app)
        words = pod["spec"]["containers"][0]["args"]
        while words and not words[0].startswith("-"):
            at, *words = at.commands[words[0]], *words[1:]
        known = {option for parameter in at.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known
        settings = {f"FYKE_{name.upper()}" for name in Settings.model_fields} | {"FYKE_URL"}
        assert set(variables(pod, folder)) <= settings


def test_secrets_are_made_by_the_operator_as_the_page_says() -> None:
    names = set(re.findall(r"secretKeyRef': \{'key': '\w+', 'name': '([\w-]+)'", str(pods())))
    assert names == {
        "fyke-database",
        "fyke-metrics",
        "fyke-node-token",
        "fyke-node-token-large",
    }
    assert not [one for one in rendered("example") if one["kind"] == "Secret"]
    names |= {"fyke-demand", "fyke-secret", "fyke-s3", "fyke-fleet-key"}
    assert all(f"secret generic {name} " in PAGE + METRICS for name in names)


def test_only_the_token_of_the_metrics_is_optional() -> None:
    for pod in (*pods(), *pods("apart"), fleet_pod()):
        found = [one for one in pod["spec"]["containers"][0]["env"] if "valueFrom" in one]
        optional = {
            one["name"] for one in found if one["valueFrom"]["secretKeyRef"].get("optional")
        }
        answers = {"FYKE_METRICS_TOKEN"} if has_http(pod) else set()
        assert optional == answers


@pytest.mark.parametrize("folder", ["apart", "installation"])
def test_probes_and_prometheus_are_answered(folder: str) -> None:
    """A kubelet asks by the address of the pod, Prometheus also by the name of the service."""
    [pod] = [pod for pod in pods(folder) if has_http(pod)]
    settings = variables(pod, folder)
    network = Network(
        bound_host=settings["FYKE_HOST"],
        public_url=settings["FYKE_PUBLIC_URL"],
        allowed_hosts=settings["FYKE_ALLOWED_HOSTS"].split(","),
        trusted_proxies=(),
    )
    [container] = pod["spec"]["containers"]
    probes = [value for name, value in container.items() if name.endswith("Probe")]
    paths = [probe["httpGet"]["path"] for probe in probes]
    assert len(paths) == 3
    service = f"{named('Service', 'fyke', folder)['metadata']['name']}.fyke.svc:8100"
    for host in ("10.244.1.7:8100", service):
        for path in (*paths, "/metrics"):
            headers = [(b"host", host.encode())]
            scope = {"method": "GET", "path": path, "headers": headers, "client": ("10.9.9.9", 1)}
            assert network.visit(scope).address == "10.9.9.9"


def test_a_node_asks_the_gateway_by_its_service() -> None:
    service, allowed = named("Service", "fyke-gateway"), named("NetworkPolicy", "fyke")
    [port] = service["spec"]["ports"]
    for name in ("fyke-node-default", "fyke-node-large"):
        pod = named("Deployment", name)["spec"]["template"]
        arguments = pod["spec"]["containers"][0]["args"]
        assert f"{service['metadata']['name']}:{port['port']}" in arguments
        [rule] = [rule for rule in allowed["spec"]["ingress"] if "from" in rule]
        wanted = rule["from"][0]["podSelector"]["matchLabels"]
        assert wanted.items() <= pod["metadata"]["labels"].items()
    installation = named("StatefulSet", "fyke")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= installation.items()


def test_a_pool_selects_its_own_pods() -> None:
    for kind in ("Deployment", "PodDisruptionBudget"):
        for pool in ("default", "large"):
            selector = named(kind, f"fyke-node-{pool}")["spec"]["selector"]["matchLabels"]
            assert selector["pool"] == pool


def test_the_scaler_counts_in_nodes_of_the_size_of_its_deployment() -> None:
    scaled = named("ScaledObject", "fyke-node-default")["spec"]
    pod = named("Deployment", scaled["scaleTargetRef"]["name"])["spec"]["template"]
    [trigger] = scaled["triggers"]
    query = trigger["metadata"]["query"]
    found = re.search(r"_cpus\) / ([\d.]+), \(.+_memory_mb\) / ([\d.]+)\)", query)
    assert found is not None and "pool = 'default'" in query
    columns = {field.name for field in fields(PoolDemand)}
    assert set(re.findall(r"\w+_(?:cpus|memory_mb)", query)) <= columns  # of the view
    assert not re.search(r"\b(?:cpus|memory_mb)\b", query)
    size = variables(pod)
    assert float(found[1]) == float(size["FYKE_RUNNER_CPUS"])
    assert float(found[2]) == float(size["FYKE_RUNNER_MEMORY_MB"])
    assert named("TriggerAuthentication", trigger["authenticationRef"]["name"])
    large = variables(named("Deployment", "fyke-node-large")["spec"]["template"])
    assert (large["FYKE_RUNNER_CPUS"], large["FYKE_RUNNER_MEMORY_MB"]) == ("8", "14336")


def test_the_scaler_can_ask_prometheus_instead(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    pool = tmp_path / "kubernetes" / "example" / "pool-default"
    file = pool / "kustomization.yaml"
    file.write_text(file.read_text().replace("../../keda\n", "../../keda-prometheus\n"))
    command = ["kubectl", "kustomize", pool]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert "TriggerAuthentication" not in found
    size = variables(found["Deployment"]["spec"]["template"])
    asked = [trigger["metadata"] for trigger in found["ScaledObject"]["spec"]["triggers"]]
    names = [re.findall(r"\((fyke_\w+)\{pool=\"default\"\}\)", one["query"]) for one in asked]
    assert names == [["fyke_demand_cpus"], ["fyke_demand_memory_bytes"]]
    assert float(asked[0]["threshold"]) == float(size["FYKE_RUNNER_CPUS"])
    assert int(asked[1]["threshold"]) == int(size["FYKE_RUNNER_MEMORY_MB"]) * 2**20


@pytest.mark.parametrize("folder", ["example", "apart"])
def test_no_service_sets_variables_that_are_taken_for_settings(folder: str) -> None:
    """A service named fyke would set FYKE_PORT."""
    assert pods(folder)
    assert {pod["spec"]["enableServiceLinks"] for pod in pods(folder)} == {False}


# --- fyke fleet


def test_only_the_pod_of_the_fleet_asks_the_cluster_and_it_has_no_other_rights() -> None:
    spec, [container] = fleet_pod()["spec"], fleet_pod()["spec"]["containers"]
    assert spec["serviceAccountName"] == "fyke-fleet" and spec["automountServiceAccountToken"]
    assert not [pod for pod in pods() if "serviceAccountName" in pod["spec"]]
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["hostUsers"] is False
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"]
    assert not [one for one in rendered("example") if one["kind"].startswith("Cluster")]
    [subject] = named("RoleBinding", "fyke-fleet")["subjects"]
    assert (subject["name"], subject["namespace"]) == ("fyke-fleet", "fyke")


def test_servers_know_that_the_cluster_replaces_nodes() -> None:
    data = named("ConfigMap", "fyke")["data"]
    assert data["FYKE_FLEET"] == variables(fleet_pod())["FYKE_FLEET"] == "kubernetes"
    assert data["FYKE_GATEWAY_HOST"] == "0.0.0.0"
    service = named("Service", "fyke")
    url = f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert variables(fleet_pod())["FYKE_URL"] == url
    assert service["metadata"]["name"] in data["FYKE_ALLOWED_HOSTS"].split(",")


def test_the_fleet_uses_the_settings_of_the_config_map_and_the_operators_host_names_stay(
    tmp_path: Path,
) -> None:
    """Also with server and gateway apart, whose other settings its pod then has too."""
    for base in ("installation", "apart"):
        done = made(
            tmp_path / base,
            ("example/kustomization.yaml", "../installation", f"../{base}"),
            (
                f"{base}/kustomization.yaml",
                "=fyke,fyke.fyke.svc",
                "=fyke,scrapers.example\n      - FYKE_FLEET_SECONDS=30",
            ),
        )
        [data] = [one["data"] for one in done if one["kind"] == "ConfigMap"]
        assert data["FYKE_ALLOWED_HOSTS"] == "fyke,scrapers.example"
        [source] = fleet_pod()["spec"]["containers"][0]["envFrom"]
        assert source == {"configMapRef": {"name": "fyke"}}
        values = {k.removeprefix("FYKE_").lower(): v for k, v in data.items()}
        settings = Settings(home=tmp_path, **values)
        assert (settings.fleet, settings.fleet_seconds) == ("kubernetes", 30)


def test_pools_in_a_namespace_of_their_own_as_on_the_page(tmp_path: Path) -> None:
    section = PAGE.partition("### Pools in a namespace of their own\n")[2]
    of_pool, of_all = re.findall(r"```yaml\n(.+?)```", section, re.DOTALL)[:2]
    done = made(
        tmp_path,
        *(
            (f"example/pool-{name}/kustomization.yaml", "", of_pool)
            for name in ("default", "large")
        ),
        ("example/kustomization.yaml", "", of_all),
    )
    places = {
        (one["kind"], one["metadata"]["name"]): one["metadata"].get("namespace") for one in done
    }
    in_pools = {key for key, namespace in places.items() if namespace == "fyke-pools"}
    assert in_pools >= {
        ("Deployment", "fyke-node-default"),
        ("Deployment", "fyke-node-large"),
        ("ScaledObject", "fyke-node-default"),
        ("Role", "fyke-fleet"),
        ("RoleBinding", "fyke-fleet"),
    }
    assert places["Deployment", "fyke-fleet"] == places["StatefulSet", "fyke"] == "fyke"
    found = {(one["kind"], one["metadata"]["name"]): one for one in done}
    for name in ("fyke-node-default", "fyke-node-large"):
        pod = found["Deployment", name]["spec"]["template"]["spec"]
        assert "fyke-gateway.fyke:8110" in pod["containers"][0]["args"]
    [rule] = [r for r in found["NetworkPolicy", "fyke"]["spec"]["ingress"] if "from" in r]
    labels = {"kubernetes.io/metadata.name": "fyke-pools"}
    assert rule["from"][0]["namespaceSelector"]["matchLabels"] == labels
    assert found["ConfigMap", "fyke"]["data"]["FYKE_FLEET_NAMESPACE"] == "fyke-pools"
    assert ("Namespace", "fyke-pools") not in found and "create namespace fyke-pools" in PAGE


def test_the_fleet_needs_the_rights_that_it_has_and_no_more(tmp_path: Path) -> None:
    rules = named("Role", "fyke-fleet")["rules"]
    rights = {
        (verb, resource)
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    assert not [rule for rule in rules if "*" in str(rule)]
    with kubernetes_api(tmp_path) as cluster:
        cluster.rights = rights
        cluster.add_deployment(annotations={"fyke/max-nodes": "5"})
        api = KubernetesApi(cluster.url, tmp_path)
        clock = iter(range(0, 10_000, 1000))
        driver = FleetDriver(
            KubernetesFleet(api, "fyke", Settings(home=tmp_path).fleet_selector),
            cooldown_seconds=0,
            clock=lambda: next(clock),
        )
        first, second, _ = cluster.pods()
        nodes = [FleetNode(second, "default", 1, True, False)]
        driver.step([FleetNode(first, "default", 0, False, True), *nodes], [])
        driver.step(nodes, [])
        api.close()
        assert (cluster.pods(), cluster.used) == ([], rights)


def test_the_fleet_finds_the_deployments_of_nodes_and_what_scales_them(tmp_path: Path) -> None:
    """In the manifests as they are, without a cluster that has changed them."""
    with kubernetes_api(tmp_path) as cluster:
        for one in rendered("example"):
            if one["kind"] in ("Deployment", "ScaledObject"):
                metadata = one["metadata"]
                labels = metadata.get("labels", {})
                kind = f"{one['kind'].lower()}s"
                cluster.add(kind, metadata["name"], one["spec"], labels=labels)
        cluster.reconcile()
        api = KubernetesApi(cluster.url, tmp_path)
        state = KubernetesFleet(api, "fyke", Settings(home=tmp_path).fleet_selector).state()
        api.close()
    keda = "The ScaledObject fyke-node-default scales fyke-node-default"
    assert state.groups == [
        FleetGroup("fyke-node-default", "default", 1, 2, 3072, None, keda),
        FleetGroup("fyke-node-large", "large", 3, 8, 14336, None, ""),
    ]
    assert [machine.group for machine in state.machines] == [
        "fyke-node-default",
        *["fyke-node-large"] * 3,
    ]
