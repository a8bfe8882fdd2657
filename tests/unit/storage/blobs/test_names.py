from __future__ import annotations

from fyke.storage.blobs.names import check_name


def test_check_name_returns_segments() -> None:
    assert check_name("bundles/0a-b_c.zip") == ["bundles", "0a-b_c.zip"]
