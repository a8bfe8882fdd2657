"""A link to a file with a run's rows, given out when that file can be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fyke.api.files import EXPORT, Links
from fyke.api.operations import Call
from fyke.domain.results.export.formats import file_name
from fyke.domain.results.export.service import Exports
from fyke.errors import InvalidRequest

# The keys travel in the link, and a link has to fit into a request line.
MAX_KEYS_CHARS = 8000


@dataclass(frozen=True, slots=True)
class ExportLinks:
    exports: Exports
    links: Links

    async def url(
        self,
        call: Call,
        run_id: str,
        format: str,
        filter_keys: Sequence[str],
        *,
        safe: bool,
        bom: bool,
    ) -> str:
        """An absolute address for a file of the caller's run. ``safe`` and ``bom`` are for csv.

        Raises ``RunNotFound``, also for another account's run, and ``InvalidRequest`` for an
        unknown format, for too many keys and for a run that is too large for the format.
        """
        if sum(map(len, filter_keys)) > MAX_KEYS_CHARS:
            raise InvalidRequest(
                f"filter_keys must have at most {MAX_KEYS_CHARS} characters in all; "
                "leave it out to get every column"
            )
        chosen = await self.exports.check(call.caller, run_id, format)
        return self.links.url(
            call.visit,
            EXPORT,
            run_id,
            file_name(chosen),
            format=chosen.name,
            keys=filter_keys,
            safe=safe,
            bom=bom,
        )
