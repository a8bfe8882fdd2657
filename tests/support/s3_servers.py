"""Servers with the protocol of S3. None of them alone behaves like the real one:

* moto (always) has ranges, conditions and parts as in the real one, and checks no signature;
* radosgw of Debian, without a cluster, checks signatures, and answers ranges and objects that were
  stored in parts with wrong bytes;
* s3rver (npm) keeps objects in files, so memory can be measured, and checks no signature.

The last two are used where their program is on PATH. ``FYKE_TEST_S3_URL`` is a place at any other
server, with access by the usual variables ``AWS_*``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fyke.kit.ids import new_ulid
from fyke.kit.s3_place import S3Place, parse_s3_url
from fyke.storage.blobs.s3 import S3Access

LIVE_URL = "FYKE_TEST_S3_URL"
START_SECONDS = 60.0
PLACE = S3Place("blobs")
REGION = "us-east-1"
KEY_ID, SECRET = "S3RVER", "S3RVER"  # the only ones that s3rver accepts


@dataclass(frozen=True)
class S3Server:
    """``access`` is that of the blobs; ``place`` is in a bucket. ``pid``: of its process, 0 if it
    is this one.
    """

    name: str
    access: S3Access
    place: S3Place = PLACE
    pid: int = 0

    def new_place(self) -> S3Place:
        """An empty place."""
        return S3Place(self.place.bucket, self.place.key(f"some/{new_ulid().lower()}"))

    def client(self) -> Any:
        """An independent client."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.access.endpoint or None,
            region_name=self.access.region or None,
            aws_access_key_id=self.access.key_id or None,
            aws_secret_access_key=self.access.secret or None,
        )


def s3_settings(home: Path, server: S3Server) -> dict[str, Any]:
    """The settings of an installation with its blobs in an empty place of the server."""
    return {"home": home, **s3_access(server)}


def s3_access(server: S3Server) -> dict[str, str]:
    """The same without its data folder."""
    return {
        "blobs_url": str(server.new_place()),
        "s3_endpoint": server.access.endpoint,
        "s3_region": server.access.region,
        "s3_key_id": server.access.key_id,
        "s3_secret": server.access.secret,
    }


@dataclass
class MotoApp:
    """moto as a WSGI application that notes requests, and fails the next ones if told to."""

    app: Callable[..., Iterable[bytes]]
    requests: list[dict[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # statuses of the next answers

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {key: value for key, value in environ.items() if isinstance(value, str)}
        self.requests.append(headers)
        if self.failures:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(self.failures.pop(0), [("Content-Length", "0")])
            return [b""]
        return self.app(environ, start_response)


def store_in_moto(place: S3Place, names: Iterable[str]) -> None:
    """Store empty objects without a request for each."""
    from moto.backends import get_backend

    [backend] = (account["aws"] for account in get_backend("s3").values())
    for name in names:
        backend.put_object(place.bucket, place.key(name), b"")


@contextmanager
def moto_server() -> Iterator[tuple[S3Server, MotoApp]]:
    """moto in threads of this process, with all objects in memory."""
    from moto.backends import get_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: Any) -> None: ...

    get_backend("s3").reset()
    app = MotoApp(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    access = S3Access(f"http://127.0.0.1:{server.server_port}", REGION, KEY_ID, SECRET)
    try:
        yield _with_bucket(S3Server("moto", access)), app
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def radosgw_server(folder: Path) -> Iterator[S3Server]:
    """The gateway of Ceph over files in ``folder``."""
    port, config = _free_port(), folder / "ceph.conf"
    config.write_text(
        f"""[global]
fsid = 11111111-2222-3333-4444-555555555555
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
mon_host = 127.0.0.1:1
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket =
pid_file =
[client]
rgw_backend_store = dbstore
rgw_config_store = dbstore
dbstore_db_dir = {folder}
dbstore_config_uri = file:{folder}/config.db
rgw_data = {folder}
rgw_frontends = beast endpoint=127.0.0.1:{port}
"""
    )
    options = ["--no-mon-config", "-c", str(config)]
    user = ["--uid", "test", "--display-name", "test", "--access-key", KEY_ID, "--secret-key"]
    subprocess.run(
        ["radosgw-admin", *options, "user", "create", *user, SECRET],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )
    command = ["radosgw", *options, "-n", "client.rgw", "-f"]
    with _started(command, folder, port) as pid:
        access = S3Access(f"http://127.0.0.1:{port}", REGION, KEY_ID, SECRET)
        yield _with_bucket(S3Server("radosgw", access, pid=pid))


@contextmanager
def s3rver_server(folder: Path) -> Iterator[S3Server]:
    port = _free_port()
    command = ["s3rver", "-d", str(folder), "-a", "127.0.0.1", "-p", str(port), "-s"]
    with _started(command, folder, port) as pid:
        access = S3Access(f"http://127.0.0.1:{port}", REGION, KEY_ID, SECRET)
        yield _with_bucket(S3Server("s3rver", access, pid=pid))


@contextmanager
def s3_server(name: str, folder: Path) -> Iterator[S3Server]:
    """The server ``name``; the test is skipped where it is not there."""
    if name == "moto":
        with moto_server() as (server, _):
            yield server
        return
    if name == "live":
        if not os.environ.get(LIVE_URL):
            pytest.skip(f"{LIVE_URL} is not set")
        yield S3Server(name, S3Access(), parse_s3_url(os.environ[LIVE_URL]))
        return
    if not shutil.which(name):
        pytest.skip(f"{name} is not on PATH")
    with {"radosgw": radosgw_server, "s3rver": s3rver_server}[name](folder) as server:
        yield server


def _with_bucket(server: S3Server) -> S3Server:
    server.client().create_bucket(Bucket=server.place.bucket)
    return server


@contextmanager
def _started(command: list[str], folder: Path, port: int) -> Iterator[int]:
    """Start a server that listens on a port; yield the id of its process."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        until = time.monotonic() + START_SECONDS
        while not _listens(port):
            output_so_far = (folder / "output").read_text()
            assert process.poll() is None and time.monotonic() < until, output_so_far
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
