"""The REST API, asked by a program: JSON in, JSON out, and every failure as one sentence."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote, unquote

import httpx2

from rest_client.address import Address

# A large upload is hashed and looked into before it is answered, and a model comes from a disk that may be slow.
PATIENT_S = 1800.0
CONNECT_S = 10.0
# In place of an HTTP status: a file of this machine could not be read or written.
HERE = -1


class Problem(Exception):  # noqa: N818 - a refusal, mostly
    """Why it was not done, as one sentence. `status`: that of HTTP, 0 if there was no answer, or HERE."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A client of the REST API. All methods raise `problem`, a kind of Problem that a caller may narrow."""

    problem: type[Problem] = Problem

    def __init__(self, address: Address) -> None:
        self._address = address
        self._url = address.shown_url
        self._timeout_s = address.timeout_s
        headers = {"X-SeedVR2-Source": address.source, "Accept": "application/json"}
        if address.token:
            headers["Authorization"] = f"Bearer {address.token}"
        # A proxy of the environment cannot reach this machine's own loopback.
        self._client = httpx2.AsyncClient(
            base_url=address.url, headers=headers, timeout=self._limits(), trust_env=not address.is_local
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """`GET path?query`."""
        return await self._json("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None, *, patient: bool = False) -> dict[str, Any]:
        """`POST path` with a JSON body; `patient` for what may take long."""
        return await self._json("POST", path, json=body, timeout=self._limits(patient))

    async def delete(self, path: str, **query: str | int) -> dict[str, Any]:
        """`DELETE path?query`."""
        return await self._json("DELETE", path, params=query)

    async def fetch(self, path: str, most_bytes: int = 0) -> bytes:
        """`GET path`, of something small; with `most_bytes`, nothing that is larger."""
        async with self._answer("GET", path) as answer:
            size = int(answer.headers.get("content-length", 0))
            if most_bytes and size > most_bytes:
                raise self.problem(
                    f"The file has {size >> 20} MiB, too many for memory; download it to a file instead.", HERE
                )
            return bytes(await answer.aread())

    async def upload(
        self, file: BinaryIO, name: str, fields: Mapping[str, str | int | float], path: str = "/api/process"
    ) -> dict[str, Any]:
        """`POST path`: the file is sent as it is read."""
        # A name may hold bytes that are no characters.
        form = {"files": {"file": (os.fsencode(name).decode("utf-8", "replace"), file)}, "data": dict(fields)}
        try:
            return await self._json("POST", path, timeout=self._limits(patient=True), **form)
        except OSError as error:
            raise self.problem(f"{name} cannot be read: {error.strerror}.", HERE) from None

    async def download(self, path: str, place: Callable[[str], Path]) -> Path:
        """`GET path` into the file that `place(name)` answers; it appears whole or not at all, over no other file."""
        async with self._answer("GET", path) as answer:
            target = place(_file_name(answer))
            try:
                with _new_file(target) as file:
                    async for piece in answer.aiter_bytes(1 << 20):
                        file.write(piece)
            except OSError as error:
                raise self.problem(f"{target} cannot be written: {error.strerror}.", HERE) from None
        return target

    async def events(self, path: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The server-sent events of `GET path` as they come, their kind and data, until the server ends the stream."""
        # What comes rarely is no silence: the server says every 15 seconds that it is there.
        async with self._answer("GET", path, headers={"Accept": "text/event-stream"}) as answer:
            kind = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield kind, json.loads(line.removeprefix("data: "))

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        async with self._answer(method, path, **request) as answer:
            body = _object(await answer.aread(), answer)
        if body is None:
            raise self.problem(
                f"{self._url} does not answer as a SeedVR2 server does. Is {self._address.named_by} right?"
            )
        return body

    @asynccontextmanager
    async def _answer(self, method: str, path: str, **request: Any) -> AsyncIterator[httpx2.Response]:
        """An answer that is no error, its body still to be read."""
        try:
            async with self._client.stream(method, path, **request) as answer:
                if not answer.is_success:
                    raise self._refusal(answer, _object(await answer.aread(), answer))
                yield answer
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise self.problem(
                f"No SeedVR2 server answers at {self._url}. Start it with seedvr2d, or set {self._address.named_by}."
            ) from None
        except httpx2.TimeoutException:
            raise self.problem(f"The SeedVR2 server at {self._url} does not answer. It may be very busy.") from None
        except httpx2.HTTPError as error:
            raise self.problem(f"The connection to {self._url} broke: {error or type(error).__name__}.") from None

    def _refusal(self, answer: httpx2.Response, body: dict[str, Any] | None) -> Problem:
        sentence = body.get("error") if body else None
        if not isinstance(sentence, str):
            sentence = f"{self._url} answers {answer.status_code} {answer.reason_phrase}."
        if answer.status_code == 401:
            sentence += f" {self._address.token_advice}"
        return self.problem(sentence, answer.status_code)

    def _limits(self, patient: bool = False) -> httpx2.Timeout:
        seconds = max(PATIENT_S, self._timeout_s) if patient else self._timeout_s
        return httpx2.Timeout(seconds, connect=min(CONNECT_S, self._timeout_s))


def segment(text: str) -> str:
    """A text as one segment of a path."""
    # A client would resolve dots, and with them ask for something else.
    return quote(text, safe="").replace(".", "%2E")


def _object(raw: bytes, answer: httpx2.Response) -> dict[str, Any] | None:
    with suppress(ValueError):
        body = answer.json() if raw else None
        return body if isinstance(body, dict) else None
    return None


def _file_name(answer: httpx2.Response) -> str:
    """The name in Content-Disposition: `filename*`, which knows all alphabets, before `filename`."""
    header = answer.headers.get("content-disposition", "")
    parts = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    if "filename*" in parts:
        return unquote(parts["filename*"].rpartition("'")[2])
    return str(parts.get("filename", "")).strip('"')


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """A hidden file beside `target` that becomes `target` at the end, unless something went wrong."""
    hidden = target.with_name(f".seedvr2-{secrets.token_hex(8)}.part")
    try:
        with hidden.open("xb") as file:
            yield file
        _place(hidden, target)
    finally:
        # On a disk that has become read-only it stays, hidden.
        with suppress(OSError):
            hidden.unlink(missing_ok=True)


def _place(hidden: Path, target: Path) -> None:
    try:
        # Unlike a rename, a link never replaces a file that came in between.
        os.link(hidden, target)
    except FileExistsError:
        raise
    except OSError:
        # FAT and some network shares know no links.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        hidden.rename(target)
