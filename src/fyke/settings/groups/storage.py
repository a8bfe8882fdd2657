"""The settings of what is stored, and where."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, model_validator

from fyke.settings.marks import SECONDS, SHARED, TypeText, Unit, Url


class StorageSettings(BaseModel):
    """Storage."""

    database_url: Url = Field(default="", examples=["postgresql://fyke:secret@db.example.com/fyke"])
    """PostgreSQL for state, rows and logs. When it is empty, two SQLite files in the data folder
    are used, ``state.db`` and ``rows.db``. See docs/how-to/postgresql.md.
    """

    blobs_url: Annotated[str, TypeText("`s3://BUCKET/PREFIX`")] = Field(
        default="", examples=["s3://company-data/fyke"]
    )
    """The place in S3, or in a server with its protocol, for bundles, uploads, last pages and the
    rows of large ended runs. When it is empty, they are in ``blobs`` in the data folder. All
    servers and runners of a database need the same value. See docs/how-to/s3.md.
    """

    s3_endpoint: Url = Field(default="", examples=["https://minio.example.com:9000"])
    """The address of the S3 server of ``blobs_url``. When it is empty, ``AWS_ENDPOINT_URL`` is
    used, or Amazon.
    """

    s3_region: str = Field(default="", examples=["eu-central-1"])
    """The region of the bucket. When it is empty, ``AWS_REGION`` is used, or ``us-east-1``."""

    s3_key_id: str = Field(default="", examples=["AKIAIOSFODNN7EXAMPLE"])
    """The access key of S3. When it is empty, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and
    ``AWS_SESSION_TOKEN`` are used, or the role of the machine.
    """

    s3_secret: Annotated[SecretStr, TypeText("text")] = Field(
        default=SecretStr(""), examples=["wJalrXUtnFEMI"]
    )
    """The secret of ``s3_key_id``."""

    durability: Annotated[Literal["disk", "process"], SHARED] = Field(
        default="disk", examples=["process"]
    )
    """When a row is acknowledged. ``disk``: after it was flushed to disk, so a power failure loses
    no acknowledged row. ``process``: after the database has received it, so the crash of a process
    loses no acknowledged row, but a power failure may lose some of the most recent ones, not
    always the last.
    """

    seal_rows: Annotated[int, Unit("rows"), SHARED] = Field(
        default=10_000, ge=0, examples=["100000"]
    )
    """The rows of a run with at least this many are moved from the database into a compressed file,
    ``seal_after_seconds`` after its end. The file takes a fraction of the space and is deleted at
    once with the run; such runs are read like others. 0: all rows stay in the database, which is
    the default with PostgreSQL without ``blobs_url``. Set it there only if all servers use the same
    data folder and none is of release 0.1.0. See docs/how-to/retention.md.
    """

    seal_after_seconds: Annotated[int, SECONDS, SHARED] = Field(
        default=600, ge=1, examples=["3600"]
    )
    """How long after the end of a run its rows are moved into a file. Most results are read soon
    after the end, and sorted pages are faster from the database.
    """

    keep_days: Annotated[int, Unit("days"), SHARED] = Field(default=0, ge=0, examples=["30"])
    """Finished runs older than this are removed with their rows and logs. 0 keeps them. The
    ledger is kept either way. Entries of the audit log are kept for the same time, with 0 for a
    year. See docs/how-to/retention.md.
    """

    @model_validator(mode="before")
    @classmethod
    def _keep_rows_in_postgres(cls, values: Any) -> Any:
        """Other servers of the database may have another data folder, without these files."""
        if isinstance(values, dict) and values.get("database_url") and not values.get("blobs_url"):
            return {"seal_rows": 0} | values
        return values
