"""A video from a pipe, whose bytes come once, is like one from a file."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from clips import copy, frames, sound_packets, write_clip

from human_segmentation.video.media import Span
from human_segmentation.video.track import SOUND_BEHIND
from human_segmentation.video.video_source import VideoSource


@contextmanager
def piped(path: Path) -> Iterator[Path]:
    """A pipe that gives a file's bytes."""
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
        yield Path(f"/dev/fd/{writer.stdout.fileno()}")


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
@pytest.mark.parametrize("span", [Span(), Span(Fraction("0.4"), Fraction("0.8"))])
def test_video_from_a_pipe_is_like_a_file(tmp_path: Path, name: str, span: Span) -> None:
    path = write_clip(tmp_path / name, 50, sound="aac")
    with piped(path) as pipe:
        copy(pipe, tmp_path / "b.mp4", span=span)
    copy(path, tmp_path / "c.mp4", span=span)
    assert len(frames(tmp_path / "b.mp4")[0]) == (50 if span == Span() else 10)
    assert frames(tmp_path / "b.mp4")[0] == frames(tmp_path / "c.mp4")[0]
    assert sound_packets(tmp_path / "b.mp4") == sound_packets(tmp_path / "c.mp4")


def test_a_pipe_with_an_end_is_read_until_the_sound_is_there(tmp_path: Path) -> None:
    """In this file, the sound of two seconds comes behind the pictures of two seconds."""
    path = write_clip(tmp_path / "a.mp4", 100, sound="aac", movflags="frag_keyframe+empty_moov", gop=50)
    span = Span(end=Fraction(3, 2))
    with piped(path) as pipe:
        copy(pipe, tmp_path / "b.mp4", span=span)
    copy(path, tmp_path / "c.mp4", span=span)
    assert len(sound_packets(tmp_path / "c.mp4")) > 60
    assert sound_packets(tmp_path / "b.mp4") == sound_packets(tmp_path / "c.mp4")


def test_sound_that_is_over_is_not_waited_for(tmp_path: Path) -> None:
    """Pictures may go on for ever."""
    path = write_clip(tmp_path / "a.ts", 25 * (SOUND_BEHIND + 20), sound="aac", sound_seconds=0.4)
    with piped(path) as pipe, VideoSource(pipe, Span(end=Fraction(1))) as source:
        source.audio[0].open()
        assert len(list(source)) == 25
        unread = sum(1 for _ in source._track._reading)
    assert 25 * 15 < unread < 25 * 20
