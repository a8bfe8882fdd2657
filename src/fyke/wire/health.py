"""The version of a server."""

from __future__ import annotations

from fyke.wire.fields import Answer


class ProductVersion(Answer):
    version: str
