"""Settings: every `EQUIPOISE_*` variable, read once at the start, refused with its name, value and remedy."""

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from equipoise_service.errors import SettingsError, sentence

PREFIX = "EQUIPOISE_"
QueueName = Literal["quick", "urgent", "cpu", "gpu", "coordinate"]
# Read by the client, which often shares an environment with the service.
CLIENT_VARIABLES = frozenset({"EQUIPOISE_URL", "EQUIPOISE_CREDENTIALS"})

# Of a URL in quotes, with or without its scheme: what goes before the password, and the password.
_PASSWORD = re.compile(r"^(['\"](?:[\w+.-]+://)?[^:@/?#]*):(?!//).*@")


class Settings(BaseSettings):
    """What a person who runs the service may choose."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Path("equipoise-data")
    """Folder of the default database and store."""
    database_url: str | None = None
    """SQLite or PostgreSQL URL of all tables; default: a SQLite file in the data folder."""
    store_url: str | None = None
    """Where results, checkpoints and datasets go, any fsspec URL; default: a folder in the data folder."""
    host: str = "127.0.0.1"
    """Address the API listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port the API listens on; 0 picks a free one."""
    auth: Literal["tokens", "none"] = "tokens"
    """Whom requests are answered for: holders of a token, or everybody ("none", on this machine only)."""
    token: SecretStr | None = None
    """Shared secret that is accepted as a token of the user "local" with all scopes."""
    api_processes: Annotated[int, Field(ge=1, le=64)] | None = None
    """Processes of the API that `serve` and `api` run behind one port; default: two, given two processors."""
    device: str = "auto"
    """Device a worker computes on: cpu, cuda:N, auto (a card if there is one), or all (a worker each)."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads a worker computes with; default: the processors it may use."""
    queues: Annotated[tuple[QueueName, ...] | None, NoDecode, Field(min_length=1)] = None
    """Queues a worker serves, separated by commas; default: those of its device."""
    chunk_seconds: Annotated[float, Field(ge=0.05, le=60)] = 2.0
    """Aim for the computing between two checkpoints, [s]."""
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Longest time a worker that is told to end takes to finish its chunk, [s]."""
    shard_seconds: Annotated[float, Field(gt=0)] = 60.0
    """An ensemble that would take one worker longer is cut into shards of about this, [s]."""
    heartbeat_seconds: Annotated[float, Field(ge=0.05, le=60)] = 2.0
    """Time between two signs of life of a worker, [s]."""
    heartbeat_ttl_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """Silence after which a worker on another machine counts as dead, [s]."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 2**20
    """Largest JSON body, [bytes]."""
    max_upload_bytes: Annotated[int, Field(ge=1024)] = 128 * 2**20
    """Largest dataset upload, [bytes]."""
    max_dataset_rows: Annotated[int, Field(ge=2)] = 5_000_000
    """Most rows of a dataset, and half of the most numbers in it."""
    max_path_steps: Annotated[float, Field(gt=0)] = 1e13
    """Most path-steps of a job."""
    max_memory_bytes: Annotated[float, Field(gt=0)] = 4 * 2.0**30
    """Most working memory of a job, [bytes]."""
    max_job_seconds: Annotated[float, Field(gt=0)] = 7 * 86400.0
    """Longest run of a job and default of `timeout_seconds`, [s]."""
    max_unfinished_jobs: Annotated[int, Field(ge=1)] = 10_000
    """Most jobs queued or running at a time."""
    max_unfinished_jobs_per_user: Annotated[int, Field(ge=1)] = 2_000
    """Most jobs of one user queued or running at a time."""
    max_running_jobs_per_user: Annotated[int, Field(ge=1)] | None = None
    """Most jobs of one user running at a time on one kind of device, but for quick ones; default: none."""
    max_requests_per_second: Annotated[float, Field(gt=0)] = 200.0
    """Requests of one user that each API process answers in the long run, [1/s]."""
    max_request_burst: Annotated[int, Field(ge=1)] = 1_000
    """Requests of one user that an API process answers at once, before that rate holds."""
    retention_days: Annotated[float, Field(gt=0)] | None = None
    """Age at which finished jobs and unused datasets are removed, [days]; default: never."""
    retention_bytes: Annotated[float, Field(gt=0)] | None = None
    """Size of the store above which the results used longest ago are removed, [bytes]; default: never."""
    max_silence_seconds: Annotated[float, Field(ge=0.1, le=600)] = 20.0
    """Longest silence of a client within a request, or while it takes an answer, [s]."""
    max_body_seconds: Annotated[float, Field(ge=0.1)] = 900.0
    """Longest time that a body may take to come, [s]."""
    max_streams_per_user: Annotated[int, Field(ge=1)] = 64
    """Most event streams that one user holds open at a time at each API process."""
    max_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 60.0
    """Longest wait that `Prefer: wait` may ask for, [s]."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged to stderr."""
    log_format: Literal["text", "json"] = "text"
    """How it is logged: lines for people, or one JSON object a line."""

    @field_validator("queues", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            backend = make_url(value).get_backend_name()
        except ArgumentError as error:
            raise ValueError("need a URL such as postgresql://user:password@host/database") from error
        if backend not in ("sqlite", "postgres", "postgresql"):
            raise ValueError("need a URL that starts with sqlite:/// or postgresql://")
        return value

    @field_validator("device")
    @classmethod
    def _is_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|all|cuda:[0-9]{1,3}", value):
            raise ValueError("need 'auto', 'cpu', 'all' or 'cuda:N' with a number N")
        return value

    @field_validator("token")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("need at least 16 characters, for example from: openssl rand -hex 32")
        return value

    @model_validator(mode="after")
    def _ttl_exceeds_beat(self) -> Self:
        if self.heartbeat_ttl_seconds < 3 * self.heartbeat_seconds:
            raise ValueError(
                f"{PREFIX}HEARTBEAT_TTL_SECONDS={self.heartbeat_ttl_seconds:g} must be at least 3 times "
                f"{PREFIX}HEARTBEAT_SECONDS={self.heartbeat_seconds:g}"
            )
        return self

    @model_validator(mode="after")
    def _token_is_asked_for(self) -> Self:
        if self.auth == "none" and self.token is not None:
            raise ValueError(f"{PREFIX}TOKEN is set, but {PREFIX}AUTH='none' asks nobody for it: unset one")
        return self

    @property
    def database(self) -> str:
        """URL of the database, with the driver that is installed."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir.resolve() / 'equipoise.db'}"
        url = make_url(self.database_url)
        if url.get_backend_name().startswith("postgres"):
            url = url.set(drivername="postgresql+psycopg")
        return url.render_as_string(hide_password=False)

    @property
    def store(self) -> str:
        """fsspec URL of the store."""
        return self.store_url or f"file://{self.data_dir.resolve() / 'store'}"

    @property
    def worker_threads(self) -> int:
        """Threads a worker computes with."""
        if self.threads is not None:
            return self.threads
        return _processors()

    @property
    def n_apis(self) -> int:
        """Processes of the API."""
        return self.api_processes or min(2, _processors())


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from the environment, then from the command line.

    Args:
        overrides: values of fields given on the command line; None stands for not given.

    Raises:
        SettingsError: a variable is unknown or its value is refused.
    """
    _refuse_unknown(os.environ)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error, given)) from None


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine without asking for tokens.

    Raises:
        SettingsError: the host is not a loopback address and nobody is asked for a token.
    """
    if settings.auth == "none" and not _is_loopback(settings.host):
        raise SettingsError(
            f"{PREFIX}HOST={settings.host!r} can be reached from other machines, but {PREFIX}AUTH='none' "
            f"asks for no token: anyone could use the service. Set {PREFIX}AUTH=tokens (then make one for "
            f"each user: `equipoise token create --user NAME`), or {PREFIX}HOST=127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(set(environment) - known - CLIENT_VARIABLES):
        if name.upper().startswith(PREFIX):
            rest = {field.removeprefix(PREFIX) for field in known}
            close = difflib.get_close_matches(name.upper().removeprefix(PREFIX), rest, n=1)
            hint = f"Did you mean {PREFIX}{close[0]}?" if close else f"Known: {', '.join(sorted(known))}."
            raise SettingsError(
                f"{name}={environment[name]!r} is no setting of this service. {hint} Or unset it."
            )


def _explain(error: ValidationError, given: Mapping[str, Any]) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        name = PREFIX + field.upper()
        value = "(hidden)" if field == "token" else shown(given.get(field, os.environ.get(name)))
        head = f"{name}={value}: " if field else ""
        about = Settings.model_fields[field].description if field in Settings.model_fields else None
        lines.append(f"{head}{sentence(problem['msg'])}" + (f" ({about})" if about else ""))
    return "\n".join([*lines, "Correct or unset it, then start again."])


def shown(value: Any) -> str:
    """The value of a setting as a person wrote it, without a password."""
    # Database URLs may hold a password, and that may hold "@" and "/": only the last "@" ends it for sure.
    return _PASSWORD.sub(r"\1:(hidden)@", repr(value))
