"""Download links for files with a run's rows, created after the export is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from fyke.api.call import Call
from fyke.api.files import EXPORT, Links
from fyke.domain.accounts.link_issuers import issuer_of
from fyke.domain.results.export.formats import file_name
from fyke.domain.results.export.service import Exports
from fyke.domain.results.query.model import PLAIN, Query, query_arguments
from fyke.errors import InvalidRequest
from fyke.reasons import detail_sentence
from fyke.wire.rows import Download

# The keys are part of the link, which must fit into a request line.
MAX_KEYS_CHARS = 8000


@dataclass(frozen=True, slots=True)
class ExportLinks:
    exports: Exports
    links: Links

    async def answer(
        self,
        call: Call,
        run_id: str,
        format: str,
        filter_keys: Sequence[str],
        *,
        safe: bool,
        bom: bool,
        query: Query = PLAIN,
    ) -> Download:
        """An absolute address for a file of the caller's run, with notes about limits of the
        format that apply. ``safe`` and ``bom`` are for csv.

        Raises ``RunNotFound``, including for another account's run, and ``InvalidRequest`` for an
        unknown format, for too many keys and for a run that is too large for the format.
        """
        if sum(map(len, filter_keys)) > MAX_KEYS_CHARS:
            raise InvalidRequest(
                f"filter_keys must have at most {MAX_KEYS_CHARS} characters in all; "
                "leave it out to get every column"
            )
        if len(repr(query_arguments(query))) > MAX_KEYS_CHARS:
            raise InvalidRequest(
                f"fields, sort and filter must have at most {MAX_KEYS_CHARS} characters in all; "
                "name fewer"
            )
        file_format, notes = await self.exports.check(
            call.caller, run_id, format, filter_keys, query
        )
        url = self.links.url(
            call.visit,
            issuer_of(call.caller),
            EXPORT,
            run_id,
            file_name(file_format),
            format=file_format.name,
            keys=filter_keys,
            safe=safe,
            bom=bom,
            query=query,
        )
        return Download(url, [detail_sentence(note) for note in notes] or UNSET)
