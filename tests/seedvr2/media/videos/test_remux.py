"""Whatever else a video has comes along untouched and in time; what cannot come is named."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from seedvr2.media import open_source
from seedvr2.media.videos.remux import Remuxer
from tests.seedvr2.media import clips

FRENCH = {"language": "fre", "title": "Français"}
ENGLISH = {"language": "eng", "title": "Commentary"}


def clip_of(path: Path, frames: int = 30, **how: object) -> Path:
    return clips.write_video(path, [clips.picture(32, 32, index) for index in range(frames)], **how)  # type: ignore[arg-type]


def add_to(clip: Path, target: Path, *, subtitles: str = "", font: bool = False, delay: Fraction = Fraction(0)) -> Path:
    """Copies a clip, with what only a real muxer can add. The video comes `delay` seconds later."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as output:
        copies = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        for stream in source.streams:
            titled = {"title" if key == "name" else key: text for key, text in stream.metadata.items()}
            copies[stream.index].metadata.update(titled)
        output.metadata.update(title="A film", artist="Ada")
        output.set_chapters(
            [
                {"id": 1, "start": 0, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
                {"id": 2, "start": 400, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
            ]
        )
        extra = None
        if subtitles:
            file = clip.with_suffix(".srt")
            file.write_text(subtitles)
            extra = av.open(str(file))
            text = output.add_stream_from_template(extra.streams.subtitles[0])
            text.metadata["language"] = "ger"
            text.disposition = av.stream.Disposition.forced
        if font:
            output.add_attachment("font.ttf", "font/ttf", b"glyphs")
        everything = [packet for packet in source.demux() if packet.size]
        for packet in everything:
            if packet.stream.type == "video":
                packet.pts += round(delay / packet.time_base)
                packet.dts += round(delay / packet.time_base)
            packet.stream = copies[packet.stream_index]
        everything.sort(key=lambda packet: packet.dts * packet.time_base)
        output.mux(everything)
        if extra is not None:
            for packet in extra.demux():
                if packet.size:
                    packet.stream = text
                    output.mux(packet)
            extra.close()
    return target


SUBTITLES = "1\n00:00:00,100 --> 00:00:00,300\nHello <i>world</i>\n\n2\n00:00:00,500 --> 00:00:00,900\nTwo\nlines\n\n"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3", "flac", "libopus"])
def test_sound_is_copied_bit_for_bit(tmp_path: Path, suffix: str, codec: str) -> None:
    clip = clip_of(tmp_path / "clip.mp4", audio=[(codec, FRENCH), (codec, ENGLISH)])
    _, sink = clips.upscale(clip, tmp_path / f"out{suffix}")
    assert sink.warnings == ()
    for index in (1, 2):
        before, after = clips.packets(clip, index), clips.packets(tmp_path / f"out{suffix}", index)
        assert [bytes(packet) for packet in after] == [bytes(packet) for packet in before]
        if suffix == ".mp4":
            assert [packet.pts * packet.time_base for packet in after] == [p.pts * p.time_base for p in before]
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert [stream.language for stream in container.streams.audio] == ["fre", "eng"]
        titles = [stream.metadata.get("title", stream.metadata.get("name")) for stream in container.streams.audio]
        assert titles == ["Français", "Commentary"]


@pytest.mark.parametrize("delay", [Fraction(1, 2), Fraction(1001, 30000), Fraction(3)])
def test_video_that_starts_after_its_sound_still_does(tmp_path: Path, delay: Fraction) -> None:
    clip = add_to(clip_of(tmp_path / "clip.mp4", audio=[("aac", {})]), tmp_path / "late.mp4", delay=delay)
    before, sound_before = clips.times(clip), clips.packets(clip, 1)
    assert before[0] > 0
    clips.upscale(clip, tmp_path / "out.mp4")
    sound = clips.packets(tmp_path / "out.mp4", 1)
    assert clips.times(tmp_path / "out.mp4") == before
    assert [packet.pts for packet in sound] == [packet.pts for packet in sound_before]


def test_clock_of_a_broadcast_starts_at_zero_for_all_tracks_alike(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "tv.ts", audio=[("aac", {})], container_options={"output_ts_offset": "7.7"})
    times, sound = clips.times(clip), clips.packets(clip, 1)
    assert min(times[0], sound[0].pts * sound[0].time_base) > 0
    lead = times[0] - sound[0].pts * sound[0].time_base
    clips.upscale(clip, tmp_path / "out.mp4")
    after, sound_after = clips.times(tmp_path / "out.mp4"), clips.packets(tmp_path / "out.mp4", 1)
    assert min(after[0], sound_after[0].pts * sound_after[0].time_base) < Fraction(1, 1000)
    assert abs(after[0] - sound_after[0].pts * sound_after[0].time_base - lead) < Fraction(1, 20000)
    assert [time - after[0] for time in after] == [time - times[0] for time in times]
    assert len(sound_after) == len(sound)


def test_joined_recordings_run_on_in_picture_and_sound(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "one.ts", 30, audio=[("aac", {})])
    (tmp_path / "two.ts").write_bytes(clip.read_bytes() * 2)
    source, _ = clips.upscale(tmp_path / "two.ts", tmp_path / "out.mp4")
    times, sound = clips.times(tmp_path / "out.mp4"), clips.packets(tmp_path / "out.mp4", 1)
    assert len(times) == 60
    steps = [later - earlier for earlier, later in pairwise(times)]
    # The sound of the first part is a little longer than its picture, and nothing of it is covered.
    assert set(steps[:29] + steps[30:]) == {Fraction(1001, 30000)}
    assert Fraction(1001, 30000) <= steps[29] < Fraction(2, 30)
    assert len(sound) == 2 * len(clips.packets(clip, 1))
    begins = [packet.pts * packet.time_base for packet in sound]
    assert float(times[30] - times[0]) == pytest.approx(float(begins[len(begins) // 2] - begins[0]), abs=0.0001)
    assert any("clock of the recording was set at 1 place" in warning for warning in source.warnings)
    assert (source.info.frames, float(source.info.fps or 0)) == (60, pytest.approx(29.97, abs=0.01))


def test_damaged_sound_does_not_cost_the_video(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.ts", 60, audio=[("aac", {})])
    data = bytearray(clip.read_bytes())
    sound = [packet.pos for packet in clips.packets(clip, 1)]
    for position in sound[10:40:10]:
        data[position + 16 : position + 120] = bytes(104)
    (tmp_path / "damaged.ts").write_bytes(data)
    _, sink = clips.upscale(tmp_path / "damaged.ts", tmp_path / "out.mp4")
    assert len(clips.times(tmp_path / "out.mp4")) == 60
    assert len(sound) > len(clips.packets(tmp_path / "out.mp4", 1)) > len(sound) // 2
    assert any("sound" in warning for warning in sink.warnings)


def test_sound_rounded_to_milliseconds_gets_its_samples_back(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mkv", audio=[("aac", {})])
    clips.upscale(clip, tmp_path / "out.mp4")
    after = clips.packets(tmp_path / "out.mp4", 1)
    steps = {later.pts - earlier.pts for earlier, later in pairwise(after)}
    assert steps == {1024}
    for before, now in zip(clips.packets(clip, 1), after, strict=True):
        assert bytes(before) == bytes(now)
        assert abs(before.pts * before.time_base - now.pts * now.time_base) <= Fraction(1, 1000)


def test_gap_in_the_sound_stays_a_gap(tmp_path: Path) -> None:
    whole = clip_of(tmp_path / "whole.mkv", audio=[("aac", {})])
    with av.open(str(whole)) as source, av.open(str(tmp_path / "gap.mkv"), "w") as output:
        copies = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        for packet in source.demux():
            if packet.size and not (packet.stream.type == "audio" and 300 <= packet.pts < 600):
                packet.stream = copies[packet.stream_index]
                output.mux(packet)
    clips.upscale(tmp_path / "gap.mkv", tmp_path / "out.mp4")
    before, after = clips.packets(tmp_path / "gap.mkv", 1), clips.packets(tmp_path / "out.mp4", 1)
    assert len(before) == len(after)
    assert abs(before[-1].pts * before[-1].time_base - after[-1].pts * after[-1].time_base) <= Fraction(2, 1000)


def test_sound_that_players_do_not_expect_in_mp4_goes_to_mkv_by_itself(tmp_path: Path) -> None:
    from seedvr2.media import output_suffix, probe
    from seedvr2.options import UpscaleOptions

    for codec, suffix in (("pcm_s16le", ".mkv"), ("aac", ".mp4")):
        info = probe(clip_of(tmp_path / f"{codec}.mov", audio=[(codec, {})]))
        assert info.audio_codecs == (codec,)
        assert output_suffix(info, UpscaleOptions()) == suffix
        assert output_suffix(info, UpscaleOptions(output_format="mp4")) == ".mp4"


def test_sound_is_copied_into_mp4_on_demand_with_a_warning(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mov", audio=[("pcm_s16le", {})])
    _, sink = clips.upscale(clip, tmp_path / "out.mp4", output_format="mp4")
    before, after = clips.packets(clip, 1), clips.packets(tmp_path / "out.mp4", 1)
    assert b"".join(map(bytes, before)) == b"".join(map(bytes, after))
    assert len(sink.warnings) == 1
    assert "pcm_s16le" in sink.warnings[0]


def test_sound_that_no_container_of_ours_holds_is_coded_anew(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mov", 45, audio=[("adpcm_ima_qt", ENGLISH)])
    _, sink = clips.upscale(clip, tmp_path / "out.mp4", output_format="mp4")
    assert "adpcm_ima_qt" in sink.warnings[0]
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.language) == ("aac", "eng")
        assert stream.duration * stream.time_base == pytest.approx(1.5, abs=0.03)
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(sound[4800:52800]))
    assert abs(int(spectrum.argmax()) - 220) <= 2, "the tone is the same"
    assert np.sqrt((sound[4800:52800] ** 2).mean()) == pytest.approx(0.2 / np.sqrt(2), rel=0.05), "and as loud"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_subtitles_chapters_and_tags_come_along(tmp_path: Path, suffix: str) -> None:
    clip = clip_of(tmp_path / "clip.mp4", audio=[("aac", FRENCH)])
    rich = add_to(clip, tmp_path / "rich.mkv", subtitles=SUBTITLES, font=True)
    _, sink = clips.upscale(rich, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        tags = {key.lower(): text for key, text in container.metadata.items()}
        assert (tags["title"], tags["artist"]) == ("A film", "Ada")
        chapters = container.chapters()
        assert [chapter["metadata"]["title"] for chapter in chapters] == ["One", "Two"]
        assert [chapter["start"] * chapter["time_base"] for chapter in chapters] == [0, Fraction(2, 5)]
        text = container.streams.subtitles[0]
        assert text.language == "ger"
        assert text.disposition & av.stream.Disposition.forced
        fonts = [bytes(attachment.data) for attachment in container.streams.attachments]
        lines = {
            round(float(packet.pts * packet.time_base), 2): bytes(packet)
            for packet in container.demux(text)
            if packet.size > 2
        }
    assert list(lines) == pytest.approx([0.12, 0.52], abs=0.03)
    assert [b"Hello" in line and b"world" in line for line in lines.values()] == [True, False]
    if suffix == ".mp4":
        assert text.codec_context.name == "mov_text"
        assert fonts == []
        assert any("font.ttf" in warning for warning in sink.warnings)
    else:
        assert (fonts, sink.warnings) == ([b"glyphs"], ())
    # And back: what mp4 calls its text is not what Matroska calls it.
    if suffix == ".mp4":
        clips.upscale(tmp_path / "out.mp4", tmp_path / "back.mkv", output_format="mkv")
        with av.open(str(tmp_path / "back.mkv")) as container:
            again = [bytes(packet) for packet in container.demux(subtitles=0) if packet.size]
            assert container.streams.audio[0].metadata["title"] == "Français"
        assert again == [b"Hello <i>world</i>", b"Two\nlines"]


def test_cover_art_comes_along(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mp4", audio=[("aac", {})])
    with av.open(str(clip)) as source, av.open(str(tmp_path / "album.mp4"), "w") as output:
        copies = {stream.index: output.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        cover = output.add_stream("mjpeg", 1)
        cover.width, cover.height, cover.pix_fmt = 48, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(clips.picture(48, 48), "rgb24").reformat(format="yuvj420p")
        (picture,) = cover.encode(frame) + cover.encode(None)
        wanted = bytes(picture)
        output.mux(picture)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                output.mux(packet)
    earlier = tmp_path / "album.mp4"
    for name in ("out.mp4", "out.mkv", "again.mp4"):
        _, sink = clips.upscale(earlier, tmp_path / name)
        assert sink.warnings == ()
        with av.open(str(tmp_path / name)) as container:
            (found,) = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
            assert bytes(next(packet for packet in container.demux(found) if packet.size)) == wanted
            assert len(container.streams.video) == 2
        source, frames = open_source(tmp_path / name), list(open_source(tmp_path / name).frames())
        assert (source.info.width, len(frames), source.warnings) == (32, 30, ())
        earlier = tmp_path / name


def test_tags_that_were_true_of_the_old_file_only_are_left(tmp_path: Path) -> None:
    rich = add_to(clip_of(tmp_path / "clip.mp4"), tmp_path / "rich.mkv")
    with av.open(str(rich)) as source, av.open(str(tmp_path / "stats.mkv"), "w") as output:
        copy = output.add_stream_from_template(source.streams.video[0], opaque=True)
        copy.metadata.update({"BPS": "123", "NUMBER_OF_FRAMES": "30", "_STATISTICS_TAGS": "BPS", "title": "Main"})
        for packet in source.demux():
            if packet.size:
                packet.stream = copy
                output.mux(packet)
    clips.upscale(tmp_path / "stats.mkv", tmp_path / "out.mkv", output_format="mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        tags = container.streams.video[0].metadata
    assert tags["title"] == "Main"
    assert not {"BPS", "NUMBER_OF_FRAMES", "_STATISTICS_TAGS"} & set(tags)


def test_tags_that_are_not_utf8_come_through(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mkv", 3)
    latin = str(tmp_path / "latin.mkv")
    with av.open(str(clip)) as source, av.open(latin, "w", metadata_errors="surrogateescape") as output:
        copy = output.add_stream_from_template(source.streams.video[0], opaque=True)
        output.metadata["title"] = b"caf\xe9".decode(errors="surrogateescape")
        for packet in source.demux():
            if packet.size:
                packet.stream = copy
                output.mux(packet)
    clips.upscale(tmp_path / "latin.mkv", tmp_path / "out.mkv", output_format="mkv")
    assert b"caf\xe9" in (tmp_path / "out.mkv").read_bytes()


def test_sound_is_read_only_as_far_as_the_video_is(tmp_path: Path) -> None:
    """Else all the sound of a film would wait in memory for its pictures."""
    clip = clip_of(tmp_path / "clip.mp4", 2, audio=[("aac", {})], audio_seconds=20)
    source = open_source(clip)
    with av.open(str(tmp_path / "out.mp4"), "w") as output:
        video = output.add_stream("libx264", 25)
        video.width = video.height = 32
        remuxer = Remuxer(source.path, 0, output, Fraction(0))
        output.start_encoding()
        counts = []
        for seconds in (0, 1, 5, 5, None):
            remuxer.copy_until(None if seconds is None else Fraction(seconds))
            track = remuxer._tracks[1]
            counts.append((track._last_dts or 0) / 48000)
        remuxer.close()
    assert counts == pytest.approx([0, 1, 5, 5, 20], abs=0.1)


CASES = Path(__file__).parents[3] / "fixtures" / "cases"


def test_no_advice_is_given_that_does_not_help(tmp_path: Path) -> None:
    """The track of case 17 is in no format; that of Windows sound is in the other one."""
    from seedvr2.media import output_suffix, probe
    from seedvr2.options import UpscaleOptions

    assert output_suffix(probe(CASES / "17_apac.mp4"), UpscaleOptions()) == ".mp4"
    _, sink = clips.upscale(CASES / "17_apac.mp4", tmp_path / "out.mp4")
    assert len(sink.warnings) == 1
    assert "apac" in sink.warnings[0]
    assert "mkv" not in sink.warnings[0]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    clip = clip_of(tmp_path / "clip.mov", audio=[("adpcm_ima_qt", {})])
    for suffix in ("mp4", "mkv"):
        _, sink = clips.upscale(clip, tmp_path / f"ima.{suffix}", output_format=suffix)
        assert sink.warnings == (f"The adpcm_ima_qt audio track was coded anew as AAC, as {suffix} cannot hold it.",)


def test_tracks_that_only_serve_others_are_not_named(tmp_path: Path) -> None:
    """Of timecode and of the titles of chapters, as mp4 has them."""
    rich = add_to(clip_of(tmp_path / "clip.mp4"), tmp_path / "rich.mov")
    clips.upscale(rich, tmp_path / "one.mp4", output_format="mp4")
    with av.open(str(tmp_path / "one.mp4")) as container:
        assert container.streams.data, "the titles"
    _, sink = clips.upscale(tmp_path / "one.mp4", tmp_path / "two.mp4", output_format="mp4")
    assert sink.warnings == ()
    with av.open(str(tmp_path / "two.mp4")) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One", "Two"]
        assert len(container.streams.data) == 1
    _, sink = clips.upscale(CASES / "15_timecode.mov", tmp_path / "timecode.mkv", output_format="mkv")
    assert sink.warnings == ()


def test_a_subtitle_track_without_a_decoder_is_named(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "clip.mp4")
    with av.open(str(clip)) as source, av.open(str(tmp_path / "tv.ts"), "w") as output:
        copy = output.add_stream_from_template(source.streams.video[0], opaque=True)
        text = output.add_mux_stream("dvb_teletext")
        packet = av.Packet(b"\x10" + bytes(45))
        packet.stream, packet.pts, packet.dts, packet.time_base = text, 0, 0, Fraction(1, 1000)
        output.start_encoding()
        output.mux(packet)
        for moving in source.demux():
            if moving.size:
                moving.stream = copy
                output.mux(moving)
    _, sink = clips.upscale(tmp_path / "tv.ts", tmp_path / "out.mp4")
    assert "subtitle, number 2" in sink.warnings[0]
