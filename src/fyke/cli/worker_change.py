"""``fyke worker``: versions, builds of dependencies, and deletion of a Worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.confirm import YesOption, confirm, confirm_deletion
from fyke.cli.context import ServerContext, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import data_of
from fyke.cli.worker import Ref, workers

if TYPE_CHECKING:
    from fyke_client.types.fyke.changes import DeclaredChangeItem, PromotionPreview

VersionArgument = Annotated[str, typer.Argument(help="For example v1.0.3.", metavar="VERSION")]


@server_command(workers, "versions")
def versions(server: ServerContext, worker: Ref) -> None:
    """All versions of a Worker, newest first.

    \b
    Examples:
      fyke worker versions owner/hello
    """
    items = server.client.versions(worker)
    if server.out.as_json:
        server.out.json([data_of(version) for version in items])
        return
    server.out.table(
        (
            "version",
            "state",
            "tags",
            "language",
            "published",
            "digest",
            "sites",
            "install",
            "browser",
        ),
        [
            (
                v.version,
                f"{v.state}, current" if v.latest else v.state,
                ", ".join(v.tags),
                v.language,
                formatting.when(v.created_at),
                v.digest[:16],
                "all public" if v.egress is None else ", ".join(v.egress) or "none",
                "build" if v.builds else "wheels",
                formatting.browser(v.browser, declared=v.browser_declared),
            )
            for v in items
        ],
    )


@server_command(workers, "builds")
def builds(
    server: ServerContext,
    worker: Ref,
    allow: Annotated[
        bool | None, typer.Option("--allow/--forbid", help="Change it. For the operator.")
    ] = None,
) -> None:
    """Whether dependencies of a Worker may run code while they are installed.

    A version requests it with "install": "build" in its fyke.json; the operator allows it.

    \b
    Examples:
      fyke worker builds acme/prices
      fyke worker builds acme/prices --allow
    """
    client = server.client
    state = client.builds(worker) if allow is None else client.allow_builds(worker, allowed=allow)
    if server.out.as_json:
        server.out.json(data_of(state))
        return
    server.out.fields(
        [
            ("builds", "allowed" if state.allowed else "not allowed"),
            ("requested by", ", ".join(state.versions) or "no version"),
        ]
    )


@server_command(workers, "promote")
def promote(
    server: ServerContext, worker: Ref, version: VersionArgument, yes: YesOption = False
) -> None:
    """Make a version the current one, which runs that name none use; also to roll back.

    It says what changes, and asks. The next publication makes its version the current one again.

    \b
    Examples:
      fyke worker promote owner/hello v1.0.2
      fyke worker promote owner/hello v1.0.2 --yes
    """
    preview = server.client.preview_promotion(worker, version)
    if not yes:
        for line in _changes(preview):
            server.out.say(line)
        confirm(f"Make {preview.after} the current version of {worker}?")
    promoted = server.client.promote(worker, version)
    if server.out.as_json:
        server.out.json(data_of(promoted))
    else:
        server.out.say(f"{worker} {promoted.version} is the current version.")


def _changes(preview: PromotionPreview) -> Iterator[str]:
    """What a promotion changes, as lines."""
    yield f"Now: {preview.before or 'no version'}. Then: {preview.after}."
    for change in preview.schema_changes:
        yield f"  {change.text}{' (may be incompatible)' if change.breaking else ''}"
    if not preview.schema_changes:
        yield "  Input fields and columns are the same."
    for declared in preview.declared_changes:
        yield f"  {_declared(declared)}{' (may do more)' if declared.wider else ''}"
    for task in preview.tasks:
        at = f", next at {formatting.when(task.next_at)}" if task.next_at else ""
        yield f"  The task {task.title!r} follows the current version{at}."
    if preview.more_tasks:
        yield f"  And {formatting.count(preview.more_tasks, 'more task')}."
    if preview.others:
        yield f"  Other accounts keep {preview.others} until {preview.after} is approved."


def _declared(change: DeclaredChangeItem) -> str:
    """A change of the declarations in fyke.json, in words."""
    match change.kind:
        case "added":
            return f"It can now connect to {change.domain}"
        case "removed":
            return f"It can no longer connect to {change.domain}"
        case "opened":
            return "It no longer declares sites and can connect to all public sites"
        case "closed":
            domains = change.domain or "no sites"
            return f"It can now connect only to {domains} instead of all public sites"
        case "builds":
            return "Its dependencies run code during installation"
        case "wheels":
            return "Its dependencies are prebuilt packages only"
        case "browser":
            return f"It uses a browser: {change.browser or 'nothing declared or detected'}"
    return f"{change.kind} {change.domain}".rstrip()


@server_command(workers, "tag")
def tag(
    server: ServerContext,
    worker: Ref,
    tag: Annotated[str, typer.Argument(help="For example stable.", metavar="TAG")],
    version: Annotated[
        str, typer.Argument(help="The version that gets it.", metavar="[VERSION]")
    ] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tag.")] = False,
    yes: YesOption = False,
) -> None:
    """Give a version a tag, which runs and tasks may name instead of a number.

    The version that had the tag loses it. Moving or removing a tag asks first.

    \b
    Examples:
      fyke worker tag owner/hello stable v1.0.2
      fyke run start owner/hello --version stable
      fyke worker tag owner/hello stable --remove
    """
    if remove == bool(version):
        raise CommandFailed("name a version, or --remove", Exit.USAGE)
    if not yes:
        _confirm_tag(server, worker, tag.strip().lower(), version)
    if remove:
        server.client.untag(worker, tag)
    else:
        server.client.tag(worker, version, tag)
    if server.out.as_json:
        server.out.json({"worker": worker, "tag": tag, "version": version})
    else:
        server.out.say(f"{tag} is {'removed' if remove else version}.")


def _confirm_tag(server: ServerContext, worker: str, tag: str, version: str) -> None:
    """Ask before a tag is taken from another version; ``version`` ``""`` gets none."""
    had = next((item.version for item in server.client.versions(worker) if tag in item.tags), "")
    if had in ("", version):
        return
    if version:
        confirm(f"Move {tag} of {worker} from {had}? Runs and tasks that name it use {version}.")
    else:
        confirm(f"Remove {tag} of {worker}? Runs and tasks that name it can no longer start.")


@server_command(workers, "withdraw")
def withdraw(server: ServerContext, worker: Ref, version: VersionArgument) -> None:
    """Withdraw a version, which then cannot be started. Its active runs continue.

    If it was the current version, the newest published one is current then; if there is none, the
    newest deprecated one.

    \b
    Examples:
      fyke worker withdraw owner/hello v1.0.3
    """
    withdrawn = server.client.withdraw(worker, version)
    current = _current(server, worker)
    if server.out.as_json:
        server.out.json(data_of(withdrawn) | {"current": current})
        return
    server.out.say(f"{worker} {withdrawn.version} can no longer be started.")
    if current:
        server.out.say(f"The current version is {current}.")
    elif current is not None:
        server.out.say("No version is left that can be started.")


@server_command(workers, "restore-version")
def restore_version(server: ServerContext, worker: Ref, version: VersionArgument) -> None:
    """Make a withdrawn version available again.

    It becomes the current version only if it is the newest published one and no other was chosen,
    by `promote` or by a publication that left the current version as it was.

    \b
    Examples:
      fyke worker restore-version owner/hello v1.0.3
    """
    restored = server.client.restore(worker, version)
    current = _current(server, worker)
    if server.out.as_json:
        server.out.json(data_of(restored) | {"current": current})
        return
    server.out.say(f"{worker} {restored.version} can be started again.")
    if current:
        server.out.say(f"The current version is {current}.")
    if current not in (None, restored.version):
        server.out.say(f"To make it current: fyke worker promote {worker} {restored.version}")


def _current(server: ServerContext, worker: str) -> str | None:
    """The number of the current version, ``""`` for none; None if it cannot be read: the change
    before has succeeded all the same.
    """
    from fyke_client import ClientError

    try:
        versions = server.client.versions(worker)
    except ClientError:
        return None
    return next((version.version for version in versions if version.latest), "")


@server_command(workers, "delete")
def delete(server: ServerContext, worker: Ref, yes: YesOption = False) -> None:
    """Delete a Worker of your account permanently. Its past runs, their rows and logs stay.

    Active runs continue to their end; waiting runs fail. Its tasks stay but cannot be started. A
    new Worker can have the name.

    \b
    Examples:
      fyke worker delete owner/hello
      fyke worker delete owner/hello --yes
    """
    if not yes:
        confirm_deletion(worker)
    failed_runs = server.client.delete_worker(worker)
    if server.out.as_json:
        server.out.json({"worker": worker, "ended_runs": failed_runs})
        return
    failed_text = f" {formatting.count(failed_runs, 'waiting run')} failed." if failed_runs else ""
    server.out.say(f"{worker} is deleted.{failed_text}")
