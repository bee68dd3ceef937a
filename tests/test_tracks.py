"""Sound tracks that are left out are named, and texts in any encoding are no obstacle."""

from pathlib import Path

import av
import pytest
from clips import SOUND_RATE, frames, index_of, plain, sound_packets, tone, write_clip

from human_segmentation.video.video_sink import VideoSink
from human_segmentation.video.video_source import VideoSource


def write_tracks(path: Path, count: int) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        tracks = [container.add_stream("aac", rate=SOUND_RATE, layout="stereo") for _ in range(count)]
        for i in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(plain(i), format="bgr24")))
        container.mux(video.encode(None))
        for track in tracks:
            container.mux(track.encode(tone(1)) + track.encode(None))
    return path


def sound_notes(path: Path, target: Path) -> list[str]:
    with VideoSource(path) as source, VideoSink(target, source) as sink:
        for frame in source:
            sink.write(frame.image, frame.pts)
        sink.complete()
    return source.notes() + sink.notes()


@pytest.mark.parametrize(("count", "said"), [(1, []), (2, ["2 sound tracks"]), (3, ["3 sound tracks"])])
def test_of_several_sound_tracks_the_first_is_kept(tmp_path: Path, count: int, said: list[str]) -> None:
    path = write_tracks(tmp_path / "a.mkv", count)
    notes = sound_notes(path, tmp_path / "b.mkv")
    assert notes == [f"{path}: only one of its {tracks} was kept" for tracks in said]
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert len(container.streams.audio) == 1
    assert sound_packets(tmp_path / "b.mkv") == sound_packets(path)


def test_sound_that_nothing_decodes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 10, sound="aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"xyz1").replace(b"esds", b"free"))
    assert sound_notes(path, tmp_path / "b.mp4") == [f"{path}: its sound cannot be decoded and was left out"]
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert not container.streams.audio
    assert len(frames(tmp_path / "b.mp4")[0]) == 10


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_texts_that_are_not_utf_8(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Cafe one"
        video = container.add_stream("ffv1" if name == "a.avi" else "libx264", rate=25)
        video.width, video.height = 64, 48
        sound = container.add_stream("mp3", rate=SOUND_RATE, layout="stereo")
        sound.metadata["title"] = sound.metadata["handler_name"] = "Cafe two"
        for i in range(10):
            container.mux(video.encode(av.VideoFrame.from_ndarray(plain(i), format="bgr24")))
        container.mux(video.encode(None) + sound.encode(tone(0.4)) + sound.encode(None))
    data, packets = path.read_bytes(), sound_packets(path)
    assert data.count(b"Cafe") >= 2
    path.write_bytes(data.replace(b"Cafe", b"Caf\xe9"))
    assert sound_notes(path, tmp_path / "b.mkv") == []
    assert [index_of(image, 10) for image in frames(tmp_path / "b.mkv")[1]] == list(range(10))
    assert sound_packets(tmp_path / "b.mkv") == packets
