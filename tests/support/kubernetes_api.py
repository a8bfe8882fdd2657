"""A double of the API server of Kubernetes: the few requests of ``fyke.fleet``, over TLS.

There is no cluster here, so this is the one place where a double stands for a real server. It has
what the documentation of Kubernetes says about versions of objects, merge patches, rights, lists in
parts, and how a ReplicaSet chooses the pods that it ends.
"""

from __future__ import annotations

import copy
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.authority import make_authority

NAMESPACE = "fyke"
TOKEN = "token-1"
COST = "controller.kubernetes.io/pod-deletion-cost"
GROUPS = {
    "api/v1": {"pods"},
    "apis/apps/v1": {"deployments"},
    "apis/autoscaling/v2": {"horizontalpodautoscalers"},
    "apis/keda.sh/v1alpha1": {"scaledobjects"},
}
Object = dict[str, Any]


class Failure(Exception):
    """An answer with an error, as Kubernetes writes it."""

    def __init__(self, status: int, reason: str, message: str, pause: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.pause = pause
        self.body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": status,
        }


@dataclass
class Cluster:
    """One namespace. ``rights``: pairs of verb and resource, None for all. ``used``: those that
    were asked for. ``failures`` are answered first, one for each request.
    """

    url: str = ""
    folder: Path = Path()
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    rights: set[tuple[str, str]] | None = None
    used: set[tuple[str, str]] = field(default_factory=set)
    has_keda: bool = True
    failures: list[Failure] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    objects: dict[str, dict[str, Object]] = field(
        default_factory=lambda: {kind: {} for kinds in GROUPS.values() for kind in kinds}
    )
    version: int = 0
    made: int = 0
    oldest_list: int = 0  # lists in parts that began before this version have expired
    on_patch: list[Any] = field(default_factory=list)  # called once each, before a patch is applied
    lock: threading.RLock = field(default_factory=threading.RLock)

    # --- what a test sets up ----------------------------------------------------------------------

    def add(self, kind: str, name: str, spec: Object, **metadata: Any) -> Object:
        with self.lock:
            self.made += 1
            item = {
                "metadata": {"name": name, "uid": f"uid-{self.made}", **metadata},
                "spec": spec,
            }
            self.objects[kind][name] = item
            self.changed(item)
            return item

    def add_deployment(
        self, name: str = "fyke-node-default", pool: str = "default", replicas: int = 3, **more: Any
    ) -> None:
        """A Deployment of nodes as in ``deploy/kubernetes``, with its pods."""
        labels = {"app": "fyke", "role": "node", "pool": pool}
        size = {"FYKE_RUNNER_CPUS": "2", "FYKE_RUNNER_MEMORY_MB": "3072"} | more.pop("size", {})
        env = [{"name": key, "value": value} for key, value in size.items()]
        secret = {"name": "FYKE_NODE_TOKEN", "valueFrom": {"secretKeyRef": {"name": "t"}}}
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 690,
                    "containers": [{"name": "node", "env": [secret, *env]}],
                },
            },
        }
        self.add("deployments", name, spec, labels=labels, **more)
        self.reconcile()

    def pods(self) -> list[str]:
        """Those that were not told to end."""
        with self.lock:
            return [pod["metadata"]["name"] for pod in self._alive()]

    def ending(self) -> list[str]:
        with self.lock:
            pods = self.objects["pods"].values()
            return [p["metadata"]["name"] for p in pods if "deletionTimestamp" in p["metadata"]]

    def cost(self, pod: str) -> str | None:
        found: str | None = self.objects["pods"][pod]["metadata"]["annotations"].get(COST)
        return found

    def scale(self, name: str, replicas: int) -> None:
        """As ``kubectl scale`` does."""
        with self.lock:
            deployment = self.objects["deployments"][name]
            deployment["spec"]["replicas"] = replicas
            self.changed(deployment)
            self.reconcile()

    # --- the controllers --------------------------------------------------------------------------

    def changed(self, item: Object) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)

    def reconcile(self) -> None:
        """Make and end pods. Those that end are not counted, however long they take."""
        for deployment in self.objects["deployments"].values():
            spec = deployment["spec"]
            labels = spec["selector"]["matchLabels"]
            own = [
                pod for pod in self._alive() if labels.items() <= pod["metadata"]["labels"].items()
            ]
            for _ in range(spec["replicas"] - len(own)):
                name = f"{deployment['metadata']['name']}-{self.made}"
                made = self.add("pods", name, {}, labels=dict(labels), annotations={})
                made["status"] = {"phase": "Running"}
            # not running before running, then by cost, then the newest
            own.sort(key=lambda pod: int(pod["metadata"]["uid"][4:]), reverse=True)
            own.sort(key=_cost)
            own.sort(key=lambda pod: pod["status"]["phase"] == "Running")
            for pod in own[: max(0, len(own) - spec["replicas"])]:
                self.end(pod)

    def end(self, pod: Object) -> None:
        pod["metadata"].setdefault("deletionTimestamp", "2026-11-30T00:00:00Z")
        self.changed(pod)

    def _alive(self) -> list[Object]:
        pods = self.objects["pods"].values()
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    # --- requests ---------------------------------------------------------------------------------

    def answer(
        self, method: str, target: str, token: str, body: bytes, content_type: str
    ) -> Object:
        url = urlsplit(target)
        with self.lock:
            self.requests.append(f"{method} {target}")
            if self.failures:
                raise self.failures.pop(0)
            if token not in self.tokens:
                raise Failure(401, "Unauthorized", "Unauthorized")
            kind, name, part = self._place(url.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            verb = {"GET": "get" if name else "list"}.get(method, method.lower())
            self._check_right(verb, f"{kind}/{part}" if part else kind)
            if verb == "list":
                return self._list(kind, query)
            item = self.objects[kind].get(name)
            if item is None:
                raise Failure(404, "NotFound", f'{kind} "{name}" not found')
            if method == "GET":
                return _scale_of(item) if part else copy.deepcopy(item)
            if method == "DELETE":
                return self._delete(item, json.loads(body or b"{}"))
            if content_type != "application/merge-patch+json":
                raise Failure(415, "UnsupportedMediaType", f"{content_type} is not supported")
            return self._patch(kind, item, json.loads(body), part)

    def _place(self, path: str) -> tuple[str, str, str]:
        """Kind, name and subresource of a path."""
        group, found, rest = path[1:].partition(f"/namespaces/{NAMESPACE}/")
        kind, name, part = (*rest.split("/"), "", "")[:3]
        exists = found and kind in GROUPS.get(group, ()) and part in ("", "scale")
        if not exists or (kind == "scaledobjects" and not self.has_keda):
            raise Failure(404, "NotFound", "the server could not find the requested resource")
        return kind, name, part

    def _check_right(self, verb: str, resource: str) -> None:
        self.used.add((verb, resource))
        if self.rights is not None and (verb, resource) not in self.rights:
            who = f"system:serviceaccount:{NAMESPACE}:fyke-fleet"
            raise Failure(
                403, "Forbidden", f'{resource} is forbidden: User "{who}" cannot {verb} it'
            )

    def _list(self, kind: str, query: dict[str, str]) -> Object:
        wanted = dict(part.split("=") for part in query.get("labelSelector", "").split(",") if part)
        at, began = 0, self.version
        if "continue" in query:
            at, began = map(int, query["continue"].split("."))
            if began < self.oldest_list:
                raise Failure(410, "Expired", "The provided continue parameter is too old")
        items = [
            item
            for item in self.objects[kind].values()
            if wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]
        end = at + int(query.get("limit", len(items) or 1))
        metadata: Object = {"resourceVersion": str(began)}
        if end < len(items):
            metadata["continue"] = f"{end}.{began}"
        return {"metadata": metadata, "items": copy.deepcopy(items[at:end]) or None}

    def _delete(self, item: Object, options: Object) -> Object:
        uid = options.get("preconditions", {}).get("uid", item["metadata"]["uid"])
        if uid != item["metadata"]["uid"]:
            raise Failure(409, "Conflict", "the UID in the precondition does not match")
        self.end(item)
        self.reconcile()
        return copy.deepcopy(item)

    def _patch(self, kind: str, item: Object, change: Object, part: str) -> Object:
        if self.on_patch:
            self.on_patch.pop(0)()
        before = _scale_of(item) if part else item
        for name in ("uid", "resourceVersion"):
            expected = change.get("metadata", {}).get(name, item["metadata"][name])
            if expected != item["metadata"][name]:
                raise Failure(409, "Conflict", f"the object has been modified: {name}")
        merged = _merge(before, change)
        if part:
            item["spec"]["replicas"] = merged["spec"]["replicas"]
        else:
            item.update(merged)
        self.changed(item)
        self.reconcile()
        return _scale_of(item) if part else copy.deepcopy(item)


def _scale_of(item: Object) -> Object:
    names = ("name", "uid", "resourceVersion")
    return {
        "metadata": {name: item["metadata"][name] for name in names},
        "spec": {"replicas": item["spec"]["replicas"]} if item["spec"]["replicas"] else {},
    }


def _merge(target: Any, change: Any) -> Any:
    """RFC 7396."""
    if not isinstance(change, dict):
        return change
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _cost(pod: Object) -> int:
    return int(pod["metadata"]["annotations"].get(COST, "0"))


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[Cluster]:
    """Serve for the length of the block; ``folder`` gets what a pod has of its service account."""
    make_authority(folder)
    (folder / "ca.crt").write_bytes((folder / "ca.pem").read_bytes())
    (folder / "token").write_text(TOKEN)
    (folder / "namespace").write_text(NAMESPACE)
    cluster = Cluster(folder=folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem", folder / "site.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cluster))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    cluster.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
            content_type = self.headers.get("content-type") or ""
            status, pause = 200, 0
            try:
                answer = cluster.answer(self.command, self.path, token, body, content_type)
            except Failure as failure:
                status, pause, answer = failure.status, failure.pause, failure.body
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if pause:
                self.send_header("Retry-After", str(pause))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
