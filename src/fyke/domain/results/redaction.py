"""Rows and headers without the secrets that a Worker was given."""

from __future__ import annotations

from dataclasses import replace

from fyke.domain.results.caps import LINE_CUT, LOG_LINE_BYTES
from fyke.domain.results.rows import DecodedRow
from fyke.domain.secrets.masking import Masker
from fyke.model.results import Header, PushedRow


def masked_row(masker: Masker, decoded: DecodedRow) -> DecodedRow:
    """Return the row with secrets masked; the same object when it contains none."""
    row = decoded.row
    data = masker.row(row.data)
    if row.upsert_key:
        key, value = masker.text(row.upsert_key), masker.text(row.upsert_value)
        return replace(decoded, row=PushedRow(data, key, value))
    return decoded if data is row.data else replace(decoded, row=PushedRow(data))


def masked_line(masker: Masker, line: str) -> str:
    """A log line without them. Of one that is much too long only the part that may be kept is
    looked at, and what might be the beginning of a secret at its end is left out.
    """
    most = LOG_LINE_BYTES + masker.longest
    if len(line) <= most:
        return masker.text(line)
    seen = masker.text(line[:most])
    return seen[: -masker.longest or None] + LINE_CUT


def masked_headers(masker: Masker, headers: list[Header]) -> list[Header]:
    """Their keys as those of the rows are."""
    return [
        Header(masker.text(each.label), masker.text(each.key), masker.text(each.format))
        for each in headers
    ]
