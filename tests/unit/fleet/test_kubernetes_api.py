"""Requests to a double of the API server of Kubernetes: the connection, failures, and lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Conflict, Forbidden, InvalidRequest, NotFound, RateLimited, Unavailable
from fyke.fleet import kubernetes_api as module
from fyke.fleet.kubernetes import Pod
from fyke.fleet.kubernetes_api import KubernetesApi
from support.authority import make_authority
from support.kubernetes_api import NAMESPACE, Cluster, Failure, kubernetes_api

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SELECTOR = "app=fyke,role=node"


# --- the connection -------------------------------------------------------------------------------


def test_the_token_is_read_for_each_request(api: KubernetesApi, cluster: Cluster) -> None:
    assert len(api.read_all(PODS, Pod)) == 3
    cluster.tokens = {"token-2"}
    with pytest.raises(Forbidden, match="status 401: Unauthorized"):
        api.read_all(PODS, Pod)
    (cluster.folder / "token").write_text("token-2\n")
    assert len(api.read_all(PODS, Pod)) == 3


def test_a_server_with_another_authority_gets_no_token(
    api: KubernetesApi, cluster: Cluster, tmp_path: Path
) -> None:
    right = (cluster.folder / "ca.crt").read_bytes()
    (tmp_path / "other").mkdir()
    make_authority(tmp_path / "other")
    (cluster.folder / "ca.crt").write_bytes((tmp_path / "other" / "ca.pem").read_bytes())
    with pytest.raises(Unavailable, match=r"does not answer: .*certificate verify failed"):
        api.read_all(PODS, Pod)
    assert cluster.requests == []
    (cluster.folder / "ca.crt").write_bytes(right)  # a new authority is used without a restart
    assert len(api.read_all(PODS, Pod)) == 3


def test_a_server_that_does_not_answer_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # not used
    with kubernetes_api(tmp_path) as cluster:
        url = cluster.url
        assert KubernetesApi(url, tmp_path).read_all(PODS, Pod) == []
    with pytest.raises(Unavailable, match="The API server of Kubernetes does not answer"):
        KubernetesApi(url, tmp_path).read_all(PODS, Pod)
    (tmp_path / "token").unlink()
    with pytest.raises(Unavailable, match=r"does not answer: .*token"):
        KubernetesApi(url, tmp_path).read_all(PODS, Pod)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidRequest),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, InvalidRequest),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_failures_say_what_was_refused(
    api: KubernetesApi, cluster: Cluster, status: int, expected: type[Exception]
) -> None:
    cluster.failures = [Failure(status, "Reason", "because of a test")]
    with pytest.raises(expected, match=f"GET {PODS}/x with status {status}: because of a test"):
        api.get(f"{PODS}/x", Pod)


@pytest.mark.parametrize(
    ("status", "pause", "expected"), [(429, 7, 7), (503, 2, 2), (429, 9999, 300)]
)
def test_the_pause_that_the_server_asks_for_is_known(
    api: KubernetesApi, cluster: Cluster, status: int, pause: int, expected: int
) -> None:
    cluster.failures = [Failure(status, "TooManyRequests", "later", pause)]
    with pytest.raises(RateLimited, match="later") as limited:
        api.read_all(PODS, Pod)
    assert limited.value.retry_after == expected


def test_a_list_is_read_in_parts(
    api: KubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    cluster.scale("fyke-node-default", 5)
    names = [pod.metadata.name for pod in api.read_all(PODS, Pod, SELECTOR)]
    assert names == cluster.pods() and len(cluster.requests) == 3
    assert api.read_all(PODS, Pod, "role=installation") == []


def test_a_list_that_expires_is_read_from_its_beginning(
    api: KubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    answer, parts = cluster.answer, list[str]()

    def expire_once(method: str, target: str, *more: Any) -> Any:
        if "continue" in target:
            parts.append(target)
        cluster.oldest_list = cluster.version + 1 if len(parts) == 1 else 0
        return answer(method, target, *more)

    monkeypatch.setattr(cluster, "answer", expire_once)
    assert [pod.metadata.name for pod in api.read_all(PODS, Pod)] == cluster.pods()
    assert len(cluster.requests) == 4


def test_an_answer_that_cannot_be_read_is_unavailable(api: KubernetesApi, cluster: Cluster) -> None:
    cluster.add("pods", "odd", {}, labels=["not", "an object"])
    with pytest.raises(Unavailable, match="The answer of Kubernetes cannot be read"):
        api.get(f"{PODS}/odd", Pod)
