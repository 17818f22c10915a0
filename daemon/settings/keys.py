"""Every key of `config.toml`: its type, default, meaning and environment variable, as pydantic models.

A section is a model, a key is a field made by `setting`. `SETTINGS` lists them all and is what the sources,
`check-config` and the documentation are made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from seedvr2.errors import OptionError
from seedvr2.options import Parameter


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration. `parameter` knows its type, range and meaning.

    A `secret` is never shown; of an `address` only what can be none: passwords and tokens hide in the rest of it.
    """

    section: str
    parameter: Parameter
    aliases: tuple[str, ...]
    is_list: bool
    is_path: bool
    secret: bool
    address: bool

    @property
    def key(self) -> str:
        """`section.name`, as in error messages."""
        return f"{self.section}.{self.parameter.name}"

    @property
    def variable(self) -> str:
        """The environment variable that overrides the file."""
        return f"SEEDVR2_{self.section}_{self.parameter.name}".upper()

    def parse(self, value: Any) -> Any:
        """The value from a text, TOML or Python. Raises OptionError: it is not one that the key takes."""
        if self.is_list:
            return self._several(value)
        if isinstance(value, Path):
            return value
        try:
            parsed = self.parameter.parse(value)
        except OptionError as error:
            # A secret is not shown, not even one that is written wrongly.
            given = "" if self.secret or self.address else f", not {str(value)[:80]!r}"
            raise OptionError(self.key, f"{self.key} takes {self.parameter.takes()}{given}.") from error
        return Path(parsed) if self.is_path else parsed

    def _several(self, value: Any) -> tuple[Any, ...]:
        stated = value.split(",") if isinstance(value, str) else value
        if not isinstance(stated, list | tuple) or not all(isinstance(each, str | Path) for each in stated):
            raise OptionError(self.key, f"{self.key} takes a list of texts.")
        texts = [str(each).strip() for each in stated if str(each).strip()]
        texts = texts or list(filter(None, str(self.parameter.default).split(",")))
        return tuple(map(Path, texts)) if self.is_path else tuple(texts)


class Section(BaseModel):
    """A section of the file. Whatever makes one, its values are those that its keys take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _parse(cls, value: Any, about: ValidationInfo) -> Any:
        return BY_KEY[f"{_NAMES[cls]}.{about.field_name}"].parse(value)


def setting(
    default: Any,
    meaning: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    secret: bool = False,
    address: bool = False,
    path: bool = False,
) -> Any:
    """A field of a section; its type is the type of its default, or `Path`, or with a tuple several of them."""
    limits = {"minimum": minimum, "maximum": maximum, "choices": choices}
    about: dict[str, Any] = {"limits": limits, "aliases": aliases}
    about |= {"secret": secret, "address": address, "path": path}
    if path:
        default = tuple(Path(each) for each in default) if isinstance(default, tuple) else Path(default)
    return Field(default=default, description=meaning, json_schema_extra=about)


class PathSettings(Section):
    """`[paths]`: relative ones are relative to the folder of the configuration file."""

    inbox: Path = setting("inbox", "Folder that is watched: drop pictures and videos here", path=True)
    outputs: Path = setting("outputs", "Folder that the results go to", path=True)
    state: Path = setting("state", "Folder of the job store", path=True)
    models: tuple[Path, ...] = setting(
        ("models",), "Folder of the weight files, or a list of folders: what is fetched goes to the first", path=True
    )
    uploads: Path = setting(
        "", "Folder of files sent to the API; empty: in state, or in inbox if that is another disk", path=True
    )


class ServerSettings(Section):
    """`[server]`: the REST API."""

    host: str = setting("127.0.0.1", "Address to listen on; any but a loopback address needs a token")
    port: int = setting(8200, "Port to listen on; 0: any free one", minimum=0, maximum=65535, aliases=("PORT",))
    token: str = setting("", "Bearer token that every request except /health must carry; empty: none", secret=True)
    allow_anonymous: bool = setting(False, "Serve a non-loopback address without a token")
    allowed_hosts: tuple[str, ...] = setting(
        (), "Host names accepted besides localhost, the address and this machine's name"
    )
    cors_origins: tuple[str, ...] = setting((), "Origins of web pages on other servers that may call the API")
    max_upload_mb: int = setting(65536, "Largest upload, in MiB", minimum=1)
    max_streams: int = setting(64, "Event streams open at once; one more gets 503", minimum=1, maximum=1000)
    threads: int = setting(
        32, "Threads that answer requests, besides one for each event stream", minimum=4, maximum=512
    )


class ModelSettings(Section):
    """`[model]`: what upscales."""

    default: str = setting("auto", "Model of jobs that name none; auto: the best one installed that fits the machine")
    idle_timeout_s: float = setting(
        600.0, "Seconds without a job until the model leaves memory; 0: never", minimum=0, aliases=("GPU_IDLE_TIMEOUT",)
    )
    auto_download: bool = setting(False, "Fetch a known model that is not installed when a job asks for it")
    fetch_embedding: bool = setting(True, "Fetch the text embedding (0.6 MB) by itself where a model lacks it")
    hub_cache: bool = setting(True, "Also use models that other programs have fetched from the Hugging Face hub")
    device: str = setting("auto", "Where to compute: auto, cpu, cuda or cuda:N")
    dtype: str = setting("auto", "Precision to compute in", choices=("auto", "float32", "bfloat16", "float16"))
    compile: bool = setting(False, "Compile parts of the transformer at the first job, where a compiler is installed")
    gpu: str = setting("0", "Which GPU, by number or UUID; none: the processor", aliases=("NVIDIA_VISIBLE_DEVICES",))


class InboxSettings(Section):
    """`[inbox]`: the watched folder."""

    settle_s: float = setting(
        3.0, "Seconds that a file must stay unchanged before it is taken", minimum=0, maximum=86400
    )
    after: str = setting("move", "What becomes of a source: to _done or _failed, stays, or deleted on success",
                         choices=("move", "keep", "delete"))  # fmt: skip
    give_up_s: float = setting(
        15.0,
        "Seconds that a file which is not all there may stay unchanged before it is made as it is, or failed",
        minimum=0,
    )
    rescan_s: float = setting(
        60.0, "Seconds between full scans, whatever the watcher says", minimum=0.05, maximum=86400
    )
    watch: str = setting("auto", "How changes are noticed; auto: inotify, or polling on network shares",
                         choices=("auto", "inotify", "poll", "off"))  # fmt: skip
    poll_s: float = setting(5.0, "Seconds between looks when polling", minimum=0.05, maximum=3600)
    duplicates: str = setting(
        "process", "What to do with the same content and parameters again", choices=("process", "skip")
    )


class JobSettings(Section):
    """`[jobs]`: limits of the queue, and how long things are kept."""

    max_waiting: int = setting(100_000, "Jobs that may wait; one more is refused with 503", minimum=1)
    min_free_mb: int = setting(512, "Free disk, in MiB, below which no upload is taken and no job started", minimum=0)
    stall_s: float = setting(
        3600.0,
        "Seconds without a sign of life from a job until the engine is ended and the job waits again",
        minimum=10,
    )
    history_count: int = setting(10_000, "Finished jobs remembered", minimum=1)
    history_days: float = setting(0.0, "Days that finished jobs are remembered; 0: no limit", minimum=0)
    outputs_days: float = setting(0.0, "Days until a result is deleted; 0: never", minimum=0)
    uploads_days: float = setting(7.0, "Days until the source of a finished upload is deleted; 0: never", minimum=0)


class QueueSettings(Section):
    """`[queue]`: when it runs."""

    hours: tuple[str, ...] = setting((), 'Spans of the day in which jobs run, such as "22:00-06:00"; none: always')


class WebhookSettings(Section):
    """`[webhook]`: a POST when a job ends."""

    url: str = setting("", "Address that is told of finished jobs; empty: none", address=True)
    secret: str = setting("", "Key of the HMAC-SHA256 signature sent along; empty: none", secret=True)
    attempts: int = setting(5, "How often to try", minimum=1, maximum=20)
    timeout_s: float = setting(10.0, "Seconds to wait for an answer", minimum=0.1, maximum=300)


class NotifySettings(Section):
    """`[notify]`: messages to people when a job ends, through Apprise."""

    urls: tuple[str, ...] = setting(
        (), "Addresses of Apprise: ntfy://…, tgram://…, mailto://…; none: nobody", secret=True
    )
    when: str = setting("ended", "Which jobs are told", choices=("ended", "failed"))
    attempts: int = setting(5, "How often to try", minimum=1, maximum=20)


class LoggingSettings(Section):
    """`[logging]`: what is said on standard error."""

    level: str = setting("info", "Least important message shown", choices=("debug", "info", "warning", "error"))
    format: str = setting("auto", "auto: text, or journald under systemd", choices=("auto", "text", "journald", "json"))


class ClusterSettings(Section):
    """`[cluster]`: several GPUs, several machines (docs/cluster.md)."""

    mode: str = setting(
        "off",
        "off: one job at a time here; local: all GPUs of this machine; head: other machines may join; join: use a Ray "
        "cluster that is there",
        choices=("off", "local", "head", "join"),
    )
    address: str = setting("", "head: address and port to listen on, 192.168.1.10:8210; join: those of the Ray head")
    gpus: str = setting("all", "GPUs of this machine that work: all, none, or numbers such as 0,1")
    share: str = setting(
        "auto", "Whether machines share the folders of sources and results", choices=("auto", "always", "never")
    )
    mixed_gpus: bool = setting(False, "Let GPUs of several kinds make one video, though seams may show")
    max_places_per_job: int = setting(0, "GPUs that one job may have at a time; 0: all", minimum=0)
    lost_s: float = setting(10.0, "Seconds until a machine that does not answer is given up", minimum=3, maximum=600)
    unit_attempts: int = setting(3, "Times that a segment may be lost with its process until its job fails", minimum=1)
    cache_gb: float = setting(50.0, "Disk for copies of sources on a machine that shares no folder", minimum=1)
    secrets: Path = setting("", "Folder of the token and the certificates; empty: cluster, in the state", path=True)


SECTIONS: dict[str, type[Section]] = {
    "paths": PathSettings,
    "server": ServerSettings,
    "model": ModelSettings,
    "inbox": InboxSettings,
    "jobs": JobSettings,
    "queue": QueueSettings,
    "cluster": ClusterSettings,
    "webhook": WebhookSettings,
    "notify": NotifySettings,
    "logging": LoggingSettings,
}


_NAMES: dict[type[Section], str] = {declared: name for name, declared in SECTIONS.items()}


def _settings() -> Iterator[Setting]:
    for section, declared in SECTIONS.items():
        for name, field in declared.model_fields.items():
            yield _setting_of(section, name, field)


def _setting_of(section: str, name: str, field: FieldInfo) -> Setting:
    about: Any = field.json_schema_extra
    kind: type[Any] = type(field.default)
    is_list = kind is tuple
    stated: Any = field.default
    default: Any = ",".join(map(str, stated)) if is_list else str(stated) if about["path"] else stated
    as_text = is_list or about["path"]
    parameter = Parameter(name, str if as_text else kind, default, str(field.description), **about["limits"])
    return Setting(section, parameter, about["aliases"], is_list, about["path"], about["secret"], about["address"])


SETTINGS: tuple[Setting, ...] = tuple(_settings())
BY_KEY: dict[str, Setting] = {item.key: item for item in SETTINGS}
