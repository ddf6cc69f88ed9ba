"""Every setting: its environment variable, unit and default; the only reader of both.

A field `veraset_lag_days` is the variable `VERASET_LAG_DAYS`. `.env` at the project's
root (or the file MOBILITY_ENV_FILE names) is read too, and the environment wins. Empty
values count as unset. Nothing is read when the module is imported.
"""

import os
import pwd
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from mobility_pipeline.errors import ConfigurationError

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout this package runs from: home of `cities/` and `dagster.yaml`."""

_ENV_FILE = "MOBILITY_ENV_FILE"
_DAGSTER_HOME = PROJECT / ".dagster"

MAX_ASSUMED_SESSION_S = 3600
"""STS refuses longer sessions for a role that was assumed from a role."""

MIN_KEEP_RUNS_DAYS = 35
"""A run younger than a month is still counted: in the recovery budget of its week."""


def _bucket_name(value: str) -> str:
    name = value.removeprefix("s3://").rstrip("/")
    if "/" in name:
        raise ValueError("must be a bucket's name, without a folder")
    return name


def _trim(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


Bucket = Annotated[str, AfterValidator(_bucket_name)]
Text = Annotated[str, BeforeValidator(_trim)]


class Settings(BaseSettings):
    """All settings of one process; secrets never show in its repr."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    veraset_api_key: SecretStr | None = None
    """Sent as `X-API-Key`; trimmed, since the vendor answers 401 to blanks around it."""
    veraset_api_url: Text = "https://platform.prd.veraset.tech"
    """Base without `/v1`."""
    veraset_role_arn: Text | None = None
    """Role assumed to read deliveries; unset = the ambient identity."""
    veraset_max_areas: int = Field(200, ge=1, le=25_000)
    veraset_max_days: int = Field(31, ge=1, le=366)
    veraset_monthly_jobs: int | None = Field(None, ge=0)
    """Jobs a calendar month (UTC); unset = unlimited."""
    veraset_cost_model: Literal["jobs", "area_days"] = "jobs"
    veraset_lag_days: int = Field(7, ge=0, le=365)
    """Newest day worth asking for = today (UTC) minus this."""
    veraset_poll_seconds: float = Field(60, gt=0)
    veraset_poll_timeout_minutes: float = Field(200, gt=0)

    lake_role_arn: Text | None = None
    """Role assumed to write the lake; unset = `veraset_role_arn`, else ambient."""
    aws_session_duration: int = Field(3600, ge=900, le=43_200)
    """Seconds an assumed role's credentials live; above 3600 is cut to 3600."""
    aws_access_key_id: SecretStr | None = None
    """With the two below: the ambient identity, where it comes from the environment."""
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    aws_max_attempts: int = Field(6, ge=1, le=50)
    """Tries of each call to S3, the first included; they slow down when throttled."""
    aws_endpoint_url: Text | None = None
    """Any S3-compatible store, STS included."""
    aws_region: Text | None = None
    aws_default_region: Text | None = None

    s3_bucket: Bucket | None = None
    """The lake's bucket, for every feed without its own."""
    s3_bucket_movement_pings_basic: Bucket | None = None
    s3_bucket_movement_pings_full: Bucket | None = None
    s3_bucket_movement_pings_trips: Bucket | None = None
    cities_backup_bucket: Bucket | None = None

    sync_time: Text = "02:00"
    """`HH:MM` UTC at which the daily load starts."""
    daily_sync_endpoints: Text = ""
    """Endpoints, separated by commas or as a JSON list; empty = those configured."""
    daily_sync_endpoint_configs: Text = ""
    """JSON: `{"movement/job/pings": {"enabled_schemas": ["FULL"]}}`."""

    overpass_api_url: Text = "https://overpass-api.de/api/interpreter"
    """The Overpass API that boundaries are looked up with, `interpreter` included."""
    nominatim_api_url: Text = "https://nominatim.openstreetmap.org"
    """The Nominatim that names and points are looked up with."""
    mobility_contact: Text | None = None
    """E-mail address or page by which those servers' owners reach us."""

    mobility_home: Path = PROJECT / ".mobility"
    """Ledger, embedded object store, caches."""
    mobility_ledger_url: SecretStr | None = None
    """SQLAlchemy URL; unset = SQLite in `mobility_home`."""
    mobility_cities: Text = str(PROJECT / "cities")
    """The registry: a folder or an `s3://` prefix."""
    mobility_user: Text | None = None
    """Who changes the registry, as its history says; unset = the system's user."""
    mobility_start_date: date = date(2024, 1, 1)
    """First date partition; a city without `first_date` is expected from here on."""
    mobility_recovery_jobs_per_week: int = Field(5, ge=0)
    """Vendor jobs that `recover_missing_days_schedule` buys in 7 days at most."""
    mobility_recheck_days: int = Field(7, ge=1, le=365)
    """Newest days that `recheck_recent_days_schedule` asks for again."""
    mobility_keep_runs_days: int | None = Field(None, ge=MIN_KEEP_RUNS_DAYS)
    """Age from which `prune_history_job` forgets Dagster's runs; unset = never."""
    dagster_home: Path = _DAGSTER_HOME

    analytics_source: Text | None = None
    """What analytics derives from: a feed, or `events`; unset = the first daily feed."""
    analytics_bucket: Bucket | None = None
    """For derived tables; unset = the bucket of the first daily feed."""
    analytics_region_layers: Text = "h3"
    """Region layers by commas: a city is cut by the first that it has."""
    analytics_h3_resolution: int = Field(8, ge=4, le=10)
    """Of the layer `h3`, which every city has: 8 are cells of 0.74 km²."""
    analytics_profiles: Text | None = None
    """CSV or Parquet of people's gender and age, a path or `s3://…`; unset = nobody's."""

    analytics_min_devices: int = Field(15, ge=1)
    """Counts of fewer distinct devices never leave; 1 hides nothing."""
    analytics_device_lists: bool = False
    """Whether keys of scope `operator` may list devices, as pseudonyms."""
    analytics_pseudonym_secret: SecretStr | None = None
    """Key of those pseudonyms, 32 characters at least."""

    api_rate_limit: Text = "600/minute"
    """Requests of one API key, counted in each process."""
    api_keys_file: Path | None = None
    """Hashes of API keys; unset = `api-keys.json` in `mobility_home`."""

    alert_mail_to: Text = ""
    """Addresses, by commas; each is sent its own mail."""
    alert_mail_from: Text | None = None
    smtp_host: Text | None = None
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_user: Text | None = None
    smtp_password: SecretStr | None = None
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    alert_sns_topic_arn: Text | None = None
    alert_webhook_url: SecretStr | None = None
    """`https://…`; may hold a token."""
    alert_webhook_secret: SecretStr | None = None
    """Base64, with or without `whsec_`: the receiver tells our posts by it."""

    admin_user: Text = "admin"
    """Who may sign in to the console."""
    admin_password: SecretStr | None = None
    admin_password_hash: SecretStr | None = None
    """argon2, of `mobility console hash-password`; goes before `admin_password`."""
    console_secret: SecretStr | None = None
    """Signs the console's sessions; unset = a new one at each start."""
    dagster_ui_url: Text = "http://127.0.0.1:3000"
    """Where browsers find the Dagster web UI; the console links to its runs."""

    @field_validator("veraset_api_key")
    @classmethod
    def _trim_key(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value().strip() if value else ""
        return SecretStr(text) if text else None

    @field_validator("veraset_api_url")
    @classmethod
    def _plain_base(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// or http://")
        return value.rstrip("/").removesuffix("/v1")

    @field_validator("overpass_api_url", "nominatim_api_url", "dagster_ui_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// or http://")
        return value.rstrip("/")

    @field_validator("mobility_contact")
    @classmethod
    def _fit_for_a_header(cls, value: str | None) -> str | None:
        if value and not (value.isascii() and value.isprintable()):
            raise ValueError("must be an e-mail address or the address of a page")
        return value

    @field_validator("aws_session_duration")
    @classmethod
    def _cap_session(cls, value: int) -> int:
        return min(value, MAX_ASSUMED_SESSION_S)

    @field_validator("sync_time")
    @classmethod
    def _check_time(cls, value: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
            raise ValueError("must be a time of day like 02:00")
        return value

    @property
    def region(self) -> str:
        """The AWS region; the vendor's own where none is set."""
        return self.aws_region or self.aws_default_region or "us-west-2"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger; may hold a password, so never print it."""
        if self.mobility_ledger_url is not None:
            return self.mobility_ledger_url.get_secret_value()
        return f"sqlite:///{self.mobility_home.resolve() / 'ledger.sqlite'}"

    @property
    def user(self) -> str:
        """Who is at work: `mobility_user`, else the system's user."""
        if self.mobility_user is not None:
            return self.mobility_user
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container may give a number that has no name
            return f"uid {os.getuid()}"

    def require_api_key(self) -> str:
        """Return the vendor's API key.

        Raises:
            ConfigurationError: it is not set.
        """
        if self.veraset_api_key is None:
            raise ConfigurationError(
                "VERASET_API_KEY is not set: export it or put it into .env"
            )
        return self.veraset_api_key.get_secret_value()

    def bucket_of(self, bucket_words: str) -> str:
        """Return the bucket of a feed.

        Args:
            bucket_words: the end of its variable, e.g. `MOVEMENT_PINGS_FULL`.

        Raises:
            ConfigurationError: neither its variable nor `S3_BUCKET` is set.
        """
        variable = f"S3_BUCKET_{bucket_words}"
        bucket: str | None = getattr(self, variable.lower()) or self.s3_bucket
        if bucket is None:
            raise ConfigurationError(
                f"no bucket for the lake: set S3_BUCKET or {variable}"
            )
        return bucket

    def check_buckets(self, bucket_words: Sequence[str]) -> None:
        """Refuse feeds that would mix in one bucket.

        Raises:
            ConfigurationError: two feeds resolve to the same bucket.
        """
        taken: dict[str, str] = {}
        for words in bucket_words:
            bucket = getattr(self, f"s3_bucket_{words.lower()}") or self.s3_bucket
            if bucket is None:  # a laptop without settings may look at the definitions
                continue
            if bucket in taken:
                raise ConfigurationError(
                    f"S3_BUCKET_{taken[bucket]} and S3_BUCKET_{words} are both "
                    f"{bucket}: feeds never share a bucket, set one of them"
                )
            taken[bucket] = words


class _GivenSettings(Settings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def load_settings() -> Settings:
    """Read the environment, and `.env` or the file that MOBILITY_ENV_FILE names.

    Raises:
        ConfigurationError: naming every variable that is wrong, never its value.
    """
    env_file = os.environ.get(_ENV_FILE)  # noqa: TID251  # the module that may
    if env_file and not Path(env_file).exists():
        raise ConfigurationError(f"{_ENV_FILE}: there is no file {env_file}")
    try:
        return Settings(_env_file=env_file or PROJECT / ".env")  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        problems = "; ".join(
            f"{str(problem['loc'][0]).upper()}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_context=False)
        )
        raise ConfigurationError(problems) from None


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Make settings from these variables alone, whatever the environment says."""
    values = {name.lower(): value for name, value in variables.items()}
    return _GivenSettings.model_validate(values)


def child_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a child that shares none of this process's settings.

    Args:
        variables: the settings it has instead; `.env` is not read either.
    """
    ours = {name.upper() for name in Settings.model_fields}
    kept = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251  # the module that may
        if name not in ours and not name.startswith(("AWS_", "S3_BUCKET", "DAGSTER_"))
    }
    return {**kept, _ENV_FILE: os.devnull, **variables}


def inherit_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a child that shares this process's settings.

    Args:
        variables: what it is told besides.
    """
    return {**os.environ, **variables}  # noqa: TID251  # the module that may


def read_dagster_home() -> Path:
    """Return the folder of Dagster's instance, whatever other settings say."""
    home = os.environ.get("DAGSTER_HOME")  # noqa: TID251  # the module that may
    return Path(home) if home else _DAGSTER_HOME


def announce_dagster_home(home: Path) -> None:
    """Tell Dagster, which asks the environment of its process, where its instance is."""
    os.environ["DAGSTER_HOME"] = str(home)  # noqa: TID251  # the module that may
