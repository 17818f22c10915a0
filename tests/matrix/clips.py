"""The videos of the matrix, as ffmpeg makes them: containers by codecs and sounds, and everything they can carry."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 0.8
SMALL, WIDE, ODD = "64x48", "256x144", "65x47"
NTSC, PAL, FILM = "30000/1001", "25", "24000/1001"
_SRT = "1\n00:00:00,100 --> 00:00:00,400\nFirst <i>line</i>\n\n2\n00:00:00,500 --> 00:00:00,700\nSecond line\n"
_CHAPTERS = (
    ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=300\ntitle=Beginning\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=300\nEND=800\ntitle=End & more\n"
)
_X264 = "libx264 -preset ultrafast -crf 20 -pix_fmt yuv420p"
_X265 = "libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p"
_MPEG2, _MPEG4 = "mpeg2video -q:v 3 -pix_fmt yuv420p", "mpeg4 -q:v 3 -pix_fmt yuv420p"
_VP8, _VP9 = "libvpx -deadline realtime -b:v 200k", "libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 200k"
_AV1 = "libaom-av1 -cpu-used 8 -usage realtime -b:v 100k"
_PRORES, _DNXHR = "prores_ks -profile:v 2", "dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p"
_DV = "dvvideo -pix_fmt yuv420p"
_BT709 = "-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv"
_BT601 = "-color_primaries smpte170m -color_trc smpte170m -colorspace smpte170m -color_range tv"
_PQ = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv"
_HLG = "-color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc -color_range tv"
_FACTS = (
    "-metadata title=Harbour -metadata artist='A. Person' -metadata comment='Two words' -metadata genre=Test "
    "-metadata date=2019-03-04 -metadata creation_time=2019-03-04T05:06:07Z -metadata copyright='(c) A. Person' "
    "-metadata description='What is seen' -metadata album=Trip"
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One video.

    Attributes:
        name: of the file; its suffix chooses the container.
        video: encoder and options. sounds: the same for each track. titles: encoder of the subtitles.
        size, rate: of the frames. more: further options of the output; `FONT` stands for a file to attach.
        chapters, cover: whether there are any.
        then: options of a second ffmpeg, which copies the first's file: `IN` and `OUT` stand for the names.
    """

    name: str
    video: str = _X264
    sounds: tuple[str, ...] = ()
    titles: str = ""
    size: str = SMALL
    rate: str = PAL
    more: str = ""
    chapters: bool = False
    cover: bool = False
    then: str = ""


CLIPS: tuple[Clip, ...] = (
    # Containers by codecs and sounds.
    Clip("h264_aac.mp4", sounds=("aac",), more=_BT709),
    Clip("h264_mp3.mp4", sounds=("libmp3lame",), rate=NTSC),
    Clip("h264_ac3.mp4", sounds=("ac3",), rate=FILM),
    Clip("h264_opus.mp4", sounds=("libopus",)),
    Clip("h264_flac.mp4", sounds=("flac -strict -2",)),
    Clip("h264_silent.mp4", size=WIDE),
    Clip("hevc_aac.mp4", _X265, ("aac",)),
    Clip("hevc_alac.mov", f"{_X265} -tag:v hvc1", ("alac",)),
    Clip("av1_opus.mp4", _AV1, ("libopus",)),
    Clip("vp9_aac.mp4", _VP9, ("aac",)),
    Clip("mpeg4_aac.mp4", _MPEG4, ("aac",)),
    Clip("mpeg2_mp2.mp4", _MPEG2, ("mp2",)),
    Clip("h264_pcm.mov", sounds=("pcm_s16le",), rate=FILM),
    Clip("prores_pcm24.mov", _PRORES, ("pcm_s24le",), size=WIDE),
    Clip("prores4444_alpha.mov", "prores_ks -profile:v 4 -pix_fmt yuva444p10le", size=WIDE),
    Clip("dnxhr_pcm.mov", _DNXHR, ("pcm_s16be",), size="256x144"),
    Clip("mjpeg_ulaw.mov", "mjpeg -q:v 3 -pix_fmt yuvj420p", ("pcm_mulaw",)),
    Clip("rle.mov", "qtrle -pix_fmt rgb24"),
    Clip("h264_aac.mkv", sounds=("aac",), rate=NTSC),
    Clip("hevc_flac.mkv", _X265, ("flac",)),
    Clip("vp9_vorbis.mkv", _VP9, ("libvorbis",)),
    Clip("ffv1_pcm.mkv", "ffv1", ("pcm_s16le",)),
    Clip("mpeg2_ac3.mkv", _MPEG2, ("ac3",)),
    Clip("theora_flac.mkv", "libtheora -q:v 8 -pix_fmt yuv420p", ("flac",)),
    Clip("av1_eac3.mkv", _AV1, ("eac3",)),
    Clip("h264_dts.mkv", sounds=("dca -strict -2",)),
    Clip("h264_truehd.mkv", sounds=("truehd -strict -2",)),
    Clip("vp8_vorbis.webm", _VP8, ("libvorbis",), rate=NTSC),
    Clip("vp9_opus.webm", _VP9, ("libopus",)),
    Clip("av1_silent.webm", _AV1),
    Clip("mpeg4_mp3.avi", _MPEG4, ("libmp3lame",)),
    Clip("mpeg4_bframes_ac3.avi", f"{_MPEG4} -bf 2", ("ac3",), rate=NTSC),
    Clip("mjpeg_pcm.avi", "mjpeg -q:v 3 -pix_fmt yuvj420p", ("pcm_s16le",)),
    Clip("huffyuv_silent.avi", "huffyuv -pix_fmt yuv422p"),
    Clip("h264_aac.ts", sounds=("aac",)),
    Clip("mpeg2_mp2.ts", f"{_MPEG2} -bf 2", ("mp2",), rate=NTSC),
    Clip("hevc_ac3.m2ts", _X265, ("ac3",)),
    Clip("h264_lpcm.m2ts", sounds=("pcm_bluray",)),
    Clip("mpeg1_mp2.mpg", "mpeg1video -q:v 3 -pix_fmt yuv420p", ("mp2",)),
    Clip("mpeg2_mp2.mpg", f"{_MPEG2} -bf 2", ("mp2",)),
    Clip("mpeg2_ac3.vob", f"{_MPEG2} -bf 2", ("ac3",), rate=NTSC, more="-f vob"),
    Clip("flv1_mp3.flv", "flv -q:v 3 -pix_fmt yuv420p", ("libmp3lame -ar 44100",)),
    Clip("h264_aac.flv", f"{_X264} -bf 2", ("aac",)),
    Clip("wmv2_wmav2.wmv", "wmv2 -q:v 3 -pix_fmt yuv420p", ("wmav2",)),
    Clip("mpeg2_pcm.mxf", f"{_MPEG2} -bf 2", ("pcm_s16le",)),
    Clip("dnxhr_pcm.mxf", _DNXHR, ("pcm_s16le",), size=WIDE),
    Clip("theora_vorbis.ogv", "libtheora -q:v 8 -pix_fmt yuv420p", ("libvorbis",)),
    Clip("theora_silent.ogv", "libtheora -q:v 8 -pix_fmt yuv420p", rate=NTSC),
    Clip("h263_amr.3gp", "h263 -q:v 3 -pix_fmt yuv420p", ("aac",), size="176x144"),
    Clip("ntsc.dv", f"{_DV} -pix_fmt yuv411p", ("pcm_s16le -ac 2",), size="720x480", rate=NTSC),
    Clip("pal.dv", _DV, ("pcm_s16le -ac 2",), size="720x576"),
    Clip("raw.h264", f"{_X264} -bf 2"),
    # Attributes.
    Clip("two_languages.mp4", sounds=("aac -metadata:s:a:0 language=deu", "ac3 -metadata:s:a:1 language=jpn")),
    Clip(
        "two_languages_titled.mkv",
        sounds=(
            "aac -metadata:s:a:0 language=ger -metadata:s:a:0 title=Film",
            "libopus -metadata:s:a:1 language=eng -metadata:s:a:1 title=Commentary -disposition:a:1 comment",
        ),
    ),
    Clip("two_languages.ts", sounds=("aac -metadata:s:a:0 language=deu", "mp2 -metadata:s:a:1 language=eng")),
    Clip("surround.mkv", sounds=("ac3 -ac 6",)),
    Clip("rotated_90.mp4", sounds=("aac",), then="-i IN -c copy -metadata:s:v:0 rotate=90 OUT"),
    Clip("rotated_270.mov", then="-i IN -c copy -metadata:s:v:0 rotate=270 OUT"),
    Clip("rotated_180_sar.mp4", more="-vf setsar=4/3", then="-i IN -c copy -metadata:s:v:0 rotate=180 OUT"),
    Clip("anamorphic.mkv", _MPEG2, ("ac3",), more="-aspect 16:9"),
    Clip("anamorphic.mpg", _MPEG2, ("mp2",), more="-aspect 16:9"),
    Clip("bframes.mp4", f"{_X264} -bf 3 -x264-params b-adapt=0", ("aac",)),
    Clip("bframes.ts", f"{_X264} -bf 3 -x264-params b-adapt=0", ("aac",)),
    Clip("bframes_open_gop.mkv", f"{_X265} -bf 4 -x265-params log-level=error:open-gop=1:keyint=8", ("libopus",)),
    Clip("variable.mp4", sounds=("aac",), more="-vf select='lt(mod(n\\,7)\\,4)' -vsync vfr"),
    Clip("variable.mkv", more="-vf setpts='(N+0.4*mod(N\\,3))/25/TB' -vsync vfr"),
    Clip("variable_gap.webm", _VP8, ("libopus",), more="-vf select='lt(n\\,6)+gt(n\\,14)' -vsync vfr"),
    Clip("edit_list.mp4", f"{_X264} -bf 2 -g 8", ("aac",), then="-ss 0.3 -i IN -c copy OUT"),
    Clip("sound_first.mp4", sounds=("aac",), then="-i IN -itsoffset 0.24 -i IN -map 1:v -map 0:a -c copy OUT"),
    Clip("sound_late.mkv", sounds=("libopus",), then="-i IN -itsoffset 0.3 -i IN -map 0:v -map 1:a -c copy OUT"),
    Clip("starts_at_100.ts", sounds=("aac",), more="-output_ts_offset 100"),
    Clip("starts_at_7.mkv", sounds=("aac",), more="-output_ts_offset 7"),
    Clip("fragmented.mp4", f"{_X264} -bf 2 -g 8", ("aac",), more="-movflags frag_keyframe+empty_moov"),
    Clip("chapters.mp4", sounds=("aac",), chapters=True),
    Clip("chapters_tagged.mkv", sounds=("aac",), chapters=True, more=_FACTS),
    Clip("titles.mp4", sounds=("aac",), titles="mov_text -metadata:s:s:0 language=fra"),
    Clip("titles_srt.mkv", sounds=("aac",), titles="srt -metadata:s:s:0 language=fra -disposition:s:0 forced"),
    Clip("titles_ass.mkv", titles="ass -metadata:s:s:0 title=Signs"),
    Clip("titles.webm", _VP8, titles="webvtt"),
    Clip("cover.mp4", sounds=("aac",), cover=True),
    Clip("attached_tagged.mkv", sounds=("flac",), more=f"{_FACTS} -attach FONT -metadata:s:t mimetype=font/ttf"),
    Clip("tagged.mp4", sounds=("aac",), more=_FACTS),
    Clip("tagged.mov", sounds=("aac",), more=f"{_FACTS} -movflags use_metadata_tags"),
    Clip("tagged.avi", _MPEG4, ("libmp3lame",), more=_FACTS),
    Clip("tagged.flv", sounds=("aac",), more=_FACTS),
    Clip("tagged.ogv", "libtheora -q:v 8 -pix_fmt yuv420p", ("libvorbis",), more=_FACTS),
    Clip("tagged.wmv", "wmv2 -q:v 3 -pix_fmt yuv420p", ("wmav2",), more=_FACTS),
    Clip("service.ts", sounds=("aac",), more="-metadata service_name=Channel -metadata service_provider=Provider"),
    Clip("bt601.mp4", more=_BT601),
    Clip("bt709_full.mkv", f"{_X264} -pix_fmt yuvj420p", more=_BT709.replace("range tv", "range pc")),
    Clip("pq_10bit.mp4", f"{_X265} -pix_fmt yuv420p10le", ("aac",), more=_PQ),
    Clip("hlg_10bit.mkv", f"{_X265} -pix_fmt yuv420p10le", ("aac",), more=_HLG),
    Clip("10bit_h264.mkv", f"{_X264} -pix_fmt yuv422p10le", more=_BT709),
    Clip("444.mp4", f"{_X264} -pix_fmt yuv444p"),
    Clip("gray.mkv", "ffv1 -pix_fmt gray"),
    Clip("odd_size.mkv", "libx264 -preset ultrafast -pix_fmt yuv444p", size=ODD),
    Clip("odd_size.webm", _VP9, size=ODD),
    Clip("interlaced.mpg", f"{_MPEG2} -flags +ildct+ilme -top 1", ("mp2",), more="-vf setfield=tff"),
    Clip("interlaced.mp4", f"{_X264} -x264-params tff=1", ("aac",), more="-vf setfield=tff"),
    Clip("timecode.mov", sounds=("aac",), more="-timecode 01:02:03:04"),
    Clip("single_frame.mp4", more="-frames:v 1"),
)


def make(clip: Clip, folder: Path) -> Path:
    """The file, and how it is called."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=s={clip.size}:r={clip.rate}:d={SECONDS}"]
    maps = ["-map", "0:v"]
    for number in range(len(clip.sounds)):
        inputs += ["-f", "lavfi", "-i", f"sine=f={440 + 220 * number}:d={SECONDS}:r=48000"]
        maps += ["-map", f"{number + 1}:a"]
    codecs = ["-c:v:0", *shlex.split(clip.video)]
    for number, sound in enumerate(clip.sounds):
        encoder, *options = shlex.split(sound)
        codecs += [f"-c:a:{number}", encoder, *options]
    count = 1 + len(clip.sounds)
    if clip.titles:
        (folder / "titles.srt").write_text(_SRT)
        inputs += ["-i", str(folder / "titles.srt")]
        maps += ["-map", f"{count}:s"]
        codecs += ["-c:s", *shlex.split(clip.titles)]
        count += 1
    if clip.cover:
        cover = folder / "cover.png"
        _ffmpeg("-f", "lavfi", "-i", "color=teal:s=32x32:d=1", "-frames:v", "1", str(cover))
        inputs += ["-i", str(cover)]
        maps += ["-map", f"{count}:v"]
        codecs += ["-c:v:1", "copy", "-disposition:v:1", "attached_pic"]
        count += 1
    if clip.chapters:
        (folder / "chapters.txt").write_text(_CHAPTERS)
        inputs += ["-i", str(folder / "chapters.txt")]
        maps += ["-map_chapters", str(count)]
    target = folder / clip.name
    first = folder / f"first-{clip.name}" if clip.then else target
    (folder / "font.ttf").write_bytes(b"\0\1\0\0 a font")
    more = [str(folder / "font.ttf") if word == "FONT" else word for word in shlex.split(clip.more)]
    _ffmpeg(*inputs, *maps, *codecs, *more, str(first))
    if clip.then:
        names = {"IN": str(first), "OUT": str(target)}
        _ffmpeg(*(names.get(word, word) for word in shlex.split(clip.then)))
    return target


def _ffmpeg(*options: str) -> None:
    command: Sequence[str] = ("ffmpeg", "-nostdin", "-y", "-v", "error", "-threads", "1", *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
