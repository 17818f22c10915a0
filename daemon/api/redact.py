"""Takes the server's folders out of sentences that go to clients, and secrets out of its log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from daemon.settings.config import Config
from daemon.settings.keys import SETTINGS, PathSettings

HIDDEN = "***"
# A word as short as that is in many sentences by chance.
_SHORTEST = 4
# From here on a part of an address is no word of a language: with other signs than letters, and without.
_MIXED, _LONG = 8, 16
# What programs call their secrets in the environment.
_NAMES = re.compile(r"(TOKEN|SECRET|PASSWORD|API_KEY|ACCESS_KEY)$")
# Those of others, which no setting names: in addresses, headers and queries, and as some services mark them.
_PATTERNS = (
    (re.compile(r"(://)[^/\s@]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer\s+|authorization:\s*\w+\s+)[\w.~+/=-]{6,}"), rf"\1{HIDDEN}"),
    (
        re.compile(r"(?i)\b(\w*(?:token|secret|password|passwd|api_?key|signature)\w*)(\s*[=:]\s*)[^\s&,;'\")]+"),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"\b(?:hf_|ghp_|sk-|xox[abp]-)[\w-]{8,}"), HIDDEN),
)


class Redactor:
    """Replaces each configured folder by its name: `/srv/x/models/a.gguf` becomes `models/a.gguf`."""

    def __init__(self, paths: PathSettings) -> None:
        named = [(str(getattr(paths, name)), name) for name in ("inbox", "outputs", "state", "uploads")]
        named += [(str(folder), folder.name if index else "models") for index, folder in enumerate(paths.models)]
        # The longest first: one folder may lie in another.
        self._folders = sorted((pair for pair in named if pair[0] != "."), key=lambda pair: -len(pair[0]))

    def __call__(self, text: str) -> str:
        """The sentence without paths of this machine, but for those of a command in backticks: it has to run."""
        parts = text.split("`")
        for index in range(0, len(parts), 2):
            for folder, name in self._folders:
                parts[index] = parts[index].replace(folder, name)
        return "`".join(parts)


class Secrets:
    """Takes secrets out of lines of the log: those of the configuration and environment, and what looks like one."""

    def __init__(self, config: Config, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        known = {*_configured(config), *(value for name, value in environment.items() if _NAMES.search(name))}
        # The longest first: one may be part of another.
        self._known = sorted((word for word in known if len(word) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The line without them."""
        for word in self._known:
            text = text.replace(word, HIDDEN)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text


def _configured(config: Config) -> Iterator[str]:
    for setting in SETTINGS:
        value: Any = getattr(getattr(config, setting.section), setting.parameter.name)
        for each in map(str, value if setting.is_list else (value,)):
            if setting.secret:
                yield each
            if "://" in each and (setting.secret or setting.address):
                yield from _parts(each, of_secret=setting.secret)


def _parts(address: str, *, of_secret: bool) -> Iterator[str]:
    """What of an address may be a secret: user, password, path and query; of one that is a secret the host as well."""
    try:
        parts = urlsplit(address)
        names = [parts.username or "", parts.password or ""]
    except ValueError:
        yield address
        return
    yield from names
    more = [*parts.path.split("/"), parts.query, *([parts.netloc, parts.hostname or ""] if of_secret else [])]
    # Short words of a path, such as `hook`, are in lines that have nothing to do with it.
    for part in (*names, *filter(_is_telling, more)):
        yield from {part, unquote(part)}


def _is_telling(word: str) -> bool:
    return len(word) >= _LONG or (len(word) >= _MIXED and not word.isalpha())
