"""Creates a new Worker project."""

from __future__ import annotations

from pathlib import Path

from fyke.cli.errors import CommandFailed, Exit
from fyke.domain.workers.templates import DEFAULT_TEMPLATES, new_project
from fyke.kit.assets import assets
from fyke.model.worker import Language

LANGUAGES = tuple(language.value for language in DEFAULT_TEMPLATES)


def write_project(path: Path, language: str) -> list[str]:
    """Create a project in a new or empty folder; return the names of its files. Raises
    ``CommandFailed``."""
    if language not in LANGUAGES:
        raise CommandFailed(
            f"--language {language}: must be one of {', '.join(LANGUAGES)}", Exit.USAGE
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CommandFailed(f"{path} already exists; name a new folder", Exit.CONFLICT)
    project = new_project(_title(path), assets(), DEFAULT_TEMPLATES[Language(language)])
    path.mkdir(parents=True, exist_ok=True)
    for name, text in project.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text, "utf-8")
    return list(project)


def _title(path: Path) -> str:
    return path.resolve().name.replace("-", " ").replace("_", " ").capitalize()
