"""One typed settings object, built once at start and passed down.

A flag wins over ``FYKE_<NAME>`` in the environment, which wins over ``config.toml`` in the data
folder, which wins over the default. Every setting is described in ``docs/reference/settings.md``;
a test fails when one is missing there.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from fyke.kit.category_names import parse_category
from fyke.kit.mail_servers import check_sender, parse_server

SYSTEM_HOME = Path("/var/lib/fyke")

CommaList = Annotated[tuple[str, ...], NoDecode]


def default_home() -> Path:
    """``/var/lib/fyke`` for root, ``~/.fyke`` for everybody else; ``FYKE_HOME`` wins."""
    named = os.environ.get("FYKE_HOME")
    if named:
        return Path(named).expanduser()
    return SYSTEM_HOME if os.geteuid() == 0 else Path.home() / ".fyke"


class Settings(BaseSettings):
    """All that can be set. Sizes say their unit in the name; times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="FYKE_", extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(default_factory=default_home)

    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    public_url: str = ""
    allowed_hosts: CommaList = ()
    trusted_proxies: CommaList = ()
    rate_limit: int = Field(default=60, ge=0)
    download_seconds: int = Field(default=900, ge=1)
    download_mb: int = Field(default=4096, ge=0)
    sync_wait_seconds: int = Field(default=300, ge=1)
    abort_grace_seconds: int = Field(default=30, ge=0)
    require_callback_url: bool = False

    categories: CommaList = ()

    default_plan: Literal["free", "starter", "pro", "business", "unlimited"] = "free"

    database_url: str = ""
    durability: Literal["disk", "process"] = "disk"
    keep_days: int = Field(default=0, ge=0)

    runner_cpus: float = Field(default=0, ge=0)
    runner_memory_mb: int = Field(default=0, ge=0)
    runner_slots: int = Field(default=64, ge=1)
    attempt_uid_base: int = Field(default=30_000, ge=1)
    attempt_uids: int = Field(default=4096, ge=1)
    service_user: str = "fyke"
    unsafe: bool = False
    launcher: bool = False
    install_seconds: int = Field(default=600, ge=1)
    drain_seconds: int = Field(default=30, ge=0)
    work_mb: int = Field(default=2048, ge=1)
    disk_floor_mb: int = Field(default=256, ge=0)
    max_subtasks: int = Field(default=1000, ge=1)
    failed_rows: Literal["hide", "keep"] = "hide"

    egress_allow: CommaList = ()
    egress_upstreams: dict[str, str] = Field(default_factory=dict)
    default_region: str = ""
    site_guard: bool = True
    site_rate: float = Field(default=50, gt=0)
    site_connections: int = Field(default=200, ge=1)
    site_pause_seconds: float = Field(default=30, ge=0)
    callback_allow: CommaList = ()
    callback_running: bool = True
    git_allow: CommaList = ()

    review: Literal["required", "off"] = "required"
    schema_by_slug: bool = True
    schedule_failures: int = Field(default=10, ge=0)

    smtp_url: str = ""
    mail_from: str = ""

    price_cpu_hour: Decimal = Field(default=Decimal(0), ge=0)
    price_memory_gb_hour: Decimal = Field(default=Decimal(0), ge=0)
    price_traffic_gb: Decimal = Field(default=Decimal(0), ge=0)
    traffic_quota: bool = False

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator(
        "allowed_hosts",
        "trusted_proxies",
        "categories",
        "egress_allow",
        "callback_allow",
        "git_allow",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("categories")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            parse_category(entry)
        return value

    @field_validator("egress_upstreams", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        """A list of words for a region is the same as the words with spaces between."""
        if not isinstance(value, dict):
            return value
        return {
            region: " ".join(map(str, entry)) if isinstance(entry, list | tuple) else entry
            for region, entry in value.items()
        }

    @field_validator("smtp_url")
    @classmethod
    def _server(cls, value: str) -> str:
        if value:
            parse_server(value)
        return value

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        return check_sender(value) if value else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = init_settings().get("home") or default_home()
        file = TomlConfigSettingsSource(settings_cls, Path(home) / "config.toml")
        return init_settings, env_settings, file

    # where things lie in the data folder

    @property
    def run_dir(self) -> Path:
        """Sockets of our own processes (0700)."""
        return self.home / "run"

    @property
    def signals_dir(self) -> Path:
        """One datagram socket per listening process."""
        return self.run_dir / "bell"

    @property
    def egress_socket(self) -> Path:
        """Where the egress process takes orders from the runner."""
        return self.run_dir / "egress.sock"

    @property
    def launcher_socket(self) -> Path:
        """Where the launcher takes orders, when Fyke was started as root."""
        return self.run_dir / "launcher.sock"

    @property
    def node_file(self) -> Path:
        """The name of this machine in a larger installation."""
        return self.home / "node"

    @property
    def blobs_dir(self) -> Path:
        return self.home / "blobs"

    @property
    def scratch_dir(self) -> Path:
        """Files on their way: workbooks while they are made."""
        return self.home / "scratch"

    @property
    def downloads_dir(self) -> Path:
        """Exports and logs that are being downloaded; a folder in it for each server process."""
        return self.scratch_dir / "downloads"

    @property
    def bundles_dir(self) -> Path:
        """Unpacked versions, read-only, world-readable: sandboxes mount them."""
        return self.home / "cache" / "bundles"

    @property
    def environments_dir(self) -> Path:
        return self.home / "cache" / "environments"

    @property
    def work_dir(self) -> Path:
        """One folder per living attempt."""
        return self.home / "work"

    @property
    def owner_key_file(self) -> Path:
        """The operator's local credential (0600)."""
        return self.home / "owner.key"

    @property
    def secret_file(self) -> Path:
        """32 random bytes: signs downloads, derives webhook secrets (0600)."""
        return self.home / "secret.key"

    @property
    def server_file(self) -> Path:
        """Where the server of this data folder listens, for commands on the same machine."""
        return self.home / "server.json"
