"""Pages and actions that the palette offers, and which of them match a text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fyke.console.navigation import groups_for
from fyke.console.texts import gettext
from fyke.model.account import Caller, Role


@dataclass(frozen=True, slots=True)
class Command:
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
    Command("/settings/users", _("Users"), "users", "members team people"),
    Command("/settings/audit", _("Audit log"), "scroll-text", "history who", owner=True),
    Command("/settings/second-factor", _("Second factor"), "shield", "2fa totp mfa login"),
    Command("/alerts/rules", _("Alert rules"), "bell", "notifications monitor"),
    Command("/usage/ledger", _("Ledger"), "wallet", "cost money billing"),
    Command("/guide", _("Documentation"), "book-open", "help manual guide how to"),
    Command("/help/keys", _("Keyboard shortcuts"), "square-terminal", "hotkeys help"),
    Command("/admin/nodes", _("Nodes"), "server", "machines fleet", operator=True),
    Command("/admin/isolation", _("Isolation"), "shield", "sandbox doctor", operator=True),
    Command("/admin/accounts", _("Accounts"), "users", "tenants", operator=True),
    Command("/admin/plans", _("Plans and prices"), "credit-card", "limits", operator=True),
    Command("/admin/proxies", _("Proxies and regions"), "globe", "egress", operator=True),
    Command("/admin/mail", _("Mail"), "send", "email smtp", operator=True),
    Command("/admin/storage", _("Storage"), "hard-drive", "disk retention", operator=True),
    Command("/admin/versions", _("Versions"), "tag", "release", operator=True),
)
ACTIONS = (
    Command("/store", _("Start a run"), "play", "new worker execute", editor=True),
    Command("/dev/upload", _("Upload a Worker"), "upload", "new publish version", editor=True),
    Command("/settings/keys/new", _("Create an API key"), "key-round", "new token", editor=True),
    Command("/alerts/rules/new", _("Add an alert rule"), "bell", "new notify", editor=True),
    Command(
        "/settings/webhooks/new",
        _("Add a webhook or a chat"),
        "webhook",
        "new slack teams discord telegram notifications",
        editor=True,
    ),
    Command("/settings/users/invite", _("Invite a user"), "user-plus", "new", owner=True),
    Command("/admin/accounts/new", _("Add an account"), "users", "new", operator=True),
    Command("/settings/account", _("Change the theme"), "moon", "dark light colours"),
    Command("/settings/account", _("Change the language"), "globe", "english chinese"),
    Command("/settings/account", _("Change the password"), "key", "security"),
)


def matching(
    text: str, caller: Caller, paths: Collection[str]
) -> tuple[list[Command], list[Command]]:
    """The pages and the actions with all words of ``text`` that the caller may open, with their
    labels translated; for a blank text all. ``paths``: those of the console's pages.
    """
    entries = [
        Command(entry.path, entry.label, entry.icon, group.label)
        for group in groups_for(caller, paths)
        for entry in group.entries
    ]
    wanted = text.casefold().split()
    return (
        _matching(wanted, [*entries, *PAGES], caller, paths),
        _matching(wanted, ACTIONS, caller, paths),
    )


def _matching(
    wanted: list[str], commands: Collection[Command], caller: Caller, paths: Collection[str]
) -> list[Command]:
    found = []
    for command in commands:
        if command.path not in paths or not _may_open(command, caller):
            continue
        label = gettext(command.label)
        searched = f"{label} {command.label} {command.words}".casefold()
        if all(word in searched for word in wanted):
            found.append(Command(command.path, label, command.icon))
    return found


def _may_open(command: Command, caller: Caller) -> bool:
    if command.operator and not caller.operator:
        return False
    if command.owner and caller.role is not Role.OWNER:
        return False
    return not (command.editor and caller.role is Role.VIEWER)
