"""Downloads by signed link, without a key: valid for a short time, for one file of one run.

A link contains everything about its file (purpose, run, format, columns, query, file name), its
time, and the key, session or share that it comes from, signed with an HMAC. Links are not stored. A
link becomes invalid when that key, session or share ends.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.responses import Response

from fyke.api.call import Call
from fyke.api.downloads import Downloads, FileDownload
from fyke.api.media import Media
from fyke.api.network import Visit
from fyke.api.routes import PUBLIC, get
from fyke.domain.accounts.link_issuers import Issuer, IssuerKind, LinkIssuers
from fyke.domain.logs.service import RunLogs
from fyke.domain.results.export.formats import GENERATED, parse_format
from fyke.domain.results.export.service import ExportRequest, Exports
from fyke.domain.results.query.model import PLAIN, Query, parse_query, query_arguments
from fyke.errors import NotFound, RunNotFound
from fyke.wire.fields import Text

EXPORT = "export"
LOG = "log"


@dataclass(frozen=True, slots=True)
class Link:
    """The file that a link gives access to, and the account and issuer of the link."""

    issuer: Issuer
    purpose: str
    run_id: str
    format: str
    keys: tuple[str, ...]
    safe: bool
    bom: bool
    query: Query = PLAIN


class Links:
    """Signs and verifies links, which are valid for ``seconds``."""

    def __init__(self, master_secret: bytes, seconds: int) -> None:
        self._seconds = seconds
        self._serializer = URLSafeTimedSerializer(
            master_secret,
            salt="fyke.download",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def url(
        self,
        visit: Visit,
        issuer: Issuer,
        purpose: str,
        run_id: str,
        name: str,
        *,
        format: str = "",
        keys: Sequence[str] = (),
        safe: bool = False,
        bom: bool = False,
        query: Query = PLAIN,
    ) -> str:
        """An absolute address for the file ``name``."""
        whose = [issuer.kind.value, issuer.id]
        payload: list[Any] = [whose, purpose, run_id, name, format, [*keys], safe, bom]
        if not query.plain:
            payload.append(query_arguments(query))
        token = self._serializer.dumps(payload)
        text = token if isinstance(token, str) else token.decode()
        return f"{visit.origin}/files/{text}/{quote(name)}"

    def read(self, token: str, name: str) -> Link:
        """The file of a link. Raises ``NotFound`` for an invalid or expired link."""
        # The last character of a signature has unused bits, so different texts decode to the same
        # bytes: compare the text.
        value, _, signature = token.rpartition(".")
        expected = self._serializer.make_signer(self._serializer.salt).get_signature(value)
        if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            raise NotFound
        try:
            whose, purpose, run_id, signed_name, file_format, keys, safe, bom, *optional = (
                self._serializer.loads(token, max_age=self._seconds)
            )
            kind, issuer_id = whose
            issuer = Issuer(IssuerKind(kind), issuer_id)
        except (BadData, ValueError):
            raise NotFound from None
        if signed_name != name:
            raise NotFound
        query = parse_query(**optional[0]) if optional else PLAIN
        return Link(issuer, purpose, run_id, file_format, tuple(keys), safe, bom, query)


@dataclass(frozen=True, slots=True)
class FileRoutes:
    tag: ClassVar[str] = "Files"

    exports: Exports
    logs: RunLogs
    links: Links
    issuers: LinkIssuers
    downloads: Downloads

    @get(
        "/files/{token}/{name}",
        scope=PUBLIC,
        errors=(NotFound,),
        hot=True,  # also for HEAD
        produces=(Media("application/octet-stream"),),
        statuses={
            206: "The range in `Range`",
            304: "The file has not changed since the `ETag` in `If-None-Match`",
            416: "The file ends before the `Range`",
        },
        headers={
            "Range": "one range, for example `bytes=1000-`; several are ignored",
            "If-Range": "the `ETag` of the part already downloaded",
            "If-None-Match": "the `ETag` of a file already downloaded",
            "Accept-Encoding": "`zstd` or `gzip` for a compressed answer",
        },
    )
    async def download_file(self, call: Call, token: Text, name: Text) -> Response:
        """The file that a temporary link leads to.

        The file of a run that has ended can be read in parts. HEAD answers its length and tag.
        `Last-Modified` is the time at which the file was made. A
        compressed answer has a tag of its own. A part is one of the uncompressed file, unless
        `If-Range` is the tag of a compressed answer.
        """
        link = self.links.read(token, name)
        await self.issuers.check(link.issuer)
        try:
            file = await (self._log if link.purpose == LOG else self._export)(link, name)
            return await self.downloads.answer(call.request, file)
        except RunNotFound:
            raise NotFound from None

    async def _log(self, link: Link, name: str) -> FileDownload:
        fingerprint, account_id = await self.logs.fingerprint(link.run_id)
        make = partial(self.logs.text, link.run_id)
        return FileDownload(name, "text/plain; charset=utf-8", fingerprint, account_id, make)

    async def _export(self, link: Link, name: str) -> FileDownload:
        request = ExportRequest(
            parse_format(link.format), link.keys, link.query, link.safe, link.bom
        )
        job = await self.exports.prepare(link.run_id, request)
        make = partial(self.exports.stream, job)
        return FileDownload(
            # a generated name keeps links apart; the file is saved under one that says what it is
            job.name if name.startswith(GENERATED) else name,
            request.format.content_type,
            job.fingerprint,
            job.source.run.account_id,
            make,
            compressible=not request.format.compressed,
        )
