"""The settings of a process, loaded once at its start.

A flag wins over ``FYKE_<NAME>`` in the environment, which wins over ``config.toml`` in the data
folder, which wins over the default. The settings themselves are in ``fyke.settings.groups``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from fyke.kit.category_names import parse_category
from fyke.kit.folder_paths import FolderPaths
from fyke.kit.hostports import parse_address
from fyke.kit.mail_servers import check_sender, parse_server
from fyke.kit.node_names import checked_labels, checked_name
from fyke.kit.s3_place import clean_s3_url, parse_endpoint
from fyke.model.gateway import GATEWAY_PORT
from fyke.settings.config_file import ConfigFile, ConfigFileError
from fyke.settings.groups.accounts import AccountSettings, PriceSettings
from fyke.settings.groups.browser import BrowserSettings
from fyke.settings.groups.egress import EgressSettings, MailSettings
from fyke.settings.groups.nodes import NodeSettings
from fyke.settings.groups.runner import RunnerSettings
from fyke.settings.groups.server import SYSTEM_HOME, LogSettings, ServerSettings, default_home
from fyke.settings.groups.storage import StorageSettings

__all__ = ["SYSTEM_HOME", "ConfigFileError", "Settings", "default_home"]


class Settings(  # fields are in the reverse order of the bases
    LogSettings,
    PriceSettings,
    MailSettings,
    EgressSettings,
    BrowserSettings,
    RunnerSettings,
    AccountSettings,
    NodeSettings,
    StorageSettings,
    ServerSettings,
    FolderPaths,
    BaseSettings,
):
    """All settings, and the paths in the data folder. Names of sizes end with their unit."""

    model_config = SettingsConfigDict(
        env_prefix="FYKE_",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,  # some are passwords
    )

    @field_validator(
        "allowed_hosts",
        "password_words",
        "trusted_proxies",
        "categories",
        "egress_allow",
        "callback_allow",
        "git_allow",
        "gateway_addresses",
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """Processes that share the data folder have different working folders."""
        return value.expanduser().absolute()

    @field_validator("categories")
    @classmethod
    def _check_categories(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            parse_category(entry)
        return value

    @field_validator("egress_upstreams", mode="before")
    @classmethod
    def _join_words(cls, value: Any) -> Any:
        """Join a list for a region with spaces, as in the text form."""
        if not isinstance(value, dict):
            return value
        return {
            region: " ".join(map(str, entry)) if isinstance(entry, list | tuple) else entry
            for region, entry in value.items()
        }

    @field_validator("gateway_addresses")
    @classmethod
    def _check_gateways(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            parse_address(address, GATEWAY_PORT)
        return value

    @field_validator("default_pool", "runner_pool")
    @classmethod
    def _check_pool(cls, value: str) -> str:
        return checked_name(value)

    @field_validator("runner_labels")
    @classmethod
    def _check_labels(cls, value: dict[str, str]) -> dict[str, str]:
        return checked_labels(value)

    @field_validator("blobs_url")
    @classmethod
    def _check_blobs_url(cls, value: str) -> str:
        return clean_s3_url(value)

    @field_validator("s3_endpoint")
    @classmethod
    def _check_s3_endpoint(cls, value: str) -> str:
        return parse_endpoint(value)

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_collector(cls, value: str) -> str:
        return parse_endpoint(value)

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, value: str) -> str:
        if value:
            parse_server(value)
        return value

    @field_validator("mail_from")
    @classmethod
    def _check_mail_from(cls, value: str) -> str:
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
        file = ConfigFile(settings_cls, Path(home) / "config.toml")
        return init_settings, env_settings, file
