"""Checks the address of a repository; a refusal names the rule and the remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from fyke.errors import InvalidRequest
from fyke.kit.hostports import Host, parse_host
from fyke.model.upload import GitSource

MAX_URL = 2000
MAX_REF = 200
_SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:")
_PATH = re.compile(r"/[!-~]*")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_FOLDER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._ +@-]*(?:/[A-Za-z0-9._][A-Za-z0-9._ +@-]*)*")
_EXAMPLE = "such as https://github.com/owner/project"


@dataclass(frozen=True, slots=True)
class Repository:
    """A checked address. ``url`` is normalized, with one spelling for each host and port."""

    host: Host
    port: int
    path: str

    @property
    def authority(self) -> str:
        return self.target.removesuffix(":443") if self.port == 443 else self.target

    @property
    def target(self) -> str:
        """Host and port, as in an egress grant."""
        name = f"[{self.host}]" if ":" in str(self.host) else str(self.host)
        return f"{name}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.authority}{self.path}"


def parse_repository(url: str) -> Repository:
    """Parse an address. Raise ``InvalidRequest``."""
    text = url.strip()
    if not text or len(text) > MAX_URL:
        raise InvalidRequest(
            f"is required: an https address of a repository, {_EXAMPLE}", field="url"
        )
    if text.lower().startswith(("ssh:", "git+ssh:")) or _SCP.match(text):
        raise InvalidRequest(
            "SSH is not supported, because it needs your key; write the https address of "
            f"the repository, {_EXAMPLE}",
            field="url",
        )
    try:
        if not text.isprintable():
            raise ValueError
        parts = urlsplit(text)
        port = 443 if parts.port is None else parts.port
        if not port:
            raise ValueError
    except ValueError:
        raise InvalidRequest(
            f"is not an address; write an https address, {_EXAMPLE}", field="url"
        ) from None
    if parts.scheme.lower() != "https":
        raise InvalidRequest(f"must begin with https://, {_EXAMPLE}", field="url")
    if "@" in parts.netloc:
        raise InvalidRequest(
            "must not contain a name or a token; only public repositories can be fetched, "
            "upload a ZIP of a private one",
            field="url",
        )
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise InvalidRequest(
            "must have no '?' and no '#'; the branch goes into its own field", field="url"
        )
    return Repository(_host(parts.netloc), port, _path(parts.path))


def _host(netloc: str) -> Host:
    name = netloc
    if netloc.startswith("["):
        name = netloc[: netloc.find("]") + 1]
    elif ":" in netloc:
        name = netloc.rpartition(":")[0]
    try:
        return parse_host(name)
    except ValueError as error:
        raise InvalidRequest(f"{error}; write an https address, {_EXAMPLE}", field="url") from None


def _path(path: str) -> str:
    parts = path.split("/")
    if not _PATH.fullmatch(path) or path == "/" or ".." in parts or "\\" in path:
        raise InvalidRequest(f"must name a repository after the host, {_EXAMPLE}", field="url")
    return path


def parse_ref(source: GitSource) -> str:
    """Return the revision, ``HEAD`` by default. Raise ``InvalidRequest``."""
    ref = source.ref.strip()
    if not ref:
        return "HEAD"
    is_malformed = ".." in ref or "//" in ref or ref.endswith(("/", ".", ".lock"))
    if is_malformed or len(ref) > MAX_REF or not _REF.fullmatch(ref):
        raise InvalidRequest(
            "must be the name of a branch or a tag, or all 40 characters of a commit", field="ref"
        )
    return ref


def parse_folder(source: GitSource) -> str:
    """Return the folder of the project without slashes around it. Raise ``InvalidRequest``."""
    folder = source.folder.strip().strip("/")
    if folder and (
        len(folder) > MAX_REF or not _FOLDER.fullmatch(folder) or _leaves_folder(folder)
    ):
        raise InvalidRequest(
            "must be the path of a folder inside the repository, such as workers/prices",
            field="folder",
        )
    return folder


def _leaves_folder(folder: str) -> bool:
    return any(part in (".", "..") or part.lower() == ".git" for part in folder.split("/"))
