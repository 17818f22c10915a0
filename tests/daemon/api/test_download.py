"""Downloads: ranges, conditions, names of any alphabet, and nothing but results."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.api.download import content_disposition, parse_range
from tests.daemon.conftest import Running


@pytest.fixture
def done(running: Running) -> tuple[Running, str, bytes]:
    job_id = running.submit("fête 祭.png")
    status = running.finished(job_id)
    return running, f"/api/download/{job_id}", Path(str(status["output_path"])).read_bytes()


def test_the_whole_file_with_its_name(done: tuple[Running, str, bytes]) -> None:
    running, path, content = done
    answer = running.get(path)
    assert answer.content == content
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="f_te __nano_48p_b5_clab_s42_0s.png"; '
        "filename*=UTF-8''f%C3%AAte%20%E7%A5%AD_nano_48p_b5_clab_s42_0s.png"
    )
    assert running.get(f"{path}?inline=1").headers["Content-Disposition"].startswith("inline;")


def test_head_has_the_same_headers(done: tuple[Running, str, bytes]) -> None:
    running, path, content = done
    head = running.http.head(running.service.url + path, timeout=5)
    assert head.headers["Content-Length"] == str(len(content))
    assert head.headers["ETag"] == running.get(path).headers["ETag"]
    assert head.content == b""


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=10-", slice(10, None)), ("bytes=-7", slice(-7, None))],
)
def test_ranges(done: tuple[Running, str, bytes], asked: str, part: slice) -> None:
    running, path, content = done
    answer = running.get(path, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == content[part]
    start, stop, _ = part.indices(len(content))
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(content)}"


def test_a_range_beyond_the_end_is_416(done: tuple[Running, str, bytes]) -> None:
    running, path, content = done
    answer = running.get(path, headers={"Range": f"bytes={len(content)}-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(content)}"
    assert answer.json()["error"]


def test_what_is_no_single_range_gets_the_whole_file(done: tuple[Running, str, bytes]) -> None:
    running, path, content = done
    for asked in ("bytes=0-1,4-5", "lines=1-2", "bytes=9-3", "bytes=-"):
        answer = running.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (200, content), asked


def test_conditions(done: tuple[Running, str, bytes]) -> None:
    running, path, content = done
    etag = running.get(path).headers["ETag"]
    assert running.get(path, headers={"If-None-Match": f'"x", {etag}'}).status_code == 304
    assert running.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    assert running.get(path, headers={"Range": "bytes=0-3", "If-Range": etag}).status_code == 206
    assert running.get(path, headers={"Range": "bytes=0-3", "If-Range": '"old"'}).content == content


def test_a_result_that_is_gone_is_404(done: tuple[Running, str, bytes]) -> None:
    running, path, _ = done
    (result,) = running.results()
    result.unlink()
    assert running.get(path).status_code == 404


def test_a_link_in_place_of_the_result_is_not_followed(done: tuple[Running, str, bytes], tmp_path: Path) -> None:
    running, path, _ = done
    (result,) = running.results()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    result.unlink()
    result.symlink_to(secret)
    answer = running.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_many_stalled_ranges_leave_the_server_free(done: tuple[Running, str, bytes]) -> None:
    running, path, _ = done
    (result,) = running.results()
    with result.open("r+b") as file:
        file.truncate(64 << 20)
    answers = [running.get(path, stream=True, headers={"Range": "bytes=1-"}) for _ in range(60)]
    try:
        assert running.get("/health").status_code == 200
    finally:
        for answer in answers:
            answer.close()


def test_header_helpers() -> None:
    assert parse_range("bytes=5-", 10) == (5, 5)
    assert parse_range("bytes=-20", 10) == (0, 10)
    assert parse_range("bytes=3-4", 10) == (3, 2)
    assert parse_range("bytes=-0", 10) == (10, 0)
    assert parse_range("", 10) is None
    assert '"' not in content_disposition('a"b\r\n\\c.png')[len('attachment; filename="') :].split('"')[0]
    assert "\n" not in content_disposition("a\nb")
