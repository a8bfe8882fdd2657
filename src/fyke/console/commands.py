"""Pages and actions that the palette offers, and which of them match a text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from fyke.console.navigation import groups_for
from fyke.console.texts import gettext
from fyke.model.account import Caller, Role


@dataclass(frozen=True, slots=True)
class PaletteCommand:
    """A page to go to. ``label`` is translated; ``words`` are further English words for it. The
    palette offers it to operators only with ``operator``, not to viewers with ``editor``, and to
    owners only with ``owner``.
    """

    path: str
    label: str
    icon: str
    words: str = ""
    operator: bool = False
    editor: bool = False
    owner: bool = False


def _(message: str) -> str:
    """Mark for translation; ``matching`` translates."""
    return message


# beside those of the sidebar
PAGES = (
    PaletteCommand("/settings/users", _("Users"), "users", "members team people"),
    PaletteCommand("/settings/audit", _("Audit log"), "scroll-text", "history who", owner=True),
    PaletteCommand("/settings/second-factor", _("Second factor"), "shield", "2fa totp mfa login"),
    PaletteCommand("/alerts/rules", _("Alert rules"), "bell", "notifications monitor"),
    PaletteCommand("/usage/ledger", _("Ledger"), "wallet", "cost money billing"),
    PaletteCommand("/guide", _("Documentation"), "book-open", "help manual guide how to"),
    PaletteCommand("/help/keys", _("Keyboard shortcuts"), "square-terminal", "hotkeys help"),
    PaletteCommand("/admin/nodes", _("Nodes"), "server", "machines fleet", operator=True),
    PaletteCommand("/admin/isolation", _("Isolation"), "shield", "sandbox doctor", operator=True),
    PaletteCommand("/admin/accounts", _("Accounts"), "users", "tenants", operator=True),
    PaletteCommand("/admin/plans", _("Plans and prices"), "credit-card", "limits", operator=True),
    PaletteCommand("/admin/proxies", _("Proxies and regions"), "globe", "egress", operator=True),
    PaletteCommand("/admin/mail", _("Mail"), "send", "email smtp", operator=True),
    PaletteCommand("/admin/storage", _("Storage"), "hard-drive", "disk retention", operator=True),
    PaletteCommand("/admin/versions", _("Versions"), "tag", "release", operator=True),
)
ACTIONS = (
    PaletteCommand("/store", _("Start a run"), "play", "new worker execute", editor=True),
    PaletteCommand("/store", _("Create a task"), "list-todo", "new save input", editor=True),
    PaletteCommand("/tasks", _("Schedule a task"), "calendar-clock", "new cron plan", editor=True),
    PaletteCommand(
        "/dev/upload", _("Upload a Worker"), "upload", "new publish version", editor=True
    ),
    PaletteCommand(
        "/settings/keys/new", _("Create an API key"), "key-round", "new token", editor=True
    ),
    PaletteCommand("/alerts/rules/new", _("Add an alert rule"), "bell", "new notify", editor=True),
    PaletteCommand(
        "/settings/webhooks/new",
        _("Add a webhook or a chat"),
        "webhook",
        "new channel slack teams discord telegram notifications",
        editor=True,
    ),
    PaletteCommand("/settings/users/invite", _("Invite a user"), "user-plus", "new", owner=True),
    PaletteCommand("/admin/accounts/new", _("Add an account"), "users", "new", operator=True),
    PaletteCommand("/settings/account", _("Change the theme"), "moon", "dark light colours"),
    PaletteCommand("/settings/account", _("Change the language"), "globe", "english chinese"),
    PaletteCommand("/settings/account", _("Change the password"), "key", "security"),
)
EXPORT = "/runs/{id}/export"
_OF_RUN = (PaletteCommand(EXPORT, _("Export the rows of this run"), "download", "data csv xlsx"),)


def matching(
    text: str, caller: Caller, paths: Collection[str], run_id: str = ""
) -> tuple[list[PaletteCommand], list[PaletteCommand]]:
    """The pages and the actions with all words of ``text`` that the caller may open, with their
    labels translated; for a blank text all. ``paths``: those of the console's pages. ``run_id``:
    the run that is open, if any; its actions are first.
    """
    entries = [
        PaletteCommand(entry.path, entry.label, entry.icon, group.label)
        for group in groups_for(caller, paths)
        for entry in group.entries
    ]
    wanted = text.casefold().split()
    return (
        _matching(wanted, [*entries, *PAGES], caller, paths),
        [
            *(
                replace(command, path=command.path.format(id=run_id))
                for command in _matching(wanted, _OF_RUN if run_id else (), caller, paths)
            ),
            *_matching(wanted, ACTIONS, caller, paths),
        ],
    )


def _matching(
    wanted: list[str], commands: Collection[PaletteCommand], caller: Caller, paths: Collection[str]
) -> list[PaletteCommand]:
    found = []
    for command in commands:
        if command.path not in paths or not _may_open(command, caller):
            continue
        label = gettext(command.label)
        searched = f"{label} {command.label} {command.words}".casefold()
        if all(word in searched for word in wanted):
            found.append(PaletteCommand(command.path, label, command.icon))
    return found


def _may_open(command: PaletteCommand, caller: Caller) -> bool:
    if command.operator and not caller.runs_installation:
        return False
    if command.owner and caller.role is not Role.OWNER:
        return False
    return not (command.editor and caller.role is Role.VIEWER)
