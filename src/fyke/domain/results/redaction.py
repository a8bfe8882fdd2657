"""Masks the secrets of an attempt in rows, headers and log lines."""

from __future__ import annotations

from dataclasses import replace

from fyke.domain.results.caps import LINE_CUT, LOG_LINE_BYTES
from fyke.domain.results.rows import DecodedRow
from fyke.domain.secrets.masking import Masker
from fyke.model.results import Header, PushedRow


def mask_row(masker: Masker, decoded: DecodedRow) -> DecodedRow:
    """Return the row with secrets masked; the same object when it contains none."""
    row = decoded.row
    data = masker.row(row.data)
    if row.upsert_key:
        key, value = masker.text(row.upsert_key), masker.text(row.upsert_value)
        return replace(decoded, row=PushedRow(data, key, value))
    return decoded if data is row.data else replace(decoded, row=PushedRow(data))


def mask_line(masker: Masker, line: str) -> str:
    """Mask secrets in a log line. A line that is too long is cut, without the characters at the end
    that may be the start of a secret.
    """
    limit = LOG_LINE_BYTES + masker.longest
    if len(line) <= limit:
        return masker.text(line)
    masked = masker.text(line[:limit])
    return masked[: -masker.longest or None] + LINE_CUT


def mask_headers(masker: Masker, headers: list[Header]) -> list[Header]:
    """Mask secrets in headers, also in keys, so that they match the keys of masked rows."""
    return [
        Header(masker.text(header.label), masker.text(header.key), masker.text(header.format))
        for header in headers
    ]
