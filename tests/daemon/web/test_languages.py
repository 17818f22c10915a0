"""Four languages, complete, chosen by the browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from seedvr2.options import PARAMETERS
from tests.daemon.conftest import Running
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open

WEB = Path(__file__).parents[3] / "daemon" / "web"
LANGUAGES = ("en", "zh-CN", "zh-TW", "ja")


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((WEB / "lang" / f"{language}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_complete(language: str) -> None:
    english, own = texts("en"), texts(language)
    assert list(own) == list(english)
    assert [key for key, text in own.items() if not text.strip()] == []
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", own[key])) == set(re.findall(r"\{\w+\}", text)), key


def test_the_page_uses_every_text_and_has_every_text_that_it_uses() -> None:
    source = "\n".join(file.read_text(encoding="utf-8") for file in (*WEB.glob("*.html"), *WEB.glob("js/*.js")))
    named = set(re.findall(r"""["'`]([a-z]+\.[a-z0-9_]+)["'`]""", source))
    # Those put together from a part that is known and one that the server or the code says.
    families = set(re.findall(r"`([a-z]+\.)\$\{", source))
    keys = set(texts("en"))
    assert {key for key in keys - named if key.partition(".")[0] + "." not in families} == set()
    known = {key.partition(".")[0] for key in keys}
    assert {name for name in named - keys if name.partition(".")[0] in known} == set()


def test_every_parameter_has_a_name_and_a_help_in_every_language() -> None:
    for parameter in PARAMETERS:
        assert f"param.{parameter.name}" in texts("en")
        assert f"param.{parameter.name}.help" in texts("en")


@pytest.mark.parametrize(
    ("locale", "language"),
    [("zh-CN", "zh-CN"), ("zh-TW", "zh-TW"), ("zh-HK", "zh-TW"), ("ja-JP", "ja"), ("en-US", "en"), ("fr-FR", "en")],
)
def test_the_browsers_language_is_shown(running: Running, open_page: Open, locale: str, language: str) -> None:
    page = open_page(running, locale=locale)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("#queue-title")).to_have_text(texts(language)["queue.title"])
    expect(page.locator("#pick-files")).to_have_text(texts(language)["drop.files"])
    assert untranslated(page) == []


def test_a_chosen_language_is_at_once_everywhere_and_is_remembered(running: Running, page: Any) -> None:
    running.submit()
    expect(page.locator("#history .result.completed")).to_have_count(1)
    page.get_by_label("Language").select_option("ja")
    expect(page.locator("#history-title")).to_have_text(texts("ja")["history.title"])
    expect(page.locator("#history .result")).to_contain_text(texts("ja")["task.picture"])
    expect(page.locator("#settings")).to_contain_text(texts("ja")["param.resolution"])
    assert untranslated(page) == []
    page.reload()
    expect(page.locator("#history-title")).to_have_text(texts("ja")["history.title"])


def untranslated(page: Any) -> list[str]:
    """Keys that are seen instead of their texts."""
    shown = page.locator("body").inner_text().split()
    return [word for word in shown if word in texts("en")]
