"""Whether a data folder or a backup has the ``secret.key`` of its installation."""

from __future__ import annotations

from fyke.app.folder import secret_fingerprint
from fyke.app.state import FINGERPRINT, addresses
from fyke.settings import Settings

_REMEDY = (
    "Fyke does not start with it, and secrets of Workers cannot be opened: copy secret.key from "
    "the data folder or another backup; if it is lost: fyke db accept-secret"
)
_MISSING = f"secret.key is missing. {_REMEDY.replace('with it', 'without it')}"
_OTHER = f"secret.key is not that of this database. {_REMEDY}"


def check_secret(settings: Settings) -> list[str]:
    """Compare the secret with its fingerprint in the database, which the first start records;
    return at most one problem. Changes nothing; raises ``SQLAlchemyError``.
    """
    from fyke.storage.sql.dialects import make_engine
    from fyke.storage.sql.schema import first_value

    engine = make_engine(addresses(settings).state, durable=False, pool_size=1)
    try:
        stored = first_value(engine, "installation", "value", where=f"name = '{FINGERPRINT}'")
    finally:
        engine.dispose()
    if not stored:
        return []
    if not settings.secret_file.exists():
        return [_MISSING]
    return [] if _fingerprint(settings) == stored else [_OTHER]


def check_secret_of_files(settings: Settings, database: str) -> list[str]:
    """Like ``check_secret``, for the files of a backup; ``database`` is "sqlite" or "postgresql". A
    backup does not contain a PostgreSQL database, so then the file only has to exist.
    """
    if database == "sqlite":
        return check_secret(settings.model_copy(update={"database_url": ""}))
    return [] if settings.secret_file.exists() else [_MISSING]


def _fingerprint(settings: Settings) -> str:
    try:
        return secret_fingerprint(settings)
    except ValueError:  # not in hexadecimal
        return ""
