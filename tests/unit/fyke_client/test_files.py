"""Files that the client reads and writes."""

from __future__ import annotations

import io
import os
import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fyke.domain.workers import archive, entry_names
from fyke.errors import InvalidRequest
from fyke_client import ApiError, AsyncFyke, Fyke, Unreachable, _files
from fyke_client._files import archive_of, new_file


def test_a_folder_is_packed_as_the_command_line_does(tmp_path: Path) -> None:
    for name in ("main.py", "lib/a.py", "lib/dist/b.py", ".env"):
        _write(tmp_path / name)
    for name in ("dist/x", "a.pyc", "x.log", "node_modules/y", "lib/__pycache__/z", ".git/HEAD"):
        _write(tmp_path / name)
    os.chmod(tmp_path / "main.py", 0o755)
    packed = archive_of(tmp_path)
    with zipfile.ZipFile(io.BytesIO(packed)) as ours, archive.open_archive(packed) as seen:
        assert ours.namelist() == [".env", "lib/a.py", "lib/dist/b.py", "main.py"]
        assert [file.path for file in seen.files if file.executable] == ["main.py"]
    with zipfile.ZipFile(io.BytesIO(archive.pack(tmp_path))) as theirs:
        assert sorted(theirs.namelist()) == [".env", "lib/a.py", "lib/dist/b.py", "main.py"]
    assert archive_of(str(tmp_path / "main.py")) == archive_of(b"x") == b"x"


@pytest.mark.parametrize("name", ["lib/link.py", "dist", "lib"])
def test_a_folder_with_a_link_is_refused(tmp_path: Path, name: str) -> None:
    project = tmp_path / "project"
    _write(project / "main.py")
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).symlink_to(tmp_path)
    with pytest.raises(ValueError, match=f"'{name}' is a symbolic link"):
        archive_of(project)
    with pytest.raises(InvalidRequest, match="symbolic link"):
        archive.pack(project)


def test_links_among_what_is_left_out_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path / "main.py")
    for name in ("node_modules", "last.log"):
        (tmp_path / name).symlink_to(tmp_path)
    for packed in (archive_of(tmp_path), archive.pack(tmp_path)):
        with zipfile.ZipFile(io.BytesIO(packed)) as read:
            assert read.namelist() == ["main.py"]


def test_a_project_that_is_missing_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        archive_of(tmp_path / "missing")


async def test_the_event_loop_does_not_wait_for_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class File(io.BytesIO):
        def write(self, data: Any) -> int:
            threads.append(threading.get_ident())
            return super().write(data)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, content=b"a,b")
        refused = {"code": 4000, "message": "refused", "data": None}
        return httpx2.Response(400, json=refused)

    def pack(_: Path) -> bytes:
        threads.append(threading.get_ident())
        return b""

    threads: list[int] = []
    monkeypatch.setattr(_files, "_pack", pack)
    file = File()
    async with AsyncFyke("http://f.test", "k", transport=httpx2.MockTransport(answer)) as fyke:
        assert await fyke.download("http://files.test/x", file) == 3
        with pytest.raises(ApiError):
            await fyke.push_worker(tmp_path, name="a/b")
    assert file.getvalue() == b"a,b"
    assert len(threads) == 2 and threading.get_ident() not in threads


def test_the_fields_of_a_page_are_sent_with_its_project() -> None:
    sent: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.read())
        data = {"slug": "S", "path": "a~b", "version": "v1.0.1", "findings": []}
        return httpx2.Response(200, json={"code": 0, "message": "success", "data": data})

    fyke = Fyke("http://f.test", "k", transport=httpx2.MockTransport(answer))
    page: dict[str, Any] = {"categories": [1, 22], "icon": "https://a.example/i.png"}
    assert fyke.push_worker(b"PK", name="a/b", public=True, **page).path == "a/b"
    fyke.push_worker(b"PK", name="a/b")
    fyke.push_worker(b"PK", name="a/b", promote=False)
    fields = re.findall(rb'form-data; name="(\w+)"\r\n\r\n([^\r]*)\r\n', sent[0])
    assert [value for name, value in fields if name == b"categories"] == [b"1", b"22"]
    assert (b"icon", b"https://a.example/i.png") in fields
    assert b"categories" not in sent[1] and b"icon" not in sent[1]
    assert b"promote" not in sent[1] and b'name="promote"\r\n\r\nfalse\r\n' in sent[2]


def test_what_is_left_out_is_what_the_platform_leaves_out() -> None:
    assert _files.CACHES == entry_names.CACHES
    assert _files.BUILD_FOLDERS == entry_names.BUILD_FOLDERS


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def test_a_file_is_complete_or_does_not_appear(tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), new_file(target) as file:
        file.write(b"half")
        raise OSError("full")
    assert (target.read_text(), len(os.listdir(tmp_path))) == ("old", 1)
    with new_file(target) as file:
        file.write(b"new")
    assert target.read_text() == "new"
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_an_export_takes_the_format_from_the_suffix(tmp_path: Path) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "files.test":
            return httpx2.Response(200, content=b"a,b") if good else httpx2.Response(500)
        formats.append(request.read())
        data = {"download_url": "http://files.test/x"}
        return httpx2.Response(200, json={"code": 0, "message": "", "data": data})

    formats: list[bytes] = []
    good = True
    client = Fyke("http://fyke.test", "k", retries=0, transport=httpx2.MockTransport(answer))
    path = client.export_to("R1", tmp_path / "rows.XLSX")
    assert path.read_bytes() == b"a,b"
    assert b'"format":"xlsx"' in formats[0]
    good = False
    with pytest.raises(Unreachable):
        client.export_to("R1", str(tmp_path / "rows"), "jsonl")
    assert os.listdir(tmp_path) == ["rows.XLSX"]
