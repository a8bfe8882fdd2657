"""The settings of the data folder and the server, and of the log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from fyke.settings.marks import MEBIBYTES, SECONDS, SHARED, CommaList, TypeText, Unit, Url

SYSTEM_HOME = Path("/var/lib/fyke")


def default_home() -> Path:
    """``/var/lib/fyke`` for root, ``~/.fyke`` for other users; ``FYKE_HOME`` wins."""
    home = os.environ.get("FYKE_HOME")
    if home:
        return Path(home).expanduser()
    return SYSTEM_HOME if os.geteuid() == 0 else Path.home() / ".fyke"


class ServerSettings(BaseModel):
    """Data folder and server."""

    home: Path = Field(default_factory=default_home, examples=["/srv/fyke"])
    """The data folder: databases, bundles, built environments, the secrets, and the sockets of
    Fyke's processes. When Fyke is started as root, the service user must be able to reach it.
    """

    host: str = Field(default="127.0.0.1", examples=["::1"])
    """The address that the server listens on. An address that other machines can reach is refused
    until the owner has a password (see ``owner_password_file``). With a reverse proxy in front of
    the server, keep the default: docs/how-to/reverse-proxy.md.
    """

    port: int = Field(default=8100, ge=0, le=65535, examples=["9000"])
    """The port of the server. With 0 the system chooses one, and ``fyke up --json`` prints it."""

    servers: Annotated[int, Unit("processes")] = Field(default=1, ge=1, le=64, examples=["2"])
    """How many server processes ``fyke up`` starts. They accept connections on the same address and
    divide the limits of requests and of wrong keys equally, in the API and the console. Failed
    sign-ins are limited by each of them for itself. Each can use one core, and needs about 40 MiB
    of memory.
    """

    public_url: Url = Field(default="", examples=["https://fyke.example.com"])
    """The URL at which clients reach this server. Links in answers (downloads, full logs) start
    with it, and its host name is accepted in the ``Host`` header. When it is empty, links repeat
    the scheme and host of the request.
    """

    allowed_hosts: Annotated[CommaList, TypeText("list of host names")] = Field(
        default=(), examples=["fyke.internal.example.com,fyke"]
    )
    """Additional names that are accepted in the ``Host`` header. ``localhost``, ``127.0.0.1``,
    ``[::1]``, the value of ``host`` and the host of ``public_url`` are always accepted; any other
    name is answered with 400. This stops a web page from reaching a server on your loopback
    interface through a name of its own that resolves to it. ``/healthz``, ``/readyz`` and
    ``/metrics`` are read under any name.
    """

    trusted_proxies: Annotated[CommaList, TypeText("list of IP addresses and networks")] = Field(
        default=(), examples=["127.0.0.1,10.0.0.0/8"]
    )
    """Peers whose ``X-Forwarded-For``, ``X-Forwarded-Proto`` and ``X-Forwarded-Host`` headers are
    trusted. From other peers these headers are ignored.
    """

    hsts: str = Field(
        default="max-age=31536000; includeSubDomains",
        pattern=r"^max-age=[0-9]+(; ?(includeSubDomains|preload))*$",
        examples=["max-age=31536000"],
    )
    """The header ``Strict-Transport-Security`` of responses over https: browsers then open this
    host and its subdomains only over https. It is sent when ``public_url`` begins with
    ``https://``, or when a trusted proxy reports that the client uses https. ``max-age=0`` revokes
    it.
    """

    rate_limit: Annotated[int, Unit("requests per second"), SHARED] = Field(
        default=60, ge=0, examples=["200"]
    )
    """The limit of each key without its own limit, and of each address for requests without a key.
    All keys of an account together may send five times as much, not counting keys to which the
    operator has granted more. Bursts may be twice as large. A JSON body counts as one more request
    for each 64 KiB. 0 is no limit. Servers that share a database divide the limit equally, as do
    the ``servers`` of one machine.
    """

    download_seconds: Annotated[int, SECONDS, SHARED] = Field(default=900, ge=1, examples=["3600"])
    """How long a download link (``download_url``, ``all_logs_url``) is valid."""

    download_mb: Annotated[int, MEBIBYTES] = Field(default=4096, ge=0, examples=["20000"])
    """How much disk each server process may use for files that are being downloaded, below
    ``scratch/downloads``. A file is kept for ``download_seconds`` after its last use, so that an
    interrupted download can be resumed; the least recently used files are removed first. Without
    space a file is still sent, but the download cannot be resumed. At least twice
    ``disk_floor_mb`` stays free.
    """

    sync_wait_seconds: Annotated[int, SECONDS, SHARED] = Field(default=300, ge=1, examples=["60"])
    """How long a start with ``is_async`` false waits for the end of the run. After that it
    answers with the rows so far, and the run continues.
    """

    abort_grace_seconds: Annotated[int, SECONDS, SHARED] = Field(default=30, ge=0, examples=["60"])
    """How long API v2 reports ``aborting`` after the Worker of an aborted run has stopped, to a
    client that has not read this status yet. A client that has read it gets ``aborted`` at once.
    Some clients wait for the first status, some for the second. With 0 all get ``aborted`` at once.
    """

    require_callback_url: Annotated[bool, SHARED] = Field(default=False, examples=["true"])
    """Whether starting a saved task and rerunning a run require a ``callback_url``, as on the
    original platform. When false, it is optional.
    """

    categories: Annotated[CommaList, TypeText("list of `number:name`"), SHARED] = Field(
        default=(), examples=["1:Websites,2:Shops,56:Maps"]
    )
    """The names of the categories in the store, in display order. By default there are
    thirteen, from ``1:Websites`` to ``13:Tools``. Workers name categories by
    number, as on the original platform; a number without a name is shown as a number.
    """

    metrics_token: Annotated[SecretStr, TypeText("text of at least 16 characters")] = Field(
        default=SecretStr(""), examples=["hn3kq8ZtV0pW2yRb5mXd"]
    )
    """A token that opens ``/metrics`` for a program such as Prometheus, and nothing else. It works
    while the database is down. Without it, ``/metrics`` needs a key of the operator's account with
    the scope admin: docs/how-to/metrics.md.
    """

    otlp_endpoint: Annotated[Url, SHARED] = Field(
        default="", examples=["http://collector.example.com:4318"]
    )
    """The address of a collector of OpenTelemetry, without the path ``/v1/traces``. The traces of
    ended runs are sent there, by OTLP over HTTP; new runs accept the header ``traceparent`` of
    their start, and their Workers get the variable ``TRACEPARENT``. When it is empty, there are no
    traces. It needs the extra ``otel``: docs/how-to/traces.md.
    """

    @field_validator("metrics_token")
    @classmethod
    def _is_long_enough(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < 16:
            raise ValueError("must be empty, or at least 16 characters")
        return token


class LogSettings(BaseModel):
    """Log of the platform."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", examples=["debug"]
    )
    """The lowest level that the platform's processes write to their log, one JSON record per line.
    With ``debug`` every request is logged. It does not affect the logs of runs.
    """
