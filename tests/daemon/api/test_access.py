"""Who may ask: host, origin, token."""

from __future__ import annotations

import pytest

from daemon.api.access import check_access, host_expected
from daemon.api.docs import DOCUMENTS, PAGES
from daemon.errors import RequestError
from daemon.settings.keys import ServerSettings
from tests.daemon.api.raw import exchange, form, json_of, post, status_of
from tests.daemon.conftest import Running, Start, png


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8200", "127.0.0.1:8200", "[::1]:8200", "192.168.1.5", "box:1"]
)
def test_hosts_that_are_ours(host: str) -> None:
    assert host_expected(ServerSettings(allowed_hosts=("box",)), host)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:8200"])
def test_hosts_that_are_not(host: str) -> None:
    assert not host_expected(ServerSettings(), host)


def test_a_foreign_host_is_refused_on_every_route(running: Running) -> None:
    for path in ("/health", "/api/queue/status", "/nowhere"):
        answer = running.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 403
        assert "allowed_hosts" in answer.json()["error"]


def test_a_foreign_page_may_not_change_anything(running: Running) -> None:
    foreign = {"Origin": "https://evil.example"}
    assert running.post("/api/gpu/offload", headers=foreign).status_code == 403
    assert running.post("/api/gpu/offload", headers={"Origin": running.service.url}).status_code == 200
    assert "Access-Control-Allow-Origin" not in running.get("/health", headers=foreign).headers


def test_a_configured_origin_may(start: Start) -> None:
    page = "https://studio.example"
    running = start(SEEDVR2_SERVER_CORS_ORIGINS=page)
    answer = running.post("/api/gpu/offload", headers={"Origin": page})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == page
    preflight = running.http.options(running.service.url + "/api/process", headers={"Origin": page}, timeout=5)
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]


def test_the_token_is_asked_for_everywhere_but_health(start: Start) -> None:
    running = start(SEEDVR2_SERVER_TOKEN="s3cret")
    assert running.get("/health").status_code == 200
    refused = running.get("/api/queue/status")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert running.get("/api/queue/status", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert running.get("/api/queue/status", headers={"Authorization": "Basic s3cret"}).status_code == 401
    assert running.get("/api/queue/status", headers={"Authorization": "bearer s3cret"}).status_code == 200


def test_a_browser_may_open_the_page_and_the_description_and_send_the_token_from_there(start: Start) -> None:
    running = start(SEEDVR2_SERVER_TOKEN="s3cret")
    for path in ("/", *PAGES, "/docs/swagger-ui.css", *DOCUMENTS, "/static/js/main.js"):
        assert running.get(path).status_code == 200, path
    assert "bearer" in str(running.get("/openapi.json").json()["components"]["securitySchemes"]).lower()


def test_options_names_the_methods_of_that_path(running: Running) -> None:
    def allowed(path: str) -> set[str]:
        answer = running.http.options(running.service.url + path, timeout=10)
        assert answer.status_code == 204
        return set(answer.headers["Allow"].split(", "))

    assert allowed("/api/process") == {"POST", "OPTIONS"}
    assert allowed("/health") == {"GET", "HEAD", "OPTIONS"}
    # Not those of `/api/tasks/<task_id>`.
    assert allowed("/api/tasks/download.zip") == {"GET", "HEAD", "OPTIONS"}
    assert allowed("/api/tasks/3f9a1c07") == {"DELETE", "OPTIONS"}
    nowhere = running.http.options(running.service.url + "/nowhere", timeout=10)
    assert nowhere.status_code == 404
    assert "/nowhere" in nowhere.json()["error"]


def test_an_upload_without_the_token_is_refused_before_it_is_stored(start: Start) -> None:
    running = start(SEEDVR2_SERVER_TOKEN="s3cret")
    body = form([('name="file"; filename="a.png"', png())])
    answer = exchange(running.service.api.port, post(body))
    assert status_of(answer) == 401
    assert "Bearer" in json_of(answer)["error"]
    assert list(running.service.context.uploads.iterdir()) == []
    assert status_of(exchange(running.service.api.port, post(body, "Authorization: Bearer s3cret"))) == 200


def test_a_token_of_any_bytes_is_compared_safely() -> None:
    with pytest.raises(RequestError):
        check_access(ServerSettings(token="x"), "GET", "/x", {"host": "localhost", "authorization": "Bearer \udcff é"})
