"""The side bar: the areas of the console, in the order in which people need them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from fyke.model.account import Caller, Role


@dataclass(frozen=True, slots=True)
class Entry:
    """``label`` is an English message, translated when it is shown."""

    path: str
    label: str
    icon: str
    operator: bool = False
    editor: bool = False
    tally: str = ""  # which figure stands beside it


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    entries: tuple[Entry, ...]


def _(message: str) -> str:
    """Mark for translation; the template translates."""
    return message


GROUPS = (
    Group(
        "",
        (
            Entry("/", _("Overview"), "layout-grid"),
            Entry("/store", _("Store"), "store"),
            Entry("/runs", _("Runs"), "play"),
            Entry("/queue", _("Queue"), "hourglass"),
            Entry("/tasks", _("Tasks"), "list-todo"),
            Entry("/schedules", _("Schedules"), "calendar-clock"),
        ),
    ),
    Group(
        _("Build"),
        (
            Entry("/dev/workers", _("My Workers"), "package"),
            Entry("/dev/upload", _("Upload"), "upload", editor=True),
            Entry("/docs", _("API docs"), "book-open"),
        ),
    ),
    Group(
        _("Account"),
        (
            Entry("/usage", _("Usage"), "chart-column"),
            Entry("/alerts", _("Alerts"), "bell", tally="alerts"),
            Entry("/settings/keys", _("API keys"), "key-round"),
            Entry("/settings/webhooks", _("Webhooks"), "webhook"),
            Entry("/settings/account", _("Settings"), "settings"),
        ),
    ),
    Group(
        _("Installation"),
        (
            Entry("/admin/review", _("Review"), "shield-check", operator=True, tally="review"),
            Entry("/admin", _("Admin"), "server", operator=True),
        ),
    ),
)


def groups_for(caller: Caller, pages: Collection[str]) -> Iterator[Group]:
    """What this caller may open, of what there is."""
    for group in GROUPS:
        entries = tuple(each for each in group.entries if _open(each, caller, pages))
        if entries:
            yield Group(group.label, entries)


def _open(entry: Entry, caller: Caller, pages: Collection[str]) -> bool:
    if entry.path not in pages or (entry.operator and not caller.operator):
        return False
    return not (entry.editor and caller.role is Role.VIEWER)
