"""The names of uploaded pictures: in an address ``ACCOUNT-CONTENT.KIND``, as a blob in a folder of
the account, which can be listed alone.
"""

from __future__ import annotations

import re

from fyke.contracts.blobs import Folder

_ACCOUNT = r"([0-9a-f]{16})"
_FILE = r"([0-9a-f]{32}\.(?:png|jpg|gif|webp))"
_NAME = re.compile(rf"{_ACCOUNT}-{_FILE}")
_BLOB = re.compile(rf"{Folder.ICONS}/{_ACCOUNT}/{_FILE}")


def is_icon(blob: str) -> bool:
    return _BLOB.fullmatch(blob) is not None


def blob_of(name: str) -> str:
    """The blob of a picture; "" for a text that is no name of one."""
    found = _NAME.fullmatch(name)
    return f"{Folder.ICONS}/{found[1]}/{found[2]}" if found else ""


def name_of(blob: str) -> str:
    """The name of the picture in a blob of one."""
    return "-".join(blob.split("/")[1:])
