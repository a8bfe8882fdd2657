"""Explains an error of git to the account. Of git's output only the last line of an unknown error
and the reason for a rejected object are repeated.
"""

from __future__ import annotations

import re

from fyke.git.address import Repository
from fyke.git.process import GitRequest
from fyke.kit.addresses import refused_address

_NO_ANSWER = "the host does not answer, or closed the connection"
_PROXY_STATUS = re.compile(r"(?:http code|response) (\d{3})")
_REJECTED_OBJECT = re.compile(r"error: object [0-9a-f]{40}: ([\w :.,'/-]{1,200})")
_NO_SUCH_REF = re.compile(r"remote ref|not our ref|invalid refspec")
_KNOWN = (
    (
        r"could not read username|authentication failed|not found|error: 40",
        "there is no public repository at this address; check it, or upload a ZIP",
    ),
    (r"error: 30|redirect", "the repository has moved; write the address that a browser shows"),
    (r"certificate", "TLS: the certificate of the host is not trusted by this machine"),
    (r"could not connect|failed to connect|connection", _NO_ANSWER),
    (
        r"not a valid|not valid: is this a git repository",
        "there is no git repository at this address",
    ),
    (
        r"index-pack failed|bad pack",
        "the repository is damaged: git rejects the data of the host",
    ),
)


def not_public(repository: Repository) -> str:
    return refused_address(repository.host, "FYKE_GIT_ALLOW")


def explain(output: str, request: GitRequest) -> str:
    """Return why a repository could not be fetched."""
    lowered = output.lower()
    refused = _PROXY_STATUS.search(lowered)
    if refused and ("proxy" in lowered or "tunnel" in lowered):  # our proxy, not the host
        return not_public(request.repository) if refused[1] == "403" else _NO_ANSWER
    rejected_object = _REJECTED_OBJECT.search(output)
    if rejected_object:
        return f"git refuses an object of the repository: {rejected_object[1].strip()}"
    if _NO_SUCH_REF.search(lowered):
        is_short_commit = re.fullmatch("[0-9a-f]{4,39}", request.ref)
        hint = "; a commit needs all 40 characters" if is_short_commit else ""
        return f"the repository has no branch, tag or commit {request.ref!r}{hint}"
    for pattern, text in _KNOWN:
        if re.search(pattern, lowered):
            return text
    lines = [line for line in output.splitlines() if line.strip()]
    last = "".join(item for item in (lines or ["no reason"])[-1] if item.isprintable())
    return f"git could not fetch it: {last[:200]}"
