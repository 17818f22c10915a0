"""Tells one address when a job ends: a POST with the task as JSON."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from daemon.jobs.job import Job
from daemon.outside.courier import FIRST_PAUSE_S, Courier
from daemon.settings.keys import WebhookSettings
from seedvr2 import __version__


class Webhook(Courier):
    """Sends `POST url` with the task as JSON."""

    def __init__(
        self,
        settings: WebhookSettings,
        folder: Path,
        describe: Callable[[Job], dict[str, Any]],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        super().__init__(
            "webhook",
            folder,
            describe,
            attempts=settings.attempts,
            patience_s=settings.timeout_s,
            first_pause_s=first_pause_s,
        )
        self._settings = settings
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def wanted(self) -> bool:
        """Whether there is an address."""
        return bool(self._settings.url)

    def _send(self, body: bytes) -> str | None:
        try:
            url, credentials = split_credentials(self._settings.url)
            request = urllib.request.Request(url, body, self._headers(body) | credentials, method="POST")
            with self._opener.open(request, timeout=self._settings.timeout_s) as answer:
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except (http.client.InvalidURL, ValueError):
            # What Python says of it would show the address, which may hold a secret.
            return "webhook.url is not a valid address"
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        return None if 200 <= status < 300 else f"the answer was {status}"

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": f"seedvr2d/{__version__}"}
        if self._settings.secret:
            signature = hmac.new(self._settings.secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-SeedVR2-Signature"] = f"sha256={signature}"
        return headers


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The address without `user:password@`, and the header that says the same. Raises ValueError."""
    parts = urlsplit(url)
    userinfo, found, host = parts.netloc.rpartition("@")
    if not found:
        return url, {}
    encoded = base64.b64encode(unquote(userinfo).encode()).decode("ascii")
    bare = SplitResult(parts.scheme, host, parts.path, parts.query, parts.fragment)
    return bare.geturl(), {"Authorization": f"Basic {encoded}"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could send the news anywhere."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None
