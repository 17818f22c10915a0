"""`/docs`: everything it needs comes from this server."""

from __future__ import annotations

import re
import sys

import pytest

from daemon.api import docs
from tests.daemon.conftest import Running


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/apidocs", "/apidocs/"])
def test_the_page_asks_nothing_of_others(path: str, running: Running) -> None:
    page = running.get(path)
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 5
    for part in named:
        assert part.startswith("/")
        assert running.get(part).status_code == 200, part
    # No script and no handler in the page itself.
    assert not re.search(r"<script(?![^>]*\ssrc=)", page.text)
    assert not re.search(r"\son\w+=", page.text)


def test_the_policy_lets_no_foreign_script_in(running: Running) -> None:
    for path in ("/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"):
        policy = running.get(path).headers["Content-Security-Policy"]
        rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == "'self'"
        assert rules["connect-src"] == "'self'"


def test_the_files_are_whole_and_sent_once(running: Running) -> None:
    script = running.get("/docs/swagger-ui-bundle.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.content == (docs.swagger_ui() / "swagger-ui-bundle.js").read_bytes()
    again = running.get("/docs/swagger-ui-bundle.js", headers={"If-Modified-Since": script.headers["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")
    assert running.http.head(f"{running.service.url}/docs", timeout=10).status_code == 200


def test_no_other_file_of_the_package_is_served(running: Running) -> None:
    for path in ("/docs/LICENSE", "/docs/../app.py", "/docs/%2e%2e/app.py", "/docs/docs.html"):
        assert running.get(path).status_code == 404


def test_flask_is_never_imported(running: Running) -> None:
    running.get("/docs/swagger-ui.css")
    assert "flask" not in sys.modules
