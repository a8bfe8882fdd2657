"""Workers, versions and bundles."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from fyke.reasons import Reason, ReasonCode

# a project with an error cannot be published
Severity = Literal["error", "warning", "info"]

GOOD = "+"  # a run that succeeded, in ``WorkerFacts.recent``


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """Statistics of all ended runs of a worker, across all accounts. ``runs`` includes runs that
    say nothing about the worker, such as aborted ones; ``recent``, which excludes these, has a
    ``+`` or ``-`` for each of the latest runs, newest last.
    """

    worker_id: str = ""
    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    last_ok_at: int = 0  # ms, 0 = never
    recent: str = ""

    @property
    def rated_runs(self) -> int:
        """How many runs the success rate is computed from."""
        return len(self.recent)

    @property
    def success_rate(self) -> float | None:
        """Share of the recent runs that succeeded, 0 to 1; None before the first."""
        return self.recent.count(GOOD) / self.rated_runs if self.rated_runs else None


NO_FACTS = WorkerFacts()


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """Facts recorded when a version was published. ``size`` is bytes of the bundle."""

    size: int
    findings: tuple[Finding, ...] = ()


class Language(StrEnum):
    """The languages a Worker may be written in."""

    PYTHON = "python"
    NODE = "node"
    GO = "go"


class BrowserNeed(StrEnum):
    """Whether a version uses a browser."""

    UNKNOWN = ""  # nothing is declared or was detected
    NONE = "none"  # it gets no browser
    OPTIONAL = "optional"
    REQUIRED = "required"  # it is started only where there is a browser
    HEADFUL = "headful"  # the same, of a browser with windows

    @property
    def possible(self) -> bool:
        """Whether it is known to use one, always or sometimes."""
        return self is BrowserNeed.OPTIONAL or self.certain

    @property
    def certain(self) -> bool:
        """Whether no run of it can do without one."""
        return self in (BrowserNeed.REQUIRED, BrowserNeed.HEADFUL)


class VersionState(StrEnum):
    """Which versions may run: published ones, and a draft by its number, for its own account.

    A deprecated version can be run by its number, and is the latest only when there is no other.
    A withdrawn version cannot be started.
    """

    DRAFT = "draft"  # a test of an upload; never the newest
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    WITHDRAWN = "withdrawn"


MAX_SEARCH = 500  # characters of a search text


class WorkerOrder(StrEnum):
    """How a list of the catalog is sorted."""

    USED = "used"  # most runs of all accounts first
    NEW = "new"  # latest first
    NAME = "name"  # by title


class BrowserFilter(StrEnum):
    """Which workers of the catalog are listed, by their use of a browser."""

    ANY = "any"
    WITH = "with"  # always or sometimes
    WITHOUT = "without"

    @property
    def uses(self) -> bool | None:
        """Whether they use one; None = any."""
        return None if self is BrowserFilter.ANY else self is BrowserFilter.WITH


@dataclass(frozen=True, slots=True)
class WorkerPage:
    """The presentation of a worker in the catalog. Unlike a version it can be changed."""

    title: str
    description: str
    categories: tuple[int, ...] = ()
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """A script as published. ``(owner name, name)`` is unique; its path is ``owner/name``."""

    id: str
    account_id: str
    owner: str
    name: str
    title: str
    description: str
    public: bool
    created_at: int
    latest: str  # number of the newest published version, "" before the first
    categories: tuple[int, ...] = ()
    icon: str = ""  # URL of an image, "" = none
    deleted_at: int = 0  # ms, 0 = not deleted; a deleted one is reachable only from its runs
    latest_approved: str = ""  # number of the newest published version that others may run
    builds_allowed: bool = False  # by the operator; see ``Version.builds``

    @property
    def path(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def page(self) -> WorkerPage:
        return WorkerPage(self.title, self.description, self.categories, self.icon)


@dataclass(frozen=True, slots=True)
class SystemDefaults:
    """Options of a run that its start does not set."""

    memory_mb: int = 512
    timeout_s: int = 1800
    max_charge_micros: int = 0
    max_traffic_bytes: int = 0
    max_retries: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable, content-addressed bundle of a worker, with its schemas as JSON text."""

    id: str
    worker_id: str
    number: str
    digest: str  # sha256 of the normalised bundle; also names its blob
    language: Language
    state: VersionState
    input_schema: str
    output_schema: str  # "" when the project has none
    readme: str
    requirements: str  # content of the dependency file, "" when there is none
    defaults: SystemDefaults
    created_at: int
    notice: str = ""  # why it is deprecated or withdrawn
    approved: bool = True  # whether other accounts may see and run it
    egress: tuple[str, ...] | None = None  # the only domains it may reach; None = all public ones
    builds: bool = False  # its dependencies need to run code during installation
    secrets: tuple[str, ...] = ()  # names of the secrets that it reads
    browser: BrowserNeed = BrowserNeed.UNKNOWN
    browser_declared: bool = False  # in its project, else detected

    @property
    def reserves_browser(self) -> bool:
        """Whether its runs reserve a browser from the start, and not when they connect to one."""
        if self.browser_declared:
            return self.browser.certain
        return self.browser.possible


# the longest pause before the preparation of an environment is tried again
MAX_ARCHIVE_BYTES = 2**30  # of a packed environment
ENVIRONMENT_FREE_BYTES = 2**30  # of a disk, that no environment may fill: runs need them
MAX_PREPARATION_PAUSE_MS = 600_000


class EnvironmentState(StrEnum):
    """Whether the dependencies of a version are installed."""

    PREPARING = "preparing"  # a runner installs them, as soon as no run waits
    READY = "ready"
    FAILED = "failed"  # because of the version, or of settings of the machine


@dataclass(frozen=True, slots=True)
class VersionEnvironment:
    """The result of the last installation of a version's dependencies; or an installation is due.

    ``reason``: why it failed; of one that is due, the last fault of the platform.
    ``runner_id``: the runner that prepares it, ``""`` before one does. ``tries``: how often in a
    row a fault of the platform has stopped it, and ``not_before``: when it is tried again, in ms.
    """

    version_id: str
    state: EnvironmentState
    reason: Reason | None = None
    runner_id: str = ""
    tries: int = 0
    not_before: int = 0


@dataclass(frozen=True, slots=True)
class EnvironmentArchive:
    """The packed environment of a version that other machines may fetch; wanted without ``digest``.

    ``key`` determines what was installed and for which kind of machine, ``digest`` and ``tree`` are
    the sha256 of the file and of its content, and ``size`` its bytes. ``runner_id``: the runner
    that makes it. ``not_before``: from when it may be wanted again after a failure, in ms. The last
    three are those of an ``InstallFailure``, with its ``key``.
    """

    version_id: str
    key: str = ""
    digest: str = ""
    size: int = 0
    tree: str = ""
    runner_id: str = ""
    not_before: int = 0
    reason: Reason | None = None
    log: str = ""
    sources: str = ""


# reasons of a failed installation that last as long as packages and registries stay as they are
OF_PACKAGES = frozenset(
    {
        ReasonCode.PACKAGES_FAILED,
        ReasonCode.NO_READY_PACKAGE,
        ReasonCode.PACKAGE_NOT_FOUND,
        ReasonCode.PACKAGES_REFUSED,
        ReasonCode.BUILD_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class InstallFailure:
    """Why the installation cannot install the dependencies of a version, as long as the packages
    and the registries stay as they are; ``log`` is the output of the installer.

    A machine for which ``key`` is that of the environment would fail in the same way, if it took
    the packages from the same ``sources``, a digest of the registries that its settings name.
    """

    reason: Reason
    log: str = ""
    key: str = ""
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of the checker: location, rule and remedy."""

    severity: Severity
    code: str
    file: str
    line: int  # 1-based, 0 when it concerns the whole file
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Project:
    """A Worker project as read from a folder or an archive, checked and ready to publish."""

    language: Language
    bundle: bytes  # normalised ZIP
    digest: str
    input_schema: str
    output_schema: str
    readme: str
    requirements: str
    title: str
    description: str
    findings: list[Finding] = field(default_factory=list)
    egress: tuple[str, ...] | None = None  # as in ``Version``
    builds: bool = False
    secrets: tuple[str, ...] = ()
    browser: BrowserNeed = BrowserNeed.UNKNOWN
    browser_declared: bool = False
