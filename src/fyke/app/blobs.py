"""Opens the storage of blobs, and checks at the start that it is the one of the installation."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from fyke.app.blob_place import INSTALLATION_ID as _ID
from fyke.app.blob_place import MARK, PLACE
from fyke.app.restored import become_another, id_of_copy, is_restored, refuse_restored
from fyke.app.state import addresses, open_state
from fyke.contracts.blobs import Blobs, BlobsRefused, Folder, StoredBlob
from fyke.contracts.state import Storage, Transaction
from fyke.domain.workers.bundles import bundle_name
from fyke.domain.workers.icon_names import is_icon
from fyke.errors import BlobsAway, Conflict, InvalidRequest, Unavailable
from fyke.kit.ids import new_ulid
from fyke.kit.s3_place import parse_s3_url
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.dialects import for_reading, long_transaction, make_engine
from fyke.storage.sql.failures import unavailable_when_unreadable
from fyke.storage.sql.schema import first_value

log = structlog.get_logger()

_CHECK_SECONDS = 15.0
_COPY = "stop Fyke on all machines, and copy them with: fyke db copy-blobs"
_OTHER_SERVER = (
    "The command has the address and login of one S3 server. To copy to another one, set those of "
    "the old one and leave blobs_url empty, which copies to the data folder; then the new ones"
)
_REPLACEMENT = (
    "If the old place is lost, set blobs_url to one with a copy of all its objects, or add "
    "--accept-missing, which copies what is still there and needed"
)


def open_blobs(settings: Settings) -> Blobs:
    """The blobs of the installation. Raise ``Conflict`` for settings that do not fit together."""
    return _open_s3(settings) if settings.blobs_url else folder_blobs(settings)


def folder_blobs(settings: Settings) -> FilesystemBlobs:
    """The blobs in the data folder. Files that are not urgent leave twice as much of its disk free
    as a new run requires.
    """
    return FilesystemBlobs(settings.blobs_dir, floor_bytes=settings.disk_floor_mb * 2 * 2**20)


async def own_blobs(
    blobs: Blobs, folders: Iterable[Folder] = Folder
) -> AsyncGenerator[StoredBlob, None]:
    """The blobs of an installation. Its place may be the root of a bucket that has others too,
    such as those of a place below it.
    """
    for folder in folders:
        async for blob in blobs.walk(folder):
            if _is_own(folder, blob.name):
                yield blob


def _is_own(folder: Folder, name: str) -> bool:
    if folder is Folder.ICONS:
        return is_icon(name)
    return name.count("/") == 1 and name != f"{folder}/{MARK}"


async def _has_blobs(blobs: Blobs) -> bool:
    return bool([True async for _ in own_blobs(blobs)])


def _open_s3(settings: Settings) -> Blobs:
    try:
        from fyke.storage.blobs.s3 import S3Access, S3Blobs
    except ImportError:
        raise Conflict(
            "blobs_url needs the package obstore: install "
            '"./fyke-VERSION-py3-none-any.whl[s3]" of the release, as script/up does'
        ) from None
    secret = settings.s3_secret.get_secret_value()
    if bool(settings.s3_key_id) != bool(secret):
        raise Conflict("s3_key_id and s3_secret belong together; set both, or none")
    access = S3Access(settings.s3_endpoint, settings.s3_region, settings.s3_key_id, secret)
    return S3Blobs(parse_s3_url(settings.blobs_url), access)


# --- at the start -----------------------------------------------------------------------------


async def check_blobs(settings: Settings, storage: Storage, report: Callable[[str], None]) -> None:
    """Raise ``Conflict`` unless ``blobs_url`` is the place of the installation's blobs, which
    accepts, returns and lists them, and for a restored copy. ``report`` gets a sentence if it
    does not answer: runs whose bundles are on their machine can start without it.
    """
    blobs = open_blobs(settings)
    stored = await storage.read(lambda tx: tx.installation.fact(PLACE)) or ""
    with unavailable_when_unreadable():
        is_known = await _compare_first(settings, stored)
    if not settings.blobs_url:
        return
    refuse_restored(settings)
    try:
        await _check_s3(storage, settings, blobs, is_known=is_known)
    except BlobsAway as error:
        if not is_known or isinstance(error, BlobsRefused):
            raise Conflict(f"{error}. Correct blobs_url, address or login") from None
        rest = "until it answers, only versions whose files are on their machine can run"
        report(f"{error}. Fyke starts nevertheless; {rest}")


async def _compare_first(settings: Settings, stored: str) -> bool:
    """``_compare``, also if no place is stored and blobs are in a folder, perhaps another one;
    return whether a place is known. Raise ``SQLAlchemyError``.
    """
    is_first = bool(settings.blobs_url) and not stored
    if is_first:
        needed = await asyncio.to_thread(needed_blobs, settings)
        is_first = not needed and not await _has_blobs(folder_blobs(settings))
    if not is_first:
        _compare(settings, stored)
    return not is_first


def _compare(settings: Settings, stored: str) -> None:
    """Raise ``Conflict`` unless the setting is the place that is stored; "" is the folder."""
    if stored != settings.blobs_url:
        folder = "its data folders" if settings.database_url else settings.blobs_dir
        raise Conflict(
            f"The blobs of this installation are in {stored or folder}, and blobs_url is "
            f"{settings.blobs_url or 'empty'}. "
            f"{f'Set blobs_url to {stored}' if stored else 'Leave it empty'}, or {_COPY}"
        )


async def _check_s3(storage: Storage, settings: Settings, blobs: Blobs, *, is_known: bool) -> None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            if not is_known:
                await blobs.check()  # a place that is refused gets no mark
            await _mark(blobs, settings.blobs_url, await _own_id(storage), is_known=is_known)
            if is_known:
                await blobs.check()
    except TimeoutError:
        raise BlobsAway(f"Blob storage {settings.blobs_url}: no answer in time") from None
    if not is_known:
        await _change_place(storage, "", settings.blobs_url)


async def _change_place(storage: Storage, before: str, place: str) -> None:
    """Raise ``Conflict`` if another server has changed it meanwhile."""

    def work(tx: Transaction) -> str:
        tx.installation.settle(PLACE, "")
        tx.installation.exchange(PLACE, before, place)
        return tx.installation.fact(PLACE) or ""

    if (stored := await storage.write(work)) != place:
        place = stored or "its data folder"
        raise Conflict(f"Another server has put the blobs in {place}; correct blobs_url")


async def _own_id(storage: Storage) -> str:
    return await storage.write(lambda tx: tx.installation.settle(_ID, new_ulid()))


async def _mark(blobs: Blobs, place: str, own: str, *, is_known: bool) -> None:
    """Mark a new place as that of the installation with the id ``own``. Raise ``Conflict`` if it is
    that of another, whose blobs ``fyke prune`` would remove, or if a known one has no mark.
    """
    if not is_known and not await blobs.exists(MARK):
        await blobs.put(MARK, own.encode())
    await _require_mark(blobs, place, own)


async def _require_mark(
    blobs: Blobs, place: str, own: str, *, may_be_missing: bool = False
) -> None:
    try:
        found = await blobs.get(MARK)
    except FileNotFoundError:
        if may_be_missing:
            return
        raise Conflict(
            f"{place} has no blobs of this installation: its object {MARK} is missing. Set "
            "s3_endpoint, or AWS_ENDPOINT_URL, to the server that has them. If they are lost and "
            "Fyke should start without them, run: fyke db copy-blobs --accept-missing"
        ) from None
    if found != own.encode():
        raise Conflict(
            f"{place} has the blobs of another installation, which may be a restored copy of this "
            "one; choose another prefix, or correct s3_endpoint"
        )


# --- in commands ------------------------------------------------------------------------------


def place_check(
    settings: Settings, storage: Storage, blobs: Blobs
) -> Callable[[], Awaitable[None]]:
    """A check for a running server that is about to store what nothing else has: it raises
    ``BlobsRefused`` if the place in S3 has lost its mark, because it was emptied or is another one.
    """

    async def check() -> None:
        if not settings.blobs_url:
            return
        own = await storage.read(lambda tx: tx.installation.fact(_ID)) or ""
        try:
            await _require_mark(blobs, settings.blobs_url, own)
        except Conflict as error:
            log.error("blobs_of_installation_missing", error=str(error))
            raise BlobsRefused(f"Nothing can be uploaded or published. {error}") from None

    return check


async def require_place(settings: Settings, engine: Engine, blobs: Blobs | None = None) -> None:
    """Raise ``Conflict`` unless ``blobs_url`` is the place of the installation's blobs and, in S3,
    has its mark. ``engine``: that of the state. Changes nothing. Raise ``BlobsAway`` and
    ``SQLAlchemyError``.
    """
    stored = await asyncio.to_thread(_fact, engine, PLACE)
    _compare(settings, stored)
    if stored:
        own = await asyncio.to_thread(_fact, engine, _ID)
        await _require_mark(blobs or open_blobs(settings), stored, own)


def compare_place(settings: Settings, engine: Engine) -> None:
    """Raise ``Conflict`` unless ``blobs_url`` is the place in the state; asks no S3 server. Raise
    ``SQLAlchemyError``.
    """
    _compare(settings, _fact(engine, PLACE))


def find_other_place(settings: Settings, engine: Engine) -> list[str]:
    """What ``require_place`` finds, for commands, which have no event loop."""
    try:
        if settings.blobs_url:
            asyncio.run(require_place(settings, engine))
        else:
            compare_place(settings, engine)
    except Conflict as error:
        return [str(error)]
    return []


async def try_place(settings: Settings) -> None:
    """Compare as the start does, where the database answers, and change nothing; then store, read,
    list and delete a blob if the place is in S3. Raise ``Conflict`` and ``Unavailable``.
    """
    with suppress(SQLAlchemyError, InvalidRequest):
        engine = make_engine(addresses(settings).state, durable=False, pool_size=1)
        try:
            stored = await asyncio.to_thread(_fact, engine, PLACE)
            is_known = await _compare_first(settings, stored)
            own = await asyncio.to_thread(_fact, engine, _ID)
        finally:
            engine.dispose()
        refuse_restored(settings)
        if place := settings.blobs_url:
            await _require_mark(open_blobs(settings), place, own, may_be_missing=not is_known)
    if settings.blobs_url:
        await open_blobs(settings).check()


def _fact(engine: Engine, name: str) -> str:
    return first_value(engine, "installation", "value", where=f"name = '{name}'")


def needed_blobs(settings: Settings) -> set[str]:
    """The names of the blobs that the tables refer to, which are up to date, or missing before the
    first start. Raise ``SQLAlchemyError``.
    """
    from fyke.domain.uploads.service import blob_name
    from fyke.storage.sql.page_files import page_files
    from fyke.storage.sql.presence import presence
    from fyke.storage.sql.sealed_files import sealed_files
    from fyke.storage.sql.state.references import needed_bundles, usable_uploads

    urls, needed = addresses(settings), set[str]()
    present = presence(urls.state, urls.results)
    if present.state:
        with _reading(urls.state) as connection:
            needed |= {bundle_name(digest) for digest in needed_bundles(connection)}
            needed |= {blob_name(upload) for upload in usable_uploads(connection)}
            needed |= {file.blob for file in page_files(connection.exec_driver_sql)}
    if present.rows:
        with _reading(urls.results) as connection:
            needed |= {file.blob for file in sealed_files(connection.exec_driver_sql)}
    needed.discard("")  # of a run whose file has no name, which fyke db check reports
    return needed


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    engine = make_engine(url, durable=False, pool_size=1)
    try:
        with long_transaction(for_reading(engine)) as connection:
            yield connection
    finally:
        engine.dispose()


# --- moving -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, not counting what was there already. ``source`` is ``target`` if the place
    stays the same, and nothing was copied.
    """

    source: str
    target: str
    blobs: int
    bytes: int
    unread: str = ""  # why at most what the tables refer to was read from the source
    marked: bool = False  # the place had lost its mark
    missing: tuple[str, ...] = ()  # what the tables refer to and the target lacks, if accepted


async def copy_blobs(settings: Settings, *, accept_missing: bool = False) -> Copied:
    """Copy all blobs to where the settings want them, and make that their place. May be repeated
    when it was interrupted. If it is their place already, copy what is left in the data folder.
    Nothing else writes blobs meanwhile, and the tables are up to date. Raise ``Conflict``, also if
    they refer to one that was not there, unless ``accept_missing``.
    """
    folder = str(settings.blobs_dir)
    async with open_state(settings) as storage:
        stored = await storage.read(lambda tx: tx.installation.fact(PLACE)) or ""
        if stored == settings.blobs_url:
            return await _copy_left(settings, storage, accept_missing=accept_missing)
        target, unread = open_blobs(settings), ""
        source: Blobs | None = None
        only: set[str] | None = None
        try:
            source = await _open_source(settings, storage, stored)
        except _Lost as error:
            if not accept_missing and not await _is_complete(settings, storage, target):
                raise Conflict(f"{error}. {_OTHER_SERVER}. {_REPLACEMENT}") from None
            source, unread = (error.rest if accept_missing else None), str(error)
            only = await _needed(settings)
            if source:  # addresses in texts of Workers refer to pictures, and no table does
                only |= {blob.name async for blob in own_blobs(source, [Folder.ICONS])}
        is_separate = is_restored(settings)
        if settings.blobs_url:
            await target.check()
            is_separate = is_separate and await _is_for_copy(settings, target)
            own = id_of_copy(settings) if is_separate else await _own_id(storage)
            await _mark(target, settings.blobs_url, own, is_known=False)
        count, size = await _copy(source, target, only=only) if source else (0, 0)
        copied = Copied(stored or folder, settings.blobs_url or folder, count, size, unread)
        if missing := await _missing(settings, target):
            if not accept_missing:
                raise _lacks(copied, missing)
            copied = dataclasses.replace(copied, missing=tuple(sorted(missing)))
        await _change_place(storage, stored, settings.blobs_url)
        if is_separate:
            await become_another(settings, storage, target if settings.blobs_url else None)
    return copied


async def _is_for_copy(settings: Settings, target: Blobs) -> bool:
    """Whether a place in S3 is new, or was marked for this restored copy by an earlier call. Else
    its original may be there, which has moved since the backup.
    """
    return not await target.exists(MARK) or await _is_marked_for_copy(settings, target)


async def accept_blobs(settings: Settings) -> None:
    """Let a restored copy take over the place of its original, which is then refused. Raise
    ``Conflict`` if it is no such copy, or if the place is not that of the original.
    """
    if not is_restored(settings):
        raise Conflict(f"{settings.home} is not a restored copy that waits for this; nothing to do")
    async with open_state(settings) as storage:
        stored = await storage.read(lambda tx: tx.installation.fact(PLACE)) or ""
        _compare(settings, stored)
        blobs = open_blobs(settings) if stored else None
        if blobs is not None:
            own = await storage.read(lambda tx: tx.installation.fact(_ID)) or ""
            if not await _is_marked_for_copy(settings, blobs):
                await _require_mark(blobs, stored, own)
        await become_another(settings, storage, blobs)


async def _is_marked_for_copy(settings: Settings, blobs: Blobs) -> bool:
    """Whether an earlier ``accept_blobs`` or ``copy_blobs`` was interrupted after it had marked the
    place.
    """
    try:
        found = await blobs.get(MARK)
    except FileNotFoundError:
        return False
    return found.decode(errors="replace") == id_of_copy(settings)


async def _copy_left(settings: Settings, storage: Storage, *, accept_missing: bool) -> Copied:
    """Copy to the place of the installation what it lacks and the data folder has: this is one of
    several, or its server had other settings. With ``accept_missing``, mark the place again.
    """
    place, folder, target = settings.blobs_url, folder_blobs(settings), open_blobs(settings)
    if is_restored(settings) and (not place or await _is_marked_for_copy(settings, target)):
        # an earlier call was interrupted when it had changed the place
        await become_another(settings, storage, target if place else None)
    refuse_restored(settings)
    count = size = 0
    marked = False
    if place:
        marked = accept_missing and not await target.exists(MARK)
        try:
            await _mark(target, place, await _own_id(storage), is_known=not accept_missing)
        except Conflict as error:
            raise Conflict(f"{error}. {_OTHER_SERVER}") from None
        count, size = await _copy(folder, target, replace=False)
    missing = sorted(await _missing(settings, target)) if accept_missing else ()
    name = place or str(settings.blobs_dir)
    source = str(settings.blobs_dir) if count else name
    return Copied(source, name, count, size, marked=marked, missing=tuple(missing))


async def _needed(settings: Settings) -> set[str]:
    with unavailable_when_unreadable():
        return await asyncio.to_thread(needed_blobs, settings)


async def _missing(settings: Settings, target: Blobs) -> set[str]:
    """The blobs that the tables refer to and the target lacks."""
    return await _needed(settings) - {blob.name async for blob in own_blobs(target)}


async def _is_complete(settings: Settings, storage: Storage, target: Blobs) -> bool:
    """Whether the target is a copy of the lost place: it has the mark of the installation, or that
    of this restored copy, and all that the tables refer to.
    """
    if is_restored(settings) and await _is_marked_for_copy(settings, target):
        return not await _missing(settings, target)
    own = await storage.read(lambda tx: tx.installation.fact(_ID)) or ""
    try:
        await _require_mark(target, settings.blobs_url, own)
    except Conflict:
        return False
    return not await _missing(settings, target)


def _lacks(copied: Copied, missing: set[str]) -> Conflict:
    return Conflict(
        f"{copied.source} lacks {len(missing)} of the blobs that the database refers to, such "
        f"as {min(missing)}. The others were copied, and the place was not changed. Repeat the "
        "command with each data folder that has blobs. If they are lost, add --accept-missing"
    )


class _Lost(Exception):
    """The place of the blobs does not answer, or has not the mark of the installation. ``rest``:
    the place, if it has no mark: it was emptied, and may have got blobs since.
    """

    def __init__(self, problem: str, rest: Blobs | None = None) -> None:
        super().__init__(problem)
        self.rest = rest


async def _open_source(settings: Settings, storage: Storage, stored: str) -> Blobs:
    """The blobs at the place that is stored. Raise ``_Lost``."""
    if not stored:
        return folder_blobs(settings)
    source = open_blobs(settings.model_copy(update={"blobs_url": stored}))
    own = await storage.read(lambda tx: tx.installation.fact(_ID)) or ""
    try:
        await _require_mark(source, stored, own)
    except BlobsAway as error:
        raise _Lost(str(error)) from None
    except Conflict as error:
        raise _Lost(str(error), None if await source.exists(MARK) else source) from None
    return source


async def _copy(
    source: Blobs, target: Blobs, *, replace: bool = True, only: set[str] | None = None
) -> tuple[int, int]:
    """Copy what the target does not have, or with another size if ``replace``, of ``only`` if it is
    given; return how many blobs and bytes.
    """
    there = {blob.name: blob.size async for blob in own_blobs(target)}
    count = size = 0
    async for blob in own_blobs(source):
        if only is not None and blob.name not in only:
            continue
        if blob.name not in there or (replace and there[blob.name] != blob.size):
            async with aclosing(source.get_stream(blob.name)) as chunks:
                await target.put_stream(blob.name, chunks)
            if await target.size(blob.name) != blob.size:
                raise Unavailable(f"{blob.name} was not copied completely; repeat the command")
            count, size = count + 1, size + blob.size
    return count, size
