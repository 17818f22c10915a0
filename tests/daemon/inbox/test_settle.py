"""When a file is complete."""

from __future__ import annotations

from pathlib import Path

from daemon.inbox.settle import Settler, open_for_writing

CLIP = Path("/inbox/clip.mp4")


def test_a_file_is_ready_once_it_was_unchanged_for_the_settle_time() -> None:
    settler = Settler(3.0)
    assert not settler.observe(CLIP, ((1, 10, 5),), now=100.0)
    assert settler.next_due() == 103.0
    assert not settler.observe(CLIP, ((1, 10, 5),), now=102.9)
    assert settler.observe(CLIP, ((1, 10, 5),), now=103.0)


def test_any_change_begins_the_wait_again() -> None:
    settler = Settler(3.0)
    settler.observe(CLIP, ((1, 10, 5),), now=100.0)
    assert not settler.observe(CLIP, ((1, 11, 5),), now=103.0)
    assert not settler.observe(CLIP, ((1, 11, 5), (2, 4, 6)), now=105.9)
    assert not settler.observe(CLIP, ((1, 11, 5), (2, 4, 6)), now=106.1)
    assert settler.observe(CLIP, ((1, 11, 5), (2, 4, 6)), now=109.0)
    assert round(settler.unchanged_s(CLIP, 110.0), 1) == 4.1


def test_a_postponed_file_is_tried_ever_less_often_and_a_parked_one_not_at_all() -> None:
    settler = Settler(0.0)
    settler.observe(CLIP, ((1,),), now=0.0)
    settler.postpone(CLIP, 0.0)
    first = settler.next_due()
    settler.postpone(CLIP, first)
    assert settler.next_due() - first > first
    settler.park(CLIP)
    assert not settler.observe(CLIP, ((1,),), now=1e9)
    assert settler.observe(CLIP, ((2,),), now=1e9)


def test_files_that_are_gone_are_forgotten() -> None:
    settler = Settler(1.0)
    settler.observe(CLIP, ((1,),), now=0.0)
    settler.forget_others(set())
    assert settler.next_due() == float("inf")


def test_a_file_whose_turn_is_not_yet_waits_without_counting_as_tried() -> None:
    settler = Settler(0.0)
    settler.observe(CLIP, ((1,),), now=0.0)
    settler.delay(CLIP, 5.0)
    assert not settler.tried(CLIP)
    assert settler.next_due() == 5.0
    settler.postpone(CLIP, 5.0)
    assert settler.tried(CLIP)
    settler.observe(CLIP, ((2,),), now=5.0)
    assert not settler.tried(CLIP)


def test_the_kernel_knows_who_is_still_writing(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with clip.open("wb") as writer, clip.open("rb") as reader:
        writer.write(b"half of it")
        writer.flush()
        assert open_for_writing(reader.fileno())
    with clip.open("rb") as reader, clip.open("rb"):
        assert not open_for_writing(reader.fileno())
