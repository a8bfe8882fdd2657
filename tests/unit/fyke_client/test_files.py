"""Files that the client reads and writes."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import httpx2
import pytest

from fyke.domain.workers import archive, entry_names
from fyke_client import Fyke, Unreachable, _files
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
