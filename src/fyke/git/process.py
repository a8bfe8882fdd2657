"""How git is run: in a sandbox of its own, with access to one host only."""

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
_ROOM = 64 * 2**20  # for what git writes besides the repository and its files
_READER, _ASK, _CERTIFICATES = "reader.py", "ask.json", "certificates.pem"

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
    """Limits of one fetch: seconds, and bytes received from the host."""

    seconds: float = 120.0
    folder: int = 200 * 2**20


@dataclass(frozen=True, slots=True)
class GitRequest:
    """What to fetch; already checked."""

    where: Repository
    ref: str
    folder: str


def spec(program: str, wanted: GitRequest, bounds: GitLimits, certificates: str = "") -> ToolSpec:
    """Return the specification for the sandbox. ``certificates`` are the trusted authorities, the
    system's if empty. Nothing else from this machine is passed in.
    """
    settings = list(SETTINGS)
    files = {_READER: resources.files("fyke.git").joinpath(_READER).read_text("utf-8")}
    if certificates:
        files[_CERTIFICATES] = certificates
        settings.append(f"http.sslCAInfo={WORK_AT}/{_CERTIFICATES}")
    ask = {
        "git": program,
        "settings": settings,
        "url": wanted.where.url,
        "ref": wanted.ref,
        "folder": wanted.folder,
        "list": MAX_LIST,
        "most": MAX_FILES_BYTES,
    }
    return ToolSpec(
        ToolKind.GIT,
        [_PYTHON, "-I", "-B", _READER, _ASK],
        ToolLimits(
            seconds=bounds.seconds,
            memory=MEMORY,
            work_size=bounds.folder + MAX_FILES_BYTES + _ROOM,
            traffic=bounds.folder,
        ),
        env=_ENVIRONMENT,
        files=files | {_ASK: json.dumps(ask)},
        access=ToolAccess((wanted.where.target,)),
    )
