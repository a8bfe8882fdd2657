"""Packages of this environment, copied into a new environment for a sandbox."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


def environment_of(folder: Path, names: Iterable[str]) -> Path:
    """Make a virtual environment for the sandboxes' Python with these packages and their
    dependencies.

    The caller has checked that both Pythons have the same version.
    """
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(folder)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    target = folder / "lib" / version / "site-packages"
    for package in _with_needs(names).values():
        for file in package.files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.is_file():
                place = target.joinpath(*file.parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    return folder


def _with_needs(names: Iterable[str]) -> dict[str, Distribution]:
    packages: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in packages:
            continue
        try:
            packages[name] = distribution(name)
        except PackageNotFoundError:
            continue  # needed on other systems only
        for need in packages[name].requires or ():
            if "extra ==" not in need:
                waiting.append(re.split(r"[^\w.-]", need, maxsplit=1)[0])
    return packages
