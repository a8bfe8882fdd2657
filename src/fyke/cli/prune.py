"""``fyke prune``: remove files that nothing needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import Output
from fyke.cli.settings import existing_settings

if TYPE_CHECKING:
    from fyke.app.prune import Removable
    from fyke.settings import Settings


def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List files that nothing needs, or remove them with --yes. May run while Fyke is running.

    Bundles that belong to no version; files with rows and of last pages that belong to no run;
    unpacked bundles and environments of versions that can no longer be started; package caches;
    control groups, downloads, temporary files and, while Fyke is stopped, work folders of killed
    processes. What a version, run, task or schedule needs is kept, even if it is added in the
    meantime. On a node, unpacked bundles and environments are kept if they were used within seven
    days or an attempt has them. Exit status 0, even if nothing is found.

    \b
    Examples:
      fyke prune
      fyke prune --yes --home /var/lib/fyke --json
    """
    from fyke.app.folder import is_node

    settings = existing_settings(home, or_node=True)
    if not is_node(settings.home):
        with _acting_as_owner(settings):
            _check_tables(settings)
    removable, removed, kept = _prune(settings, remove=yes)
    out, listed = Output(as_json), removed if yes else removable
    if as_json:
        out.json(
            {
                "items": [
                    {
                        "kind": item.kind,
                        "path": item.place,
                        "bytes": item.size,
                        "removed": item in removed,
                    }
                    for item in removable
                ],
                "bytes": sum(item.size for item in removable),
                "removed_bytes": sum(item.size for item in removed),
                "kept": kept,
            }
        )
        return
    if listed:
        out.table(("kind", "path", "size"), [_row(settings, item) for item in listed])
    _say(out, removable, removed, kept, yes=yes)


def _say(
    out: Output,
    removable: Sequence[Removable],
    removed: Sequence[Removable],
    kept: str,
    *,
    yes: bool,
) -> None:
    if not removable:
        out.say("Nothing to remove.")
    elif not yes:
        out.say(f"{_total(removable)}. Nothing was removed; fyke prune --yes removes them.")
    else:
        needed = len(removable) - len(removed)
        rest = (
            f" {formatting.count(needed, 'item')} kept, because they are now in use."
            if needed
            else ""
        )
        out.say(f"{_total(removed)} removed.{rest}")
    if kept:
        out.say(kept)


def _total(items: Sequence[Removable]) -> str:
    size = formatting.size(sum(item.size for item in items))
    return f"{formatting.count(len(items), 'item')}, {size}"


def _row(settings: Settings, item: Removable) -> tuple[str, str, str]:
    path = item.path
    inside = path.is_relative_to(settings.home)
    name = str(path.relative_to(settings.home)) if inside else item.place
    return item.kind, name, formatting.size(item.size)


def _check_tables(settings: Settings) -> None:
    """Raise ``CommandFailed`` unless this program understands the tables."""
    from fyke.app.maintenance import versions

    if not settings.database_url and not (settings.home / "state.db").exists():
        raise CommandFailed(f"There is no installation in {settings.home}", Exit.NOT_FOUND)
    remedy = versions(settings).remedy
    if remedy:
        raise CommandFailed(
            f"The database belongs to another release of Fyke: {remedy}", Exit.CONFLICT
        )


def _prune(settings: Settings, *, remove: bool) -> tuple[list[Removable], list[Removable], str]:
    """What can be removed, what was removed, and why environments were kept."""
    from sqlalchemy.exc import SQLAlchemyError

    from fyke.app.folder import is_node
    from fyke.app.node_prune import NodePrune
    from fyke.app.prune import Prune, SharedPrune
    from fyke.errors import Unavailable

    own = NodePrune(settings) if is_node(settings.home) else Prune(settings)
    shared = SharedPrune(settings)

    async def work() -> tuple[list[Removable], list[Removable]]:
        with _acting_as_owner(settings):
            removable = await own.find()
            removed = [item for item in removable if remove and await own.remove(item)]
        return removable, removed

    try:
        removable, removed = asyncio.run(work())
    except SQLAlchemyError as error:
        raise Unavailable(f"The database cannot be read: {error}") from error
    finally:
        own.close()
    for item in shared.find():
        removable.append(item)
        with _acting_as_owner_of(item.path.parent, settings):
            if remove and shared.remove(item):
                removed.append(item)
    return removable, removed, own.kept


def _acting_as_owner(settings: Settings) -> contextlib.AbstractContextManager[None]:
    from fyke.cli.owner import as_owner

    return as_owner(settings.home, settings.service_user)


@contextlib.contextmanager
def _acting_as_owner_of(folder: Path, settings: Settings) -> Iterator[None]:
    """Stay root only for folders of the launcher, which belong to root."""
    if os.geteuid() == 0 and folder.stat().st_uid != 0:
        with _acting_as_owner(settings):
            yield
    else:
        yield
