"""The one settings tree: environment over TOML over defaults, frozen once read.

A setting is named by its path: ``HOUNSFIELD_HTTP__PORT=8081`` in the environment is
``[http] port = 8081`` in the file that ``HOUNSFIELD_CONFIG`` names, or, without it, in
``hounsfield.toml`` in the working folder.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

MIB = 1024 * 1024

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Origin = Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpSettings(_Section):
    """The HTTP server: DICOMweb, the JSON API, the web app and OHIF."""

    host: str = "127.0.0.1"
    port: Port = 8080
    processes: int = Field(2, ge=1, description="web processes that share the port")
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        description="names under which a request may reach us; any other Host is refused",
    )
    trusted_origins: tuple[str, ...] = Field(
        (),
        description="other origins whose pages may use us through a proxy of theirs, such as "
        "http://localhost:3000 of a front end in development",
    )
    cors_origins: tuple[Origin, ...] = Field(
        (), description="other origins whose pages may use DICOMweb from a browser (CORS)"
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="addresses or networks of reverse proxies whose Forwarded and X-Forwarded-* "
        "fields are believed",
    )
    strict_accept: bool = Field(
        False, description="a retrieve or search without an Accept header is 406 (PS3.18 8.7.7)"
    )
    max_store_bytes: int = Field(
        16 * 1024 * MIB, ge=MIB, description="largest body of one STOW-RS request"
    )
    max_body_bytes: int = Field(MIB, ge=1024, description="largest body of any other request")
    body_timeout_seconds: Seconds = Field(60, description="longest silence while a body arrives")


class DimseTlsSettings(_Section):
    """TLS for associations, those that we accept and those that we open (PS3.15 B.9 to B.13)."""

    certificate: Path | None = Field(None, description="PEM: our certificate and its chain")
    key: Path | None = Field(None, description="PEM: its private key")
    ca: Path | None = Field(None, description="PEM: who signs the certificates of peers")
    port: Port = Field(
        2762, description="where the listener with TLS is, once it has a certificate"
    )
    require_client_certificate: bool = Field(
        True, description="a caller without a certificate signed by the CA is refused"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if self.certificate is not None and self.require_client_certificate and self.ca is None:
            raise ValueError(
                "ca, who signs the certificates of peers, is needed; or do without certificates of "
                "theirs: require_client_certificate = false"
            )
        return self


class DimseSettings(_Section):
    """The DIMSE listener (PS3.8), its limits, and how patient we are with peers that we call."""

    host: str = "127.0.0.1"
    port: Port = 11112
    ae_title: str = Field("HOUNSFIELD", min_length=1, max_length=16)
    maximum_length: int = Field(
        256 * 1024, ge=4096, le=4 * MIB, description="largest PDU we offer to receive (PS3.8 D.1)"
    )
    handshake_seconds: Seconds = Field(
        10, description="ARTIM: from connect to a whole A-ASSOCIATE-RQ"
    )
    idle_seconds: Seconds = Field(300, description="an association that says nothing is aborted")
    max_associations: int = Field(200, ge=1)
    max_associations_per_host: int = Field(100, ge=1)
    max_handshakes_per_host: int = Field(50, ge=1, description="connections not yet associated")
    unknown_storage_classes: bool = Field(
        True, description="store private SOP classes, and those of later editions of the standard"
    )
    require_known_callers: bool = Field(
        False,
        description="callers that the AE book does not have are rejected on loopback too; "
        "beyond it they always are",
    )
    connect_seconds: Seconds = Field(
        15, description="how long a peer that we call may take to accept an association"
    )
    tls: DimseTlsSettings = DimseTlsSettings()


class OutgoingSettings(_Section):
    """What we send to peers by ourselves: instances, and answers to storage commitment."""

    send_results_to: tuple[str, ...] = Field(
        (), description="AE titles of peers that get each result of a model (SEG and SR)"
    )
    parallel: int = Field(2, ge=1, le=16, description="pushes at the same time")
    commitment_seconds: Seconds = Field(
        600, description="how long a peer has to report on storage commitment; then asked again"
    )
    retry_seconds: Seconds = Field(
        10, description="wait before what failed is tried again; three times as long each time"
    )
    longest_retry_seconds: Seconds = Field(3600, description="the longest of these waits")
    give_up_seconds: Seconds = Field(
        3 * 24 * 3600, description="for how long it is tried; then it has failed"
    )


class DatabaseSettings(_Section):
    """PostgreSQL: embedded in the data folder, or an external server by URL."""

    url: SecretStr | None = Field(
        None, description="postgresql://… ; without it PostgreSQL runs in the data folder"
    )
    pool_size: int = Field(8, ge=1)
    read_timeout_seconds: Seconds = Field(
        30, description="what keeps the database busy for longer is given up (a search: 413)"
    )
    system_user: str | None = Field(
        None, description="who runs the embedded server when we are started as root"
    )


class ArchiveSettings(_Section):
    """How instances are kept."""

    min_free_bytes: int = Field(
        512 * MIB, ge=0, description="below this much free space a store is refused with A700"
    )
    max_instance_bytes: int = Field(8 * 1024 * MIB, ge=MIB)
    delete_grace_seconds: float = Field(
        24 * 3600, ge=0, description="how long the bytes of a deleted instance are kept"
    )


class InferenceSettings(_Section):
    """Models that run on what arrives."""

    enabled: bool = True
    workers: int = Field(1, ge=0, description="worker processes that the supervisor starts")
    settle_seconds: Seconds = Field(6, description="quiet time after which a series is complete")
    settle_after_release_seconds: Seconds = Field(
        2, description="the same, once the association that brought it has ended"
    )
    incomplete_seconds: Seconds = Field(
        60, description="how long a series with a hole in its geometry waits for the missing slices"
    )
    time_limit_seconds: Seconds = 900
    retry_seconds: Seconds = Field(
        5, description="wait before a failed run is tried again; three times as long each time"
    )
    memory_limit_bytes: int = Field(12 * 1024 * MIB, ge=512 * MIB)
    threads: int = Field(
        0, ge=0, description="threads of one model run; 0 takes the machine's cores"
    )


class Settings(BaseSettings):
    """Everything that can be set. Read once by :func:`get_settings`; never changed."""

    model_config = SettingsConfigDict(
        env_prefix="HOUNSFIELD_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    data_dir: Path = Path("hounsfield-data")
    log_level: str = "info"
    log_json: bool = False
    http: HttpSettings = HttpSettings()
    dimse: DimseSettings = DimseSettings()
    outgoing: OutgoingSettings = OutgoingSettings()
    database: DatabaseSettings = DatabaseSettings()
    archive: ArchiveSettings = ArchiveSettings()
    inference: InferenceSettings = InferenceSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and the environment over the TOML file."""
        path = Path(os.environ.get("HOUNSFIELD_CONFIG", "hounsfield.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from its environment at the first call."""
    return Settings()
