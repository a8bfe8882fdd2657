"""How the dependencies of a version are installed, and the keys of what results."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fyke.sandbox.packages.installer import InstallTerms
from fyke.sandbox.packages.package_client import PackageClient


class Recipe(Protocol):
    """How to install the dependencies of one version. ``inputs`` determine the key; ``locked`` is
    whether they determine every byte. ``warning`` is for the log of runs, ``fallback`` the recipe
    for a lock file that does not match. ``links``: the targets of the links that it makes, by
    path; there are no others.
    """

    inputs: Sequence[str]
    locked: bool
    warning: str

    @property
    def fallback(self) -> Recipe | None: ...

    @property
    def links(self) -> Mapping[str, str]: ...

    async def client(self) -> PackageClient:
        """The settings of the client that installs it. Raise ``EnvironmentFailed``."""
        ...

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        """Create and fill ``content``; ``building`` is a scratch folder. Return the output of the
        installer. Raise ``EnvironmentFailed``, ``LockOutOfStep``.
        """
        ...


def environment_key(recipe: Recipe, terms: InstallTerms) -> str:
    inputs = list(recipe.inputs)
    if terms.builds:
        inputs += ["builds of", terms.account_id]
    elif not recipe.locked:
        inputs += ["found for", terms.account_id]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def with_fallback(recipe: Recipe) -> list[Recipe]:
    return [item for item in (recipe, recipe.fallback) if item is not None]


def archive_key(recipe: Recipe, terms: InstallTerms) -> str:
    """The key of an environment together with what its bytes depend on between machines."""
    machine = (os.uname().machine, *platform.libc_ver())
    inputs = ["archive", 1, environment_key(recipe, terms), *machine]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
