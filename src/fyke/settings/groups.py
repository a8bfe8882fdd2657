"""The groups of settings, with their descriptions.

``script/docs`` generates ``docs/reference/settings.md`` from this file: a class is a section, its
docstring the heading and introduction, the docstring of a setting its description. Paths of pages
below ``docs/`` become links. The first of a setting's ``examples`` is a valid value for the
environment that differs from the default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from fyke.model.gateway import GATEWAY_PORT, MAX_GATEWAYS
from fyke.model.placement import DEFAULT_POOL

SYSTEM_HOME = Path("/var/lib/fyke")


@dataclass(frozen=True, slots=True)
class TypeText:
    """The type of a setting on the page, where the Python type is not specific enough."""

    text: str


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number."""

    text: str


@dataclass(frozen=True, slots=True)
class Shared:
    """A setting that has to be the same on all servers of an installation: users would get another
    answer, price or result depending on the machine that they reach. The database has its value,
    with a version (``fyke.settings.shared``).

    ``nodes``: whether nodes get it from there, have one of their own for what runs on them, or do
    not use it. ``is_secret``: it may contain a password.
    """

    nodes: Literal["get it", "have their own", "do not use it"] = "do not use it"
    is_secret: bool = False


SHARED = Shared()
FOR_NODES = Shared("get it")
OWN_ON_NODES = Shared("have their own")
SECONDS = Unit("seconds")
MEBIBYTES = Unit("MiB")
CommaList = Annotated[tuple[str, ...], NoDecode]
AddressList = Annotated[CommaList, TypeText("list of `host:port`, `network` or `network:port`")]
Url = Annotated[str, TypeText("URL")]


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
    until the owner has a password. With a reverse proxy in front of the server, keep the
    default: docs/how-to/reverse-proxy.md.
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

    @field_validator("metrics_token")
    @classmethod
    def _is_long_enough(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < 16:
            raise ValueError("must be empty, or at least 16 characters")
        return token


class StorageSettings(BaseModel):
    """Storage."""

    database_url: Url = Field(default="", examples=["postgresql://fyke:secret@db.example.com/fyke"])
    """PostgreSQL for state, rows and logs. When it is empty, two SQLite files in the data folder
    are used, ``state.db`` and ``rows.db``. See docs/how-to/postgresql.md.
    """

    blobs_url: Annotated[str, TypeText("`s3://BUCKET/PREFIX`")] = Field(
        default="", examples=["s3://company-data/fyke"]
    )
    """The place in S3, or in a server with its protocol, for bundles, uploads, last pages and the
    rows of large ended runs. When it is empty, they are in ``blobs`` in the data folder. All
    servers and runners of a database need the same value. See docs/how-to/s3.md.
    """

    s3_endpoint: Url = Field(default="", examples=["https://minio.example.com:9000"])
    """The address of the S3 server of ``blobs_url``. When it is empty, ``AWS_ENDPOINT_URL`` is
    used, or Amazon.
    """

    s3_region: str = Field(default="", examples=["eu-central-1"])
    """The region of the bucket. When it is empty, ``AWS_REGION`` is used, or ``us-east-1``."""

    s3_key_id: str = Field(default="", examples=["AKIAIOSFODNN7EXAMPLE"])
    """The access key of S3. When it is empty, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and
    ``AWS_SESSION_TOKEN`` are used, or the role of the machine.
    """

    s3_secret: Annotated[SecretStr, TypeText("text")] = Field(
        default=SecretStr(""), examples=["wJalrXUtnFEMI"]
    )
    """The secret of ``s3_key_id``."""

    durability: Annotated[Literal["disk", "process"], SHARED] = Field(
        default="disk", examples=["process"]
    )
    """When a row is acknowledged. ``disk``: after it was flushed to disk, so a power failure loses
    no acknowledged row. ``process``: after the database has received it, so the crash of a process
    loses no acknowledged row, but a power failure may lose some of the most recent ones, not
    always the last.
    """

    seal_rows: Annotated[int, Unit("rows"), SHARED] = Field(
        default=10_000, ge=0, examples=["100000"]
    )
    """The rows of a run with at least this many are moved from the database into a compressed file,
    ``seal_after_seconds`` after its end. The file takes a fraction of the space and is deleted at
    once with the run; such runs are read like others. 0: all rows stay in the database, which is
    the default with PostgreSQL without ``blobs_url``. Set it there only if all servers use the same
    data folder and none is of release 0.1.0. See docs/how-to/retention.md.
    """

    seal_after_seconds: Annotated[int, SECONDS, SHARED] = Field(
        default=600, ge=1, examples=["3600"]
    )
    """How long after the end of a run its rows are moved into a file. Most results are read soon
    after the end, and sorted pages are faster from the database.
    """

    keep_days: Annotated[int, Unit("days"), SHARED] = Field(default=0, ge=0, examples=["30"])
    """Finished runs older than this are removed with their rows and logs. 0 keeps them. The
    ledger is kept either way. Entries of the audit log are kept for the same time, with 0 for a
    year. See docs/how-to/retention.md.
    """

    @model_validator(mode="before")
    @classmethod
    def _keep_rows_in_postgres(cls, values: Any) -> Any:
        """Other servers of the database may have another data folder, without these files."""
        if isinstance(values, dict) and values.get("database_url") and not values.get("blobs_url"):
            return {"seal_rows": 0} | values
        return values


class NodeSettings(BaseModel):
    """Nodes."""

    gateway_host: str = Field(default="127.0.0.1", examples=["0.0.0.0"])  # noqa: S104 - an example
    """The address on which the gateway accepts nodes, which are other machines of this
    installation. With the default only this machine reaches it; set the address that nodes use.
    ``fyke up`` starts the gateway when the first token for a node is made. Nodes need PostgreSQL,
    see ``database_url``.
    """

    gateway_port: int = Field(default=GATEWAY_PORT, ge=1, le=65535, examples=["9110"])
    """The port of the gateway. Nodes speak TLS there with certificates of this installation, so a
    load balancer has to pass on TCP connections as they are.
    """

    gateway_addresses: Annotated[
        CommaList, TypeText("list of `host` or `host:port`"), FOR_NODES
    ] = Field(default=(), max_length=MAX_GATEWAYS, examples=["10.0.0.2,10.0.0.3:9110"])
    """The addresses of all gateways of this installation, if several servers have one each and no
    load balancer is in front of them. Nodes learn them when they connect and keep them, and try one
    after the other when a connection fails. Nodes that have not joined yet need one of them for
    ``fyke node join``.
    """

    node_leave: bool = Field(default=False, examples=["1"])
    """On a node that has joined with a token for several uses: whether it leaves the installation
    when it is stopped, so that it does not stay in the list of nodes. For engines that create and
    remove nodes; ``fyke node up --leave`` sets it.
    """

    node_idle_minutes: Annotated[float, Unit("minutes")] = Field(default=0, ge=0, examples=["5"])
    """On a node: after how long without an attempt it stops by itself, as with SIGTERM, and ends
    with exit status 0. 0: never. For machines that are paid for as long as they run, such as the
    pilots of Slurm; ``fyke node up --idle-minutes`` sets it.
    """

    fleet: Annotated[Literal["static", "kubernetes"], SHARED] = Field(
        default="static", examples=["kubernetes"]
    )
    """Which engine the installation asks to replace and scale nodes. ``static``: none, because a
    person or systemd starts them. ``kubernetes``: ``fyke fleet up``, in a pod of its own, asks its
    cluster. See docs/how-to/kubernetes.md.
    """

    fleet_namespace: str = Field(
        default="", pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$", examples=["nodes"]
    )
    """For ``fyke fleet``: the namespace of the nodes. Empty: that of its own pod."""

    fleet_selector: str = Field(default="app=fyke,role=node", examples=["role=node"])
    """For ``fyke fleet``: the labels of the Deployments of nodes and of their pods, as in
    ``kubectl --selector``.
    """

    fleet_seconds: Annotated[float, SECONDS] = Field(default=15, ge=1, le=600, examples=["30"])
    """For ``fyke fleet up``: the pause between two looks at nodes and cluster."""

    fleet_cooldown_seconds: Annotated[float, SECONDS] = Field(default=300, ge=0, examples=["600"])
    """For ``fyke fleet up``: a Deployment that it scales shrinks to the highest number of nodes
    that its pool needed within this time. It grows at once.
    """


class AccountSettings(BaseModel):
    """Accounts and publishing."""

    default_plan: Annotated[Literal["free", "starter", "pro", "business", "unlimited"], SHARED] = (
        Field(default="free", examples=["pro"])
    )
    """The plan of new accounts: 2, 5, 10 or 50 runs at the same time, or no limit. The operator's
    own account is always ``unlimited``.
    """

    password_words: Annotated[CommaList, TypeText("list of words"), SHARED] = Field(
        default=(), examples=["acme,acme-data"]
    )
    """Names of your organisation, its products and projects. A password that is hardly more than
    these words, the names of user and account, the host name of ``public_url`` or the words listed
    in docs/how-to/users-and-sign-in.md is refused.
    """

    review: Annotated[Literal["required", "off"], SHARED] = Field(
        default="required", examples=["off"]
    )
    """``required``: other accounts can see and run a version only after a user of the operator's
    account has approved it (docs/how-to/publish-and-review.md). Private Workers, and those of the
    operator, need no review. ``off``: every account publishes without a review. Submissions that
    are waiting when this is switched off can still be decided.
    """

    schema_by_slug: Annotated[bool, SHARED] = Field(default=True, examples=["false"])
    """Whether a request without a key can read the input schema of a private Worker by its slug
    (80 random bits, which cannot be guessed), as clients of the original platform expect:
    ``GET /api/scraper`` and, in v2, ``input-schema`` and ``internal``. The answer has no README
    and no defaults of secret fields, and the default limits of the platform instead of the
    owner's; the Worker cannot be started. By its name, and with keys of other accounts, the
    Worker is not found. When false, only a key of its account can read the schema.
    """

    git_allow: Annotated[AddressList, SHARED] = Field(
        default=(), examples=["git.example.internal:443"]
    )
    """Git servers that are accepted although they are not on the public internet."""

    schedule_failures: Annotated[int, SHARED] = Field(default=10, ge=0, examples=["3"])
    """A schedule is switched off after this many failures in a row: refused starts and failed
    runs. Switching it on again resets the count. 0 never switches it off.
    """


class RunnerSettings(BaseModel):
    """Runner and sandbox."""

    runner_cpus: Annotated[float, Unit("cores")] = Field(default=0, ge=0, examples=["1.5"])
    """How many cores all running attempts together may use. 0: as many as the machine has."""

    runner_memory_mb: Annotated[int, MEBIBYTES] = Field(default=0, ge=0, examples=["4096"])
    """How much memory all running attempts together may use. 0: 80 % of the machine's memory."""

    runner_slots: int = Field(default=64, ge=1, examples=["8"])
    """How many attempts may run at the same time, whatever their size."""

    default_pool: Annotated[str, SHARED] = Field(
        default=DEFAULT_POOL, min_length=1, examples=["workers"]
    )
    """The pool of runs and of joining nodes that do not name one. See docs/how-to/nodes.md."""

    runner_pool: str = Field(default="", examples=["small"])
    """The pool of this machine, if it is not a node. Empty: ``default_pool``. In another pool it
    takes only runs that name that pool.
    """

    runner_labels: Annotated[
        dict[str, str], TypeText("map of names to texts, as JSON in the environment")
    ] = Field(default_factory=dict, examples=['{"disk":"ssd"}'])
    """The labels of this machine, if it is not a node. With the label ``region``, such as
    ``DE``, it takes runs of that region if ``egress_upstreams`` has no proxies for it.
    """

    lease_seconds: Annotated[int, SECONDS, OWN_ON_NODES] = Field(
        default=15, ge=12, le=600, examples=["60"]
    )
    """How long an attempt stays with a runner that does not renew its lease; after that it counts
    as lost. Increase it if a failover of the database takes longer: a runner that is cut off
    stops its Workers 9 seconds before that time, and attempts of a runner that is gone end that
    much later.
    """

    warm_sandboxes: int = Field(default=4, ge=0, le=256, examples=["16"])
    """The greatest number of sandboxes that wait for the next start of a version that was started
    recently. Each uses 5 to 10 MiB of memory, besides ``runner_memory_mb``. 0: none; then every
    start makes its sandbox.
    """

    warm_idle_seconds: Annotated[int, SECONDS] = Field(default=600, ge=1, examples=["60"])
    """How long after the last start of its version a sandbox waits for the next one. A browser
    waits as long after the last start of one.
    """

    attempt_uid_base: int = Field(default=30_000, ge=1, examples=["200000"])
    """The first of the user ids that attempts get when Fyke was started as root. Choose a range
    without users of the machine. If another installation on this machine uses any of them, Fyke
    takes the next free range; `fyke doctor` shows it.
    """

    attempt_uids: int = Field(default=4096, ge=1, examples=["1024"])
    """The number of user ids in that range. Each running attempt has its own, its browser another
    one, and each of the ``warm_sandboxes`` and ``warm_browsers``.
    """

    service_user: str = Field(default="fyke", examples=["scraper"])
    """The system user that server, runner, egress and browser gateway switch to when Fyke was
    started as root. It must exist and must not be root.
    """

    unsafe: bool = Field(default=False, examples=["1"])
    """Whether Workers run although a layer of the sandbox is missing on this machine; the log of
    every run then contains a warning. Use it only for Workers that you wrote yourself, on a
    machine without other data.
    """

    launcher: bool = Field(default=False, examples=["1"])
    """Whether sandboxes are created by the launcher at ``run/launcher.sock`` in the data folder.
    ``fyke up`` sets it when it was started as root. Set it yourself only for a runner that you
    start separately next to a launcher.
    """

    install_seconds: Annotated[int, SECONDS] = Field(default=600, ge=1, examples=["120"])
    """How long one installation of the dependencies of a version may take; after that the run
    fails, unless the package registry did not answer: then it is tried again for two minutes, and
    at least once. Installation runs in a sandbox that reaches the registries through Fyke's own
    proxy, and through ``egress_upstreams`` if ``"*"`` or the default region has one.
    ``HTTPS_PROXY`` and similar variables are not used for it.
    """

    drain_seconds: Annotated[int, SECONDS] = Field(default=30, ge=0, examples=["600"])
    """How long ``fyke up`` waits for running Workers when it stops. After that they are
    stopped and their runs fail; their rows are kept.
    """

    work_mb: Annotated[int, MEBIBYTES] = Field(default=2048, ge=1, examples=["512"])
    """How much disk the files of one attempt may use. An attempt that exceeds it is stopped."""

    disk_floor_mb: Annotated[int, MEBIBYTES] = Field(default=256, ge=0, examples=["1024"])
    """How much must be free on the disk of the data folder for a new run to be accepted. Below it
    a start is answered with 503 and code 5000; running Workers continue and reads work. Starts
    are accepted again as soon as there is space. On a node, which has its own setting, this much
    must be free for it to take attempts. 0 switches the check off.
    """

    max_subtasks: Annotated[int, SHARED] = Field(default=1000, ge=1, examples=["100"])
    """The maximum number of subtasks of a run. A start that needs more is refused.
    """

    failed_rows: Annotated[Literal["hide", "keep"], SHARED] = Field(
        default="hide", examples=["keep"]
    )
    """What happens to the rows of a subtask whose Worker exited with a code other than 0 or by a
    signal. ``hide``: they are stored, but not shown, counted or exported. ``keep``: they are
    shown. Rows are not deleted in either case, and changing the setting shows or hides the rows
    of earlier runs as well; the number ``results`` of a finished run stays the count at its
    end. The page of a run and ``fyke run show`` report the number of hidden rows; a request can
    include them with [``failed_rows``](rows.md#rows-of-a-worker-that-failed).
    """

    @field_validator("lease_seconds", mode="wrap")
    @classmethod
    def _check_lease(cls, value: Any, check: ValidatorFunctionWrapHandler) -> int:
        try:
            seconds: int = check(value)
        except ValidationError:
            raise ValueError(
                "must be a whole number of seconds from 12 to 600, because a runner that is cut "
                "off needs 9 of them to stop its Workers; remove the setting for the default of 15"
            ) from None
        return seconds


class BrowserSettings(BaseModel):
    """Browsers.

    A Worker that asks for a browser gets one of its own, in a sandbox beside its own. See
    docs/how-to/limits-and-prices.md for what it costs.
    """

    browser: Literal["auto", "off"] = Field(default="auto", examples=["off"])
    """``auto``: Workers get a browser where one is installed on the runner's machine when Fyke
    starts; ``fyke doctor`` shows it. ``off``: each request for a browser is answered with 503.
    """

    browser_program: Literal["headless-shell", "chromium"] = Field(
        default="headless-shell", examples=["chromium"]
    )
    """The program of the browser, from the packages ``chromium-headless-shell`` or ``chromium``.
    The first needs half the memory and starts twice as fast.
    """

    browser_memory_mb: Annotated[int, MEBIBYTES, OWN_ON_NODES] = Field(
        default=1024, ge=128, examples=["2048"]
    )
    """How much memory the browser of one attempt may use. A page that needs more crashes; the
    browser and the Worker continue.
    """

    browser_memory_max_mb: Annotated[int, MEBIBYTES, OWN_ON_NODES] = Field(
        default=4096, ge=128, examples=["8192"]
    )
    """The most memory that a start may ask for with ``browser_memory``, in place of
    ``browser_memory_mb``.
    """

    browser_cpus: Annotated[float, Unit("cores"), OWN_ON_NODES] = Field(
        default=1, ge=0.1, le=64, examples=["0.5"]
    )
    """How much CPU the browser of one attempt may use."""

    browser_processes: int = Field(default=1024, ge=64, examples=["2048"])
    """How many processes and threads the browser of one attempt may have: about 60 with one page,
    and eight to ten for each further one.
    """

    browser_tmp_mb: Annotated[int, MEBIBYTES] = Field(default=256, ge=16, examples=["512"])
    """How much the profile of a browser, with its downloads, and its temporary files may each take.
    Both are in memory and count in ``browser_memory_mb``.
    """

    browser_instances: int = Field(default=4, ge=1, le=16, examples=["8"])
    """How many launched browsers and Selenium sessions a Worker may have at the same time, in
    addition to the browser to which it connects. All are in one sandbox and share its limits; each
    takes about 60 of ``browser_processes``.
    """

    browser_cache_mb: Annotated[int, MEBIBYTES] = Field(default=32, ge=0, le=64, examples=["0"])
    """How much of its HTTP cache a browser leaves for the next ones of the same run, if the run has
    several subtasks: public files only, and at most a quarter of ``browser_tmp_mb``. The cache is
    deleted after the run. 0: every browser starts with an empty cache.
    """

    browser_reserve_percent: Annotated[int, Unit("%")] = Field(
        default=15, ge=0, le=100, examples=["50"]
    )
    """The part of ``browser_cpus`` and ``browser_memory_mb`` that an attempt with a browser takes
    from ``runner_cpus`` and ``runner_memory_mb``: browsers rarely need their full limits.
    Prices are for the whole limits.
    """

    runner_browsers: int = Field(default=0, ge=0, examples=["6"])
    """How many attempts with a browser may run at the same time on this machine. 0: three for each
    of ``runner_cpus``, at most one for each 640 MiB of ``runner_memory_mb``. No browser is
    started while less than 400 MiB of the machine's memory are available.
    """

    warm_browsers: int = Field(default=1, ge=0, le=64, examples=["4"])
    """How many browsers may wait for the next connection that needs one. As many wait as were
    started for attempts within ``warm_idle_seconds``, so the second one waits after the second
    start. Each uses about 100 MiB of memory in addition to ``runner_memory_mb``, and none waits
    while less than 1 GiB of the machine's memory is available. 0: every browser is started when it
    is needed.
    """

    browser_keep: Literal["failed", "always", "never"] = Field(default="failed", examples=["never"])
    """Of which attempts the last page of the browser is kept, with a picture, its HTML, requests
    and console: of those that do not succeed, of all, or of none. Secrets are masked, but not in
    the picture; see docs/how-to/secrets.md. Unless it is ``never``, a command that closes a page
    or a browser may take up to 0.3 seconds longer.
    """

    browser_keep_days: Annotated[int, Unit("days"), SHARED] = Field(
        default=7, ge=1, examples=["30"]
    )
    """How long last pages are kept, at most as long as their runs (``keep_days``)."""

    browser_live: Annotated[bool, SHARED] = Field(default=True, examples=["false"])
    """Whether users can watch the browser of a running run on its page, and owners can take it
    over. See [Watch a browser](../how-to/watch-a-browser.md).
    """


class EgressSettings(BaseModel):
    """Egress and callbacks."""

    egress_allow: Annotated[AddressList, FOR_NODES] = Field(
        default=(), examples=["10.0.0.5:8080,10.1.0.0/16:443"]
    )
    """Targets that every Worker of every account may reach although they are not on the public
    internet. A name allows only that name at that port. For a single run of the operator's
    account use ``input.parameters.system.egress_allow`` instead.
    """

    egress_upstreams: Annotated[
        dict[str, str],
        TypeText("map of region to one URL or a list of them, as JSON in the environment"),
        Shared("get it", is_secret=True),
    ] = Field(
        default_factory=dict,
        examples=[
            '{"US":"socks5h://user:password@us.example.com:1080",'
            '"*":["rotating","http://a.example.com:3128","http://b.example.com:3128"]}'
        ],
    )
    """The proxies of each region: ``socks5://``, ``socks5h://`` (the proxy resolves names) or
    ``http://``, with user and password where needed. A region is two capital letters, or ``*``
    for all others. With several proxies a run uses one of them; if the list starts with
    ``rotating``, every connection uses the next. A proxy that fails is not used until it works
    again. Connections of a region without an entry are direct, and the log of the run contains a
    note. See docs/how-to/upstream-proxies.md.
    """

    default_region: Annotated[str, TypeText("two capital letters"), FOR_NODES] = Field(
        default="", examples=["US"]
    )
    """The region of runs that do not name one."""

    site_guard: Annotated[bool, FOR_NODES] = Field(default=True, examples=["off"])
    """Whether connections to each site are throttled, across all runs on all machines. A site is a
    host name. New connections to it are limited in rate (``site_rate``) and number
    (``site_connections``, of which each run is guaranteed four on each machine). When the site
    answers 429 or 503, no connection starts for one second, then two, four, up to
    ``site_pause_seconds``; other machines know that within about a second. A connection that would
    have to wait longer than ten seconds is refused with a reason. The status of an answer is
    visible only in plain HTTP, and only for the first one of a connection; with TLS only rate and
    number are limited. Package installation is not throttled.
    """

    site_rate: Annotated[float, Unit("connections per second"), FOR_NODES] = Field(
        default=50, gt=0, examples=["10"]
    )
    """The rate of new connections to one host name, across all runs. After a pause, as many as in
    four seconds may start at once. Machines that use a name share the rate equally. When a machine
    begins to use it, the sum may be higher for up to six seconds, but less than double; over time
    it is at most a sixth higher, and not at all while the same machines use the name. Each machine
    may start at least one connection after a pause, however low the rate is.
    """

    site_connections: Annotated[int, FOR_NODES] = Field(default=200, ge=1, examples=["50"])
    """How many connections to one host name may be open at the same time, across all runs.
    Machines that use a name share the number equally, and each has at least one. What is open when
    another machine begins to use it stays open: until it ends, there may be up to twice as many.
    """

    site_pause_seconds: Annotated[float, SECONDS, FOR_NODES] = Field(
        default=30, ge=0, examples=["120"]
    )
    """The longest pause for a site that answers 429 or 503. It applies to all machines, which know
    of it within about a second. 0: no pause.
    """

    callback_allow: Annotated[AddressList, SHARED] = Field(default=(), examples=["127.0.0.1:9000"])
    """Receivers of callbacks and webhooks that are accepted although they are not on the public
    internet.
    """

    callback_running: Annotated[bool, SHARED] = Field(default=True, examples=["false"])
    """Whether runs that were started through API v2 also call their ``callback_url`` when they
    start. When false, they call it only when they have ended, like runs of API v1.
    """


class MailSettings(BaseModel):
    """Mail."""

    smtp_url: Annotated[
        str, TypeText("`smtp://USER:PASSWORD@HOST:PORT` or `smtps://`"), Shared(is_secret=True)
    ] = Field(default="", examples=["smtps://fyke:secret@mail.example.org"])
    """The server that sends the mail of alert rules. ``smtps`` uses TLS from the first byte, on
    port 465 unless the URL names one; ``smtp`` starts TLS when the server offers it, on port 587
    unless the URL names one. A password is sent over TLS only. User and password are optional;
    write special characters in them percent-encoded. Without a server no mail is sent, and no
    rule may name an address.
    """

    mail_from: Annotated[str, TypeText("mail address, with or without a name"), SHARED] = Field(
        default="", examples=["fyke@example.org"]
    )
    """The sender of the mail, by default ``fyke@`` and the host name of the mail server.
    """


class PriceSettings(BaseModel):
    """Prices.

    All prices are zero by default: runs cost nothing, no amount is held, and no balance is
    needed. See docs/how-to/limits-and-prices.md.
    """

    price_cpu_hour: Annotated[Decimal, Unit("US dollars for one core and one hour"), SHARED] = (
        Field(default=Decimal(0), ge=0, examples=["0.05"])
    )
    """The price of CPU time."""

    price_memory_gb_hour: Annotated[
        Decimal, Unit("US dollars for 1024 MiB and one hour"), SHARED
    ] = Field(default=Decimal(0), ge=0, examples=["0.01"])
    """The price of memory."""

    price_traffic_gb: Annotated[Decimal, Unit("US dollars for 1,000,000,000 bytes"), SHARED] = (
        Field(default=Decimal(0), ge=0, examples=["0.5"])
    )
    """The price of traffic through the proxy, in both directions."""

    traffic_quota: Annotated[bool, SHARED] = Field(default=False, examples=["true"])
    """Whether traffic is deducted from the account's quota. An account without remaining traffic
    cannot start a run.
    """


class LogSettings(BaseModel):
    """Log of the platform."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", examples=["debug"]
    )
    """The lowest level that the platform's processes write to their log, one JSON record per line.
    With ``debug`` every request is logged. It does not affect the logs of runs.
    """
