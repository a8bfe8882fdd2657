"""Creates a new Worker project."""

from __future__ import annotations

from pathlib import Path

from fyke.cli.errors import CommandFailed, Exit
from fyke.domain.workers.templates import (
    DEFAULT_TEMPLATES,
    PROJECT_TEMPLATES,
    Template,
    new_project,
)
from fyke.kit.assets import assets
from fyke.model.worker import Language

LANGUAGES = tuple(language.value for language in DEFAULT_TEMPLATES)


def choose_template(language: str | None, name: str | None) -> Template:
    """The template with this name, without one the default of the language. Raises
    ``CommandFailed``.
    """
    if language is not None and language not in LANGUAGES:
        raise CommandFailed(
            f"--language {language}: must be one of {', '.join(LANGUAGES)}", Exit.USAGE
        )
    wanted = name or DEFAULT_TEMPLATES[Language(language or Language.PYTHON)]
    named = {template.name: template for template in PROJECT_TEMPLATES}
    template = named.get(wanted)
    if template is None:
        raise CommandFailed(
            f"--template {wanted}: must be one of {', '.join(named)}; fyke worker new says what "
            "each is",
            Exit.USAGE,
        )
    if language not in (None, template.language):
        raise CommandFailed(
            f"--template {wanted} is a project in {template.language}; leave out --language",
            Exit.USAGE,
        )
    return template


def write_project(
    path: Path, language: str | None = None, template: str | None = None
) -> list[str]:
    """Create a project in a new or empty folder; return the names of its files. Raises
    ``CommandFailed``."""
    chosen = choose_template(language, template)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CommandFailed(f"{path} already exists; name a new folder", Exit.CONFLICT)
    project = new_project(_title(path), assets(), chosen.name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(
            f"{path} cannot be made ({error.strerror}); name another folder", Exit.USAGE
        ) from None
    for name, text in project.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text, "utf-8")
    return list(project)


def template_lines() -> list[tuple[str, str, str]]:
    """Name, language and text of each template."""
    return [(each.name, each.language.value, each.text) for each in PROJECT_TEMPLATES]


def _title(path: Path) -> str:
    return path.resolve().name.replace("-", " ").replace("_", " ").capitalize()
