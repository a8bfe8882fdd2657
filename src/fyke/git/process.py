"""Runs git in a separate sandbox, with access to one host only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

from fyke.contracts.tools import WORK_AT, ToolAccess, ToolKind, ToolLimits, ToolSpec
from fyke.git.address import Repository

PATH = "/usr/local/bin:/usr/bin:/bin"
MEMORY = 2 * 2**30
MAX_FILES_BYTES = 100 * 2**20
MAX_LIST = 8 * 2**20
LISTING, OBJECTS = "listing", "objects"

_PYTHON = "/usr/bin/python3"
_EXTRA_BYTES = 64 * 2**20  # for files of git besides the objects
_READER, _REQUEST, _CERTIFICATES = "reader.py", "request.json", "certificates.pem"

# For every command: disable features that a server could request (another host, a bundle, an
# alternate) and those that a repository could (hooks, submodules, attributes).
SETTINGS = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "http.followRedirects=false",
    "http.proxyAuthMethod=basic",
    "http.sslVerify=true",
    "http.emptyAuth=false",
    "http.saveCookies=false",
    "credential.helper=",
    "credential.interactive=false",
    "core.hooksPath=/dev/null",
    "core.askPass=",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "transfer.fsckObjects=true",
    "transfer.bundleURI=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_ALLOW_PROTOCOL": "https",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CEILING_DIRECTORIES": WORK_AT,
}


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Limits of one fetch: ``folder`` is the bytes of the repository, received and on disk."""

    seconds: float = 120.0
    folder: int = 200 * 2**20


@dataclass(frozen=True, slots=True)
class GitRequest:
    """A revision and a folder of a repository; all checked."""

    repository: Repository
    ref: str
    folder: str


def tool_spec(
    program: str, request: GitRequest, limits: GitLimits, certificates: str = ""
) -> ToolSpec:
    """Return the order for the sandbox. ``certificates`` are the trusted authorities; the system's
    if empty. Nothing else of this machine is passed.
    """
    settings = list(SETTINGS)
    files = {_READER: resources.files("fyke.git").joinpath(_READER).read_text("utf-8")}
    if certificates:
        files[_CERTIFICATES] = certificates
        settings.append(f"http.sslCAInfo={WORK_AT}/{_CERTIFICATES}")
    reader_request = {
        "git": program,
        "settings": settings,
        "url": request.repository.url,
        "ref": request.ref,
        "folder": request.folder,
        "max_listing": MAX_LIST,
        "max_bytes": MAX_FILES_BYTES,
    }
    return ToolSpec(
        ToolKind.GIT,
        [_PYTHON, "-I", "-B", _READER, _REQUEST],
        ToolLimits(
            seconds=limits.seconds,
            memory=MEMORY,
            work_size=limits.folder + MAX_FILES_BYTES + _EXTRA_BYTES,
            traffic=limits.folder,
        ),
        env=_ENVIRONMENT,
        files=files | {_REQUEST: json.dumps(reader_request)},
        access=ToolAccess((request.repository.target,)),
    )
