"""``fyke worker``: create, check, publish, list and show Workers; see also ``worker_*``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.context import JsonOption, ServerContext, group, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.findings import describe, verdict
from fyke.cli.output import Output, data_of

if TYPE_CHECKING:
    from fyke_client.types.fyke.uploads import PublishedUpload
    from fyke_client.types.fyke.versions import VersionEntryItem

workers = group()

_STYLES = {"error": "red", "warning": "yellow", "info": ""}

Ref = Annotated[str, typer.Argument(help="owner/name or slug.", metavar="WORKER")]
Folder = Annotated[Path, typer.Argument(help="Folder of the project.", metavar="DIR")]


@workers.command("new")
def new(
    name: Annotated[
        str | None, typer.Argument(help="Folder to create.", metavar="[PATH]", show_default=False)
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            help="python, node or go; python if no template is named.",
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            "-t",
            help="Default: page-titles in the language; fyke worker new lists all.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a project: a working Worker, by default one that stores the titles of pages.

    Without PATH, list the templates. Those with a library scrape a public site for practice, and
    reach no other until fyke.json names it; see docs/how-to/templates.md.

    \b
    Examples:
      fyke worker new
      fyke worker new hello --language python
      fyke worker new quotes --template scrapy && fyke worker run quotes
      fyke worker new ./workers/prices --template go-colly
    """
    from fyke.cli.worker_new import choose_template, template_lines, write_project

    out = Output(as_json)
    if name == "":
        raise CommandFailed("PATH is empty; name a folder to create", Exit.USAGE)
    path = None if name is None else Path(name)
    if path is None and template is None and language is None:
        _list_templates(out, template_lines())
        return
    chosen = choose_template(language, template)
    if path is None:
        raise CommandFailed(
            f"Name a folder to create: fyke worker new PATH --template {chosen.name}", Exit.USAGE
        )
    files = write_project(path, language, template)
    if as_json:
        created = {"path": str(path.resolve()), "language": chosen.language.value}
        out.json(created | {"template": chosen.name, "files": files})
        return
    for file in files:
        out.raw(str(path / file))
    _report_name(out, path)
    if template is None and language is None:
        out.say("Templates for --template:")
        for each, _, text in template_lines():
            out.say(f"  {each:16}  {text}")
    out.say(f"Next: fyke worker run {shlex.quote(str(path))}")


def _list_templates(out: Output, templates: list[tuple[str, str, str]]) -> None:
    names = ("template", "language", "text")
    if out.as_json:
        out.json([dict(zip(names, line, strict=True)) for line in templates])
        return
    out.table(names, templates)
    out.say("Next: fyke worker new PATH --template NAME")


@workers.command("check")
def check(folder: Folder, as_json: JsonOption = False) -> None:
    """Check a project; print file, line, rule and remedy of each problem. Exit status 1 for errors.

    The versions and wheels that requirements.txt needs are looked up with uv on this machine.

    \b
    Examples:
      fyke worker check hello
      fyke worker check . --json | jq '.[] | select(.severity == "error")'
    """
    from fyke.app.solving import solve_folder
    from fyke.cli.go_project import built_program
    from fyke.domain.workers.project import check_folder

    if not folder.is_dir():
        raise CommandFailed(f"{folder}: no such folder", Exit.NOT_FOUND)
    with built_program(folder) as program:
        findings = check_folder(folder, program)
    out = Output(as_json)
    errors = sum(finding.severity == "error" for finding in findings)
    if not errors:
        findings += solve_folder(folder)
    if as_json:
        out.json([data_of(finding) for finding in findings])
    else:
        for finding in findings:
            out.line(describe(finding), _STYLES[finding.severity])
        out.say(verdict(findings))
    if errors:
        raise typer.Exit(Exit.FAILED)


@server_command(workers, "push")
def push(
    server: ServerContext,
    project: Annotated[
        str, typer.Argument(help="Folder, ZIP, or https address.", metavar="DIR|ZIP|URL")
    ],
    public: Annotated[
        bool | None, typer.Option("--public/--private", help="Whether other accounts can run it.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Default: from the folder or title.")] = "",
    title: Annotated[
        str,
        typer.Option("--title", help="Default: the heading of README.md, unless edited by hand."),
    ] = "",
    description: Annotated[
        str | None, typer.Option("--description", help="Default: from the project.")
    ] = None,
    ref: Annotated[
        str, typer.Option("--ref", help="Branch, tag or full commit hash of a repository.")
    ] = "",
    folder: Annotated[
        str, typer.Option("--folder", help="Folder of the project in the repository.")
    ] = "",
    keep_current: Annotated[
        bool,
        typer.Option(
            "--keep-current", help="Runs use the new version only by its number or a tag."
        ),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", "-w", help="Wait until it is ready; exit status 1 if it cannot be."),
    ] = False,
    timeout_seconds: options.WaitSecondsOption = None,
) -> None:
    """Publish a project as the next version of your Worker.

    Unchanged content does not create a new version. A git repository is fetched by the server,
    over https, and must be public. The dependencies are installed in the background; pushing the
    same files again repeats an installation that failed.

    \b
    Examples:
      fyke worker push hello
      fyke worker push hello --wait
      fyke worker push hello --keep-current
      fyke worker push prices.zip --name prices --public --json
      fyke worker push https://example.com/owner/workers --ref v1.2 --folder prices
    """
    from fyke.cli.worker_environment import EnvironmentWatch, environment_fields
    from fyke.cli.worker_git import GitPush, is_git_url, push_git

    if is_git_url(project):
        if description is not None:
            raise CommandFailed(
                "--description is for a folder or a ZIP; a repository has its own", Exit.USAGE
            )
        git_push = GitPush(project, ref, folder, name, title, public, not keep_current)
        published = push_git(server, git_push)
    else:
        if ref or folder:
            raise CommandFailed(
                "--ref and --folder require the https address of a repository", Exit.USAGE
            )
        more = {"description": description, "public": public, "promote": not keep_current}
        published = _push_files(server, Path(project), name, title, more)
    if keep_current:
        _require_kept(server, published)
    follow = EnvironmentWatch(server, published.slug, published.version)
    environment = follow.until_prepared(timeout_seconds) if wait else follow.now()
    keys = ("slug", "path", "version")
    values = {key: getattr(published, key) for key in keys}
    if server.out.as_json:
        server.out.json(values | {"environment": data_of(environment) if environment else None})
    else:
        fields = [("worker", published.path), ("version", published.version)]
        fields += [("slug", published.slug), *environment_fields(environment)]
        server.out.fields(fields)
    if wait:
        follow.require_ready(environment)


def _require_kept(server: ServerContext, published: PublishedUpload) -> None:
    """Raise ``CommandFailed`` for a server of an earlier release, which knows no current version
    and uses the newest.
    """
    from fyke_client import ApiError

    try:
        server.client.preview_promotion(published.slug, published.version)
    except ApiError as error:
        if error.status == 404:
            raise CommandFailed(
                f"{published.path} {published.version} was published and runs that name no version "
                "use it: this server is of an earlier release, which ignores --keep-current. "
                f"Withdraw it with fyke worker withdraw {published.path} {published.version}"
            ) from None


def _push_files(
    server: ServerContext,
    project: Path,
    name: str,
    title: str,
    more: dict[str, Any],
) -> PublishedUpload:
    """``more``: further arguments of ``push_worker``."""
    from fyke.app.solving import solve_folder

    archive, folder_name = read_archive(project)
    published = server.client.push_worker(
        archive,
        name=name or folder_name or derived_name(archive, title),
        title=title,
        **more,
    )
    if folder_name and not name:
        _report_name(server.out, project)
    solved = solve_folder(project) if project.is_dir() else []
    for line in (*map(describe, published.findings), *map(describe, solved)):
        server.out.say(line)
    return published


def read_archive(project: Path, without: Path | None = None) -> tuple[bytes, str]:
    """The ZIP of a project, and the Worker's name from its folder. Raises ``CommandFailed``.

    A Go project is built first if Go is installed. The file ``without`` is left out.
    """
    from fyke.cli.go_project import built_program
    from fyke.domain.workers.archive import pack

    if project.is_file():
        return project.read_bytes(), ""
    if not project.is_dir():
        raise CommandFailed(f"{project}: no such folder or file", Exit.NOT_FOUND)
    with built_program(project) as program:
        archive = pack(project, program, without)
    return archive, name_from_folder(project)


def name_from_folder(project: Path) -> str:
    """The name for a Worker from the name of its folder, ``""`` if that cannot be used."""
    from fyke.domain.workers.naming import name_from_title
    from fyke.errors import InvalidRequest

    try:
        return name_from_title(project.resolve().name)
    except InvalidRequest:
        return ""


def _report_name(out: Output, project: Path) -> None:
    """Print the Worker's name if it differs from that of the folder."""
    folder, name = project.resolve().name, name_from_folder(project)
    if name and name != folder:
        out.say(f"The name of the Worker is {name}; fyke worker push --name sets another.")


def derived_name(archive: bytes, title: str) -> str:
    """The name for a Worker from ``title``, or from the heading of the project's README.md."""
    from fyke.domain.workers.naming import name_from_title
    from fyke.domain.workers.project import read_project

    return name_from_title(title or read_project(archive).title)


@server_command(workers, "list")
def list_workers(server: ServerContext) -> None:
    """Your own Workers, public and private.

    \b
    Examples:
      fyke worker list
      fyke worker list --json
    """
    items = server.client.own_workers()
    if server.out.as_json:
        server.out.json([data_of(worker) for worker in items])
        return
    server.out.table(
        ("path", "version", "public", "created", "title"),
        [
            (
                worker.path,
                worker.version or "-",
                "yes" if worker.public else "no",
                formatting.when(worker.created_at),
                worker.title,
            )
            for worker in items
        ],
    )


@server_command(workers, "show")
def show(server: ServerContext, worker: Ref) -> None:
    """The newest version of a Worker, its input fields, its limits, and whether it is ready.

    \b
    Examples:
      fyke worker show owner/hello
      fyke worker show owner/hello --json | jq .parameters.custom
    """
    from fyke.cli.worker_environment import EnvironmentWatch, environment_fields

    details = server.client.worker(worker)
    environment = EnvironmentWatch(server, details.slug, details.version).now()
    version = _version(server, details.slug, details.version)
    if server.out.as_json:
        state = data_of(environment) if environment else None
        need = {"browser": version.browser if version else None}
        server.out.json(data_of(details) | {"environment": state} | need)
        return
    system = details.parameters.system
    server.out.fields(
        [
            ("worker", f"{details.username}/{details.name}"),
            ("title", details.title),
            ("slug", details.slug),
            ("version", details.version),
            ("memory", f"{system.memory} MB"),
            ("timeout", formatting.span(system.execute_limit_time_seconds)),
            *_browser_fields(version),
            *environment_fields(environment),
        ]
    )
    fields = details.parameters.custom.get("properties") or []
    if fields:
        server.out.line("")
        server.out.table(("input", "type", "required", "default", "title"), map(_input, fields))


def _version(server: ServerContext, slug: str, number: str) -> VersionEntryItem | None:
    """The version; None if this key may not read it."""
    from fyke_client import ApiError

    try:
        versions = server.client.versions(slug)
    except ApiError as error:
        if error.status in (403, 404):
            return None
        raise
    return next((version for version in versions if version.version == number), None)


def _browser_fields(version: VersionEntryItem | None) -> list[tuple[str, str]]:
    if version is None or not version.browser:
        return []
    return [("browser", formatting.browser(version.browser, declared=version.browser_declared))]


def _input(field: dict[str, Any]) -> tuple[object, ...]:
    from fyke.cli.output import to_json

    default = field.get("default")
    text = "-" if default is None else to_json(default)
    return (
        field.get("name", ""),
        field.get("type", ""),
        "yes" if field.get("required") else "no",
        text if len(text) <= 40 else text[:37] + "...",
        field.get("title", ""),
    )
