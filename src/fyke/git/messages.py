"""Explains an error of git to the account. Its own output is not repeated, except the last line of
an unknown error, and its finding about a damaged object.
"""

from __future__ import annotations

import re

from fyke.git.address import Repository
from fyke.git.process import GitRequest

_GONE = "the host does not answer, or closed the connection"
_PROXY_STATUS = re.compile(r"(?:http code|response) (\d{3})")
_UNSOUND = re.compile(r"error: object [0-9a-f]{40}: ([\w :.,'/-]{1,200})")
_ABSENT = re.compile(r"remote ref|not our ref|invalid refspec")
_KNOWN = (
    (
        r"could not read username|authentication failed|not found|error: 40",
        "there is no public repository at this address; check it, or upload a ZIP",
    ),
    (r"error: 30|redirect", "the repository has moved; write the address that a browser ends at"),
    (r"certificate", "TLS: the certificate of the host is not trusted by this machine"),
    (r"could not connect|failed to connect|connection", _GONE),
    (
        r"not a valid|not valid: is this a git repository",
        "there is no git repository at this address",
    ),
    (
        r"index-pack failed|bad pack",
        "the repository is damaged: git rejects the data of the host",
    ),
)


def inside(where: Repository) -> str:
    return f"{where.host} is not on the public internet; FYKE_GIT_ALLOW can exempt it"


def explain(words: str, wanted: GitRequest) -> str:
    """Why a repository could not be fetched."""
    low = words.lower()
    refused = _PROXY_STATUS.search(low)
    if refused and ("proxy" in low or "tunnel" in low):  # our proxy, not the host
        return inside(wanted.where) if refused[1] == "403" else _GONE
    unsound = _UNSOUND.search(words)
    if unsound:
        return f"git refuses a repository with an object like this: {unsound[1].strip()}"
    if _ABSENT.search(low):
        short = re.fullmatch("[0-9a-f]{4,39}", wanted.ref)
        hint = "; a commit needs all 40 characters" if short else ""
        return f"the repository has no branch, tag or commit {wanted.ref!r}{hint}"
    for pattern, text in _KNOWN:
        if re.search(pattern, low):
            return text
    lines = [line for line in words.splitlines() if line.strip()]
    last = "".join(each for each in (lines or ["no reason"])[-1] if each.isprintable())
    return f"git could not fetch it: {last[:200]}"
