"""What a setting says of itself besides type and default, and types that several settings share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic_settings import NoDecode


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
