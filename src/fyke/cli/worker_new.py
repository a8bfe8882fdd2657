"""Writing a new Worker project: everything is written, or nothing."""

from __future__ import annotations

from pathlib import Path

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.worker_template import files
from fyke.domain.workers.model import Language
from fyke.domain.workers.project import SDK_FILES

LANGUAGES = ("python",)


def write_project(path: Path, language: str) -> list[str]:
    """Make the folder and return the names of its files. Raise ``CommandFailed``."""
    if language not in LANGUAGES:
        raise CommandFailed(
            f"--language {language}: only python is there yet. Workers in Node.js and Go are "
            "carried out, but a new project has to be written by hand",
            Exit.USAGE,
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CommandFailed(f"{path} is there already; name a new folder", Exit.CONFLICT)
    project = files(_title(path)) | _sdk_files()
    path.mkdir(parents=True, exist_ok=True)
    for name, text in project.items():
        (path / name).write_text(text, "utf-8")
    return list(project)


def _title(path: Path) -> str:
    return path.resolve().name.replace("-", " ").replace("_", " ").capitalize()


def _sdk_files() -> dict[str, str]:
    from fyke.cli.shipped import assets

    folder = assets() / "sdk" / "python"
    return {name: (folder / name).read_text("utf-8") for name in SDK_FILES[Language.PYTHON]}
