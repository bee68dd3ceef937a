"""Every sound track is kept, those that cannot be are named, and texts in any encoding are no obstacle."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import SOUND_RATE, frames, index_of, plain, sound_packets, sound_span, tone, write_clip

from human_segmentation.video.video_sink import VideoSink
from human_segmentation.video.video_source import VideoSource

LANGUAGES = ("eng", "ger", "jpn")


def write_tracks(path: Path, sound: str = "aac", default: int = 0) -> Path:
    """Three sound tracks of different pitch: one of the length of the pictures, a long one and one that begins late."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        tracks = [container.add_stream(sound, rate=SOUND_RATE, layout="stereo") for _ in LANGUAGES]
        for track in tracks:
            track.bit_rate = 128_000
        tracks[default].disposition = av.stream.Disposition.default
        for track, language in zip(tracks, LANGUAGES, strict=True):
            track.metadata["language"] = language
        for i in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(plain(i), format="bgr24")))
        container.mux(video.encode(None))
        tones = tone(1), tone(1.5, frequency=880), tone(0.5, start=0.5, frequency=1760)
        for track, frame in zip(tracks, tones, strict=True):
            container.mux(track.encode(frame) + track.encode(None))
    return path


def notes_of_copy(path: Path, target: Path) -> list[str]:
    with VideoSource(path) as source, VideoSink(target, source) as sink:
        for frame in source:
            sink.write(frame.image, frame.pts)
        sink.complete()
    return source.notes() + sink.notes()


def pitch(path: Path, track: int) -> float:
    """The strongest frequency of a sound track, in Hz."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=track))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return np.abs(np.fft.rfft(samples)).argmax() * frames[0].sample_rate / len(samples)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov"])
def test_all_sound_tracks_are_copied(tmp_path: Path, name: str) -> None:
    path, target = write_tracks(tmp_path / "source.mkv"), tmp_path / name
    assert notes_of_copy(path, target) == []
    for track, language in enumerate(LANGUAGES):
        with av.open(str(target)) as container:
            assert len(container.streams.audio) == len(LANGUAGES)
            assert container.streams.audio[track].metadata["language"] == language
        assert sound_packets(target, track) == sound_packets(path, track)
        assert sound_span(target, track) == pytest.approx(sound_span(path, track), abs=0.002)


def test_all_sound_tracks_are_encoded(tmp_path: Path) -> None:
    path, target = write_tracks(tmp_path / "a.mkv", "pcm_s16le"), tmp_path / "a.webm"
    assert notes_of_copy(path, target) == []
    for track, frequency in enumerate((440, 880, 1760)):
        assert pitch(target, track) == pytest.approx(frequency, abs=5)
        assert sound_span(target, track) == pytest.approx(sound_span(path, track), abs=0.03)


@pytest.mark.parametrize("sound", ["pcm_s16le", "pcm_s24le"])
@pytest.mark.parametrize("name", ["a.mov", "b.mkv"])
def test_holes_in_pcm_stay(tmp_path: Path, name: str, sound: str) -> None:
    """A second of one pitch, 1.4 seconds of nothing and half a second of another pitch."""
    pieces = [tone(1), tone(0.5, start=2.4, frequency=880)]
    path, target = write_clip(tmp_path / "source.mkv", 75, sound=sound, pieces=pieces), tmp_path / name
    assert notes_of_copy(path, target) == []
    heard = np.zeros(3 * SOUND_RATE)
    with av.open(str(target)) as container:
        for frame in container.decode(audio=0):
            first = round(frame.pts * frame.time_base * SOUND_RATE)
            heard[first : first + frame.samples] = frame.to_ndarray().reshape(-1, 2)[:, 0]
    loud = np.flatnonzero(np.abs(heard) > 0.05 * np.abs(heard).max()) / SOUND_RATE
    (last_before,) = np.flatnonzero(np.diff(loud) > 0.1)
    edges = loud[[0, last_before, last_before + 1, -1]]
    assert edges == pytest.approx([0, 1, 2.4, 2.9], abs=0.01)


@pytest.mark.parametrize(("spoilt", "kept"), [(3, ()), (1, (880, 1760))])
def test_sound_that_nothing_decodes(tmp_path: Path, spoilt: int, kept: tuple[int, ...]) -> None:
    path, target = write_tracks(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    data = path.read_bytes().replace(b"mp4a", b"xyz1", spoilt).replace(b"esds", b"free", spoilt)
    path.write_bytes(data)
    assert notes_of_copy(path, target) == [f"{path}: sound tracks that cannot be decoded: {spoilt} left out"]
    with av.open(str(target)) as container:
        assert len(container.streams.audio) == len(kept)
    for track, frequency in enumerate(kept):
        assert pitch(target, track) == pytest.approx(frequency, abs=5)
    assert len(frames(target)[0]) == 25


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
    assert notes_of_copy(path, tmp_path / "b.mkv") == []
    assert [index_of(image, 10) for image in frames(tmp_path / "b.mkv")[1]] == list(range(10))
    assert sound_packets(tmp_path / "b.mkv") == packets


def test_languages_have_the_code_that_the_container_knows(tmp_path: Path) -> None:
    """ISO 639-2 has two for some; MKV takes both, and FFmpeg knows one of them in MOV."""
    codes = {
        "fre": "fra",
        "fra": "fra",
        "deu": "ger",
        "ger": "ger",
        "nld": "dut",
        "zho": "chi",
        "ell": "gre",
        "jpn": "jpn",
    }
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        tracks = [container.add_stream("aac", rate=SOUND_RATE, layout="stereo") for _ in codes]
        for track, code in zip(tracks, codes, strict=True):
            track.metadata["language"] = code
        container.mux(video.encode(av.VideoFrame.from_ndarray(plain(0), format="bgr24")) + video.encode(None))
        for track in tracks:
            container.mux(track.encode(tone(0.1)) + track.encode(None))
    for name in ("b.mov", "b.mkv", "b.mp4"):
        notes_of_copy(path, tmp_path / name)
        with av.open(str(tmp_path / name)) as container:
            found = [track.language for track in container.streams.audio]
        assert found == list(codes.values() if name == "b.mov" else codes)


@pytest.mark.parametrize("name", ["b.mkv", "b.mp4", "b.mov"])
def test_the_track_that_is_heard_stays_the_same(tmp_path: Path, name: str) -> None:
    path = write_tracks(tmp_path / "a.mkv", default=1)
    notes_of_copy(path, tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        heard = [bool(track.disposition & av.stream.Disposition.default) for track in container.streams.audio]
    assert heard == [False, True, False]


@pytest.mark.parametrize("name", ["b.mkv", "b.mp4"])
def test_sound_in_pieces_that_are_shorter_than_the_unit_of_time(tmp_path: Path, name: str) -> None:
    """Pieces of 0.83 ms, as TrueHD has, where the unit is 1 ms."""
    pieces, samples = [], tone(4).to_ndarray()
    for first in range(0, 4 * SOUND_RATE, 40):
        piece = av.AudioFrame.from_ndarray(samples[:, 2 * first : 2 * first + 80], format="s16", layout="stereo")
        piece.sample_rate, piece.pts, piece.time_base = SOUND_RATE, first, Fraction(1, SOUND_RATE)
        pieces.append(piece)
    path = write_clip(tmp_path / "a.mkv", 100, sound="pcm_s16le", pieces=pieces)
    assert len(sound_packets(path)) == 4800
    assert notes_of_copy(path, tmp_path / name) == []
    assert sound_span(tmp_path / name) == pytest.approx((0, 4), abs=0.03)


def test_what_the_decoder_holds_back_has_no_time(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.wmv", "wmav2")
    assert not any("damaged" in note for note in notes_of_copy(path, tmp_path / "b.mp4"))
    assert sound_span(tmp_path / "b.mp4", 1)[1] > 1.53  # the last 43 ms of what WMA delays by as much


@pytest.mark.parametrize("name", ["b.mkv", "b.mp4"])
def test_sound_that_is_cut_off_stays_cut_off(tmp_path: Path, name: str) -> None:
    """An MP4 whose sound begins a second before its pictures, and says that this second is not to be heard."""
    path = write_clip(tmp_path / "a.mp4", 25, sound="aac", sound_seconds=2, sound_start=-1)
    with av.open(str(path)) as container:
        assert sum(packet.is_discard for packet in container.demux(audio=0)) > 30
    notes_of_copy(path, tmp_path / name)
    times, _ = frames(tmp_path / name)
    assert times[0] < 0.15
    with av.open(str(tmp_path / name)) as container:
        heard = [frame.time - times[0] for frame in container.decode(audio=0)]
    assert -0.15 < heard[0] <= 0.05
    assert heard[-1] == pytest.approx(1, abs=0.1)


def test_a_tape_has_its_own_rate(tmp_path: Path) -> None:
    """In raw DV, FFmpeg gives the unit of times for the rate."""
    path = tmp_path / "a.dv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("dvvideo", rate=25)
        video.width, video.height, video.pix_fmt = 720, 576, "yuv420p"
        track = container.add_stream("pcm_s16le", rate=SOUND_RATE, layout="stereo")
        for i in range(10):
            picture = av.VideoFrame.from_ndarray(plain(i, (720, 576)), format="bgr24")
            picture.pts = i
            container.mux(track.encode(tone(0.04, start=0.04 * i)))
            container.mux(video.encode(picture))
        container.mux(video.encode(None) + track.encode(None))
    notes_of_copy(path, tmp_path / "b.mp4")
    times, _ = frames(tmp_path / "b.mp4")
    assert times == pytest.approx([0.04 * i for i in range(10)], abs=1e-3)
