"""The sidebar: the areas of the console, in the order of use."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from fyke.model.account import Caller, Role


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """``label`` is an English message, translated when it is shown."""

    path: str
    label: str
    icon: str
    operator: bool = False
    editor: bool = False
    counter: str = ""  # the key of the count shown next to it


@dataclass(frozen=True, slots=True)
class NavigationGroup:
    label: str
    entries: tuple[NavigationEntry, ...]


def _(message: str) -> str:
    """Mark for translation; the template translates."""
    return message


GROUPS = (
    NavigationGroup(
        "",
        (
            NavigationEntry("/", _("Overview"), "layout-grid"),
            NavigationEntry("/store", _("Store"), "store"),
            NavigationEntry("/runs", _("Runs"), "play"),
            NavigationEntry("/queue", _("Queue"), "hourglass"),
            NavigationEntry("/tasks", _("Tasks"), "list-todo"),
            NavigationEntry("/schedules", _("Schedules"), "calendar-clock"),
        ),
    ),
    NavigationGroup(
        _("Build"),
        (
            NavigationEntry("/dev/workers", _("My Workers"), "package"),
            NavigationEntry("/dev/upload", _("Upload"), "upload", editor=True),
            NavigationEntry("/docs", _("API docs"), "book-open"),
        ),
    ),
    NavigationGroup(
        _("Account"),
        (
            NavigationEntry("/usage", _("Usage"), "chart-column"),
            NavigationEntry("/alerts", _("Alerts"), "bell", counter="alerts"),
            NavigationEntry("/settings/keys", _("API keys"), "key-round"),
            NavigationEntry("/settings/webhooks", _("Webhooks"), "webhook"),
            NavigationEntry("/settings/account", _("Settings"), "settings"),
        ),
    ),
    NavigationGroup(
        _("Installation"),
        (
            NavigationEntry(
                "/admin/review", _("Review"), "shield-check", operator=True, counter="review"
            ),
            NavigationEntry("/admin", _("Admin"), "server", operator=True),
        ),
    ),
)


def groups_for(caller: Caller, pages: Collection[str]) -> Iterator[NavigationGroup]:
    """The groups with the entries that the caller may open; ``pages``: paths that exist."""
    for group in GROUPS:
        entries = tuple(entry for entry in group.entries if _may_open(entry, caller, pages))
        if entries:
            yield NavigationGroup(group.label, entries)


def entry_above(path: str, caller: Caller, pages: Collection[str]) -> NavigationEntry | None:
    """The entry of the sidebar that a page at ``path`` belongs to, if the caller may open it."""
    path = "/store" if path.startswith("/w/") else path
    entries = [
        entry
        for group in groups_for(caller, pages)
        for entry in group.entries
        if path.startswith(entry.path) and entry.path != "/"
    ]
    return max(entries, key=lambda entry: len(entry.path), default=None)


def _may_open(entry: NavigationEntry, caller: Caller, pages: Collection[str]) -> bool:
    if entry.path not in pages or (entry.operator and not caller.runs_installation):
        return False
    return not (entry.editor and caller.role is Role.VIEWER)
