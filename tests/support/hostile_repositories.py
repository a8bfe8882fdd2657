"""Repositories that try to run a command, to redirect git, or to exceed a limit.

Their commands make a file named ``RAN`` in the folder of the process that runs them.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from support.git_server import git, make_repository

PAYLOAD = "touch RAN /work/RAN"
FILES: dict[str, str | bytes] = {
    "main.py": "print('one')\n",
    "input_schema.json": '{"properties": []}',
}
BLOB, PROGRAM, TREE, LINK, MODULE = b"100644", b"100755", b"40000", b"120000", b"160000"

Entries = list[tuple[bytes, bytes, str]]  # mode, name, object


def put(folder: Path, kind: str, data: bytes) -> str:
    """Write an object unchecked: git's own commands would refuse some of these."""
    content = f"{kind} {len(data)}\0".encode() + data
    name = hashlib.sha1(content).hexdigest()
    path = folder / ".git" / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(zlib.compress(content))
    return name


def tree(folder: Path, entries: Entries) -> str:
    data = b"".join(
        mode + b" " + name + b"\0" + bytes.fromhex(digest) for mode, name, digest in entries
    )
    return put(folder, "tree", data)


def point(folder: Path, digest: str, extra: str = "") -> None:
    """Make the branch a commit of this tree."""
    who = "Ada <ada@example.com> 1700000000 +0000"
    text = f"tree {digest}\nauthor {who}\ncommitter {who}\n{extra}\nchange\n"
    commit = put(folder, "commit", text.encode())
    (folder / ".git" / "refs" / "heads" / "main").write_text(f"{commit}\n")


def plain(folder: Path, files: Mapping[str, str | bytes]) -> None:
    make_repository(folder, {**FILES, **files})


def odd(*names: bytes, mode: bytes = BLOB) -> Callable[[Path], None]:
    """A tree with files of these names, as bytes."""

    def make(folder: Path) -> None:
        plain(folder, {})
        blob = put(folder, "blob", f"#!/bin/sh\n{PAYLOAD}\n".encode())
        point(folder, tree(folder, [(mode, name, blob) for name in names]))

    return make


def nested(*path: bytes, content: str) -> Callable[[Path], None]:
    """A file below folders of these names."""

    def make(folder: Path) -> None:
        plain(folder, {})
        digest, mode = put(folder, "blob", content.encode()), BLOB
        for name in reversed(path):
            digest, mode = tree(folder, [(mode, name, digest)]), TREE
        point(folder, digest)

    return make


def having(**files: str) -> Callable[[Path], None]:
    """Plain files; ``__`` in a name stands for a dot, ``_x_`` for a slash."""
    by_name = {name.replace("_x_", "/").replace("__", "."): text for name, text in files.items()}
    return lambda folder: plain(folder, by_name)


def link(target: str, name: str = "secrets.txt") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        plain(folder, {})
        point(folder, tree(folder, [(LINK, name.encode(), put(folder, "blob", target.encode()))]))

    return make


def submodule(url: str, path: str = "part", update: str = "") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        text = f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n{update}'
        plain(folder, {".gitmodules": text})
        head = git(folder, "rev-parse", "HEAD")
        modules = git(folder, "rev-parse", "HEAD:.gitmodules")
        entries = [(BLOB, b".gitmodules", modules), (MODULE, path.encode(), head)]
        point(folder, tree(folder, entries))

    return make


def with_config(text: str) -> Callable[[Path], None]:
    """Settings of the repository on the server; a fetch does not copy them."""

    def make(folder: Path) -> None:
        plain(folder, {})
        with (folder / ".git" / "config").open("a") as config:
            config.write(text)

    return make


def hooks(folder: Path) -> None:
    plain(folder, {})
    for name in ("post-checkout", "post-merge", "reference-transaction", "post-index-change"):
        hook = folder / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\n{PAYLOAD}\n")
        hook.chmod(0o755)


def many(count: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        plain(folder, {})
        blob = put(folder, "blob", b"x")
        names = sorted(f"f{number:06}.txt".encode() for number in range(count))
        point(folder, tree(folder, [(BLOB, name, blob) for name in names]))

    return make


def bomb(folder: Path) -> None:
    plain(folder, {"large.bin": bytes(150 * 2**20)})


def deep(folder: Path) -> None:
    plain(folder, {})
    digest, mode = put(folder, "blob", b"x"), BLOB
    for _ in range(60):
        digest, mode = tree(folder, [(mode, b"d", digest)]), TREE
    point(folder, digest)


def itself(folder: Path) -> None:
    """A tree with a hundred entries for one subtree, and so on ten levels deep: 10^20 files."""
    plain(folder, {})
    digest, mode = put(folder, "blob", b"x"), BLOB
    for _ in range(10):
        digest = tree(folder, [(mode, f"{number:03}".encode(), digest) for number in range(100)])
        mode = TREE
    point(folder, digest)


def damaged(folder: Path) -> None:
    plain(folder, {"part.txt": "a" * 5000})
    name = git(folder, "rev-parse", "HEAD:part.txt")
    path = folder / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"blob 5000\0" + b"b" * 5000))


def no_commit(folder: Path) -> None:
    plain(folder, {})
    blob = put(folder, "blob", b"x")
    (folder / ".git" / "refs" / "heads" / "main").write_text(f"{blob}\n")


def empty(folder: Path) -> None:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main", ".")


def replaced(folder: Path) -> None:
    plain(folder, {})
    head = git(folder, "rev-parse", "HEAD:main.py")
    payload = put(folder, "blob", f"import os; os.system('{PAYLOAD}')\n".encode())
    git(folder, "update-ref", f"refs/replace/{head}", payload)


def repositories(canary: int) -> dict[str, Callable[[Path], None]]:
    """Functions that make a repository in a folder, by name. ``canary`` is a port of this machine
    with a listener.
    """
    return {
        "filter": having(__gitattributes="* filter=trap diff=trap merge=trap export-ignore\n"),
        "substitution": having(__gitattributes="* export-subst ident\n", a="$Id$ $Format:%ae$"),
        "working-tree-encoding": having(__gitattributes="* working-tree-encoding=UTF-7\n"),
        "lfs": having(
            __lfsconfig=f'[lfs]\n\turl = http://127.0.0.1:{canary}/\n[lfs "customtransfer.x"]\n'
            f"\tpath = {PAYLOAD}\n",
            __gitattributes="*.bin filter=lfs\n",
            a__bin="version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        ),
        "hooks": hooks,
        "hooks-in-the-tree": having(__githooks_x_post_checkout=f"#!/bin/sh\n{PAYLOAD}\n"),
        "submodule-file": submodule("file:///etc"),
        "submodule-ext": submodule(f"ext::sh -c '{PAYLOAD}'"),
        "submodule-option": submodule(f"-u{PAYLOAD}"),
        "submodule-command": submodule("https://localhost/x", update=f"\tupdate = !{PAYLOAD}\n"),
        "submodule-inside": submodule(f"http://127.0.0.1:{canary}/x"),
        "submodule-ssh-option": submodule(f"ssh://-oProxyCommand={PAYLOAD}/x"),
        "submodule-climbs": submodule("https://localhost/x", "../../hooks"),
        "submodule-in-git": submodule("https://localhost/x", ".git"),
        "link-to-a-file": link("/etc/passwd"),
        "link-to-root": link("/", "everything"),
        "link-to-git": link(".git/config", "a"),
        "link-named-gitmodules": link("/etc/passwd", ".gitmodules"),
        "git-folder": nested(b".git", b"config", content=f"[core]\n\tfsmonitor = {PAYLOAD}\n"),
        "git-folder-in-capitals": nested(b".GIT", b"hooks", b"post-checkout", content=PAYLOAD),
        "git-folder-short": nested(b"git~1", b"config", content=f"[core]\n\tpager = {PAYLOAD}\n"),
        "git-folder-hidden-letter": nested(".g\u200cit".encode(), b"config", content="[core]"),
        "git-file": nested(b".git", content="gitdir: /etc\n"),
        "bare-inside": having(
            inner_x_HEAD="ref: refs/heads/main\n",
            inner_x_config=f"[core]\n\tbare = true\n\tfsmonitor = {PAYLOAD}\n",
            inner_x_objects_x_a="",
            inner_x_refs_x_a="",
        ),
        "dot": odd(b"."),
        "dots": nested(b"..", b"..", b"etc", b"cron.d", b"x", content=PAYLOAD),
        "slash": odd(b"a/../../x"),
        "absolute": odd(b"/etc/cron.d/x"),
        "no-name": odd(b""),
        "twice": odd(b"main.py", b"main.py"),
        "newline": odd(b"a\nb"),
        "not-text": odd(b"\xff\xfe"),
        "backslash": odd(b"..\\..\\x"),
        "long-name": odd(b"n" * 4000),
        "two-cases": odd(b"MAIN.py", b"main.PY", b"main.py"),
        "deep": deep,
        "many-files": many(20_001),
        "tree-in-itself": itself,
        "bomb": bomb,
        "damaged": damaged,
        "not-a-commit": no_commit,
        "empty": empty,
        "replaced": replaced,
        "settings": with_config(
            f'[core]\n\tfsmonitor = {PAYLOAD}\n\tsshCommand = {PAYLOAD}\n[remote "x"]\n\tvcs = x\n'
        ),
    }
