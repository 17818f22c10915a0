"""Sound of Windows formats is the same in Matroska, bit for bit."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.seedvr2.media import clips

CASE = Path(__file__).parents[3] / "fixtures" / "cases" / "54_clip.wmv"
KINDS = ["wmav1", "wmav2", "adpcm_ms", "adpcm_ima_wav", "pcm_alaw", "pcm_mulaw"]


def samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])


def test_wma_of_the_case(tmp_path: Path) -> None:
    _, sink = clips.upscale(CASE, tmp_path / "out.mkv", output_format="mkv")
    assert sink.warnings == ()
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.audio[0].codec_context.name == "wmav2"
    assert np.array_equal(samples(tmp_path / "out.mkv"), samples(CASE))


@pytest.mark.parametrize("codec", KINDS)
def test_sound_comes_out_as_it_was(tmp_path: Path, codec: str) -> None:
    clip = clips.write_video(
        tmp_path / "clip.avi",
        [clips.picture(32, 32, index) for index in range(15)],
        codec="mpeg4",
        options={},
        audio=[(codec, {})],
    )
    _, sink = clips.upscale(clip, tmp_path / "out.mkv", output_format="mkv")
    assert sink.warnings == ()
    with av.open(str(tmp_path / "out.mkv")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.codec.canonical_name == codec
        assert (stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels) == (48000, 2)
    assert np.array_equal(samples(tmp_path / "out.mkv"), samples(clip))
    _, sink = clips.upscale(clip, tmp_path / "out.mp4", output_format="mp4")
    assert "choose output_format = mkv to keep it as it is" in sink.warnings[0]
