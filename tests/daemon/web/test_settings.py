"""The settings: the server's defaults, remembered changes, model cards, the bar of the GPU."""

from __future__ import annotations

import re
from typing import Any

from tests.daemon.conftest import Running, Start, eventually, png
from tests.daemon.web.browser import expect
from tests.daemon.web.conftest import Open


def test_the_defaults_are_those_of_the_server(start: Start, open_page: Open) -> None:
    page = open_page(start(SEEDVR2_DEFAULTS_RESOLUTION="432", SEEDVR2_DEFAULTS_COLOR_CORRECTION="hsv"))
    expect(page.get_by_label("Short edge")).to_have_value("432")
    expect(page.get_by_label("Colours")).to_have_value("hsv")
    expect(page.get_by_role("button", name="Reset")).to_be_hidden()


def test_what_was_changed_is_remembered_over_a_reload_and_can_be_reset(page: Any) -> None:
    page.get_by_role("button", name="1440p").click()
    page.locator("summary", has_text="Video").click()
    page.get_by_label("Frames together").fill("9")
    page.locator("summary", has_text="Video").click()
    expect(page.locator("summary", has_text="Video").locator(".changed")).to_have_text("1")
    page.reload()
    expect(page.get_by_label("Short edge")).to_have_value("1440")
    expect(page.get_by_role("button", name="1440p")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#p-batch_size")).to_have_value("9")
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Short edge")).to_have_value("1080")
    expect(page.locator("#p-batch_size")).to_have_value("5")
    page.reload()
    expect(page.get_by_label("Short edge")).to_have_value("1080")


def test_every_parameter_of_the_server_has_a_control_with_a_name_and_a_help(running: Running, page: Any) -> None:
    form = running.get("/openapi.json").json()["components"]["schemas"]["SubmitForm"]
    names = set(form["properties"]) - {"file"}
    controls = page.locator("#settings :is(input, select)")
    found = {
        re.sub("^p-", "", control.get_attribute("name") or control.get_attribute("id")) for control in controls.all()
    }
    # A preset has a name besides, for the one that is to be saved.
    assert found - {"preset-name"} == names
    captions = page.locator("#settings .caption").all_text_contents()
    assert len(captions) == len(names)
    assert not names & set(captions)


def test_a_value_out_of_range_is_told_of_and_nothing_is_sent(running: Running, page: Any) -> None:
    page.get_by_label("Short edge").fill("3")
    expect(page.locator("#settings [role=alert]", has_text="From")).to_be_visible()
    page.locator("#files").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png()})
    expect(page.get_by_label("Short edge")).to_be_focused()
    assert running.history() == []
    assert running.service.store.open_jobs() == []


def test_a_scale_takes_nothing_between_off_and_the_size_of_the_source(running: Running, page: Any) -> None:
    scale = page.get_by_label("Scale", exact=True)
    expect(scale).to_have_value("0")
    scale.fill("0.5")
    expect(page.locator("#settings [role=alert]", has_text="From 1 to 64")).to_be_visible()
    scale.fill("1.5")
    expect(page.locator("#settings [role=alert]", has_text="From 1 to 64")).to_have_count(0)
    page.get_by_label("Strength").fill("0.5")
    page.locator("#files").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png()})
    eventually(lambda: running.history() != [])
    (job,) = running.history()
    asked = job.draft.options
    assert (asked["scale"], asked["strength"], asked["softness"]) == (1.5, 0.5, 0.0)


def test_the_scale_that_is_shown_is_sent_with_another_resolution(start: Start, open_page: Open) -> None:
    running = start(SEEDVR2_DEFAULTS_SCALE="2")
    page = open_page(running)
    expect(page.get_by_label("Scale", exact=True)).to_have_value("2")
    page.get_by_role("button", name="720p").click()
    page.locator("#files").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png()})
    eventually(lambda: running.history() != [])
    (job,) = running.history()
    assert (job.draft.options["resolution"], job.draft.options["scale"]) == (720, 2.0)


def test_a_model_is_loaded_from_its_card_and_unloaded_from_the_bar(running: Running, page: Any) -> None:
    expect(page.locator("#gpu")).to_contain_text("No model loaded")
    page.get_by_role("button", name="Load: nano.safetensors").click()
    expect(page.locator("#gpu .gpu-model")).to_have_text("nano")
    expect(page.locator(".card", has_text="nano").locator(".badge")).to_have_text("loaded")
    expect(page.locator("#gpu .gpu-idle")).to_contain_text("leaves memory in")
    page.get_by_role("button", name="Unload").click()
    expect(page.locator("#gpu")).to_contain_text("No model loaded")
    eventually(lambda: running.executor.unloads == 1)
    assert running.executor.model is None


def test_models_that_are_not_here_are_listed_apart_and_cannot_be_chosen(page: Any) -> None:
    page.locator("summary", has_text="can be downloaded").click()
    expect(page.locator(".more .card")).to_contain_text("seedvr2_ema_3b_fp8_e4m3fn.safetensors")
    assert page.locator(".more input").count() == 0
    chosen = page.get_by_role("radio", name="nano", exact=True)
    chosen.check()
    page.reload()
    expect(chosen).to_be_checked()


def test_the_bar_of_a_gpu(running: Running, page: Any) -> None:
    # No GPU is needed for it: only this one answer is replaced.
    state = running.get("/api/gpu/status").json() | {
        "cuda_available": True,
        "gpu_name": "NVIDIA <Test> 4090",
        "vram_used_mb": 6144,
        "vram_total_mb": 24576,
        "model_loaded": True,
        "current_model": "seedvr2_ema_7b_sharp_fp16.safetensors",
        "model_idle_s": 60.0,
        "idle_timeout_s": 300,
        "utilization": 37,
        "temperature_c": 64,
        "power_w": 212.4,
    }
    page.route("**/api/gpu/status", lambda route: route.fulfill(json=state))
    bar = page.locator("#gpu")
    for text in ("NVIDIA <Test> 4090", "6.0 GiB / 24.0 GiB", "37 % busy · 64 °C · 212 W", "7b_sharp_fp16"):
        expect(bar).to_contain_text(text)
    expect(bar.get_by_role("meter", name="GPU memory in use")).to_have_js_property("value", 6144)
    # It counts down by itself between two answers.
    expect(bar.locator(".gpu-idle")).to_have_text(re.compile(r"leaves memory in (4 min 0 s|3 min 5\d s)"))
    before = bar.locator(".gpu-idle").inner_text()
    expect(bar.locator(".gpu-idle")).not_to_have_text(before)
