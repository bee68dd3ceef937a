"""Files that were joined byte by byte follow one another, pictures and sound together."""

from pathlib import Path

import av
import numpy as np
import pytest
from clips import copy, frames, index_of, read, sound_packets, sound_span, write_clip
from numpy.typing import NDArray

NOTE = "the time begins anew, as in files that were joined byte by byte; the parts follow one another"


def write_joined(path: Path, count: int, sound_seconds: float | None = None) -> Path:
    write_clip(path, count, sound="aac", sound_seconds=sound_seconds)
    path.write_bytes(path.read_bytes() * 3)
    return path


def test_joined_files_follow_one_another_with_their_sound(tmp_path: Path) -> None:
    path = write_joined(tmp_path / "a.ts", 30)
    source, read_frames = read(path)
    assert [index_of(frame.image, 30) for frame in read_frames] == list(range(30)) * 3
    steps = np.diff([frame.time for frame in read_frames])
    assert np.delete(steps, [29, 59]) == pytest.approx([0.04] * 87, abs=1e-4)
    assert 0.04 <= min(steps[[29, 59]]) <= max(steps[[29, 59]]) < 0.09  # the last packet of sound is a little longer
    assert source.notes() == [f"{path}: {NOTE}"]
    copy(path, tmp_path / "b.mp4")
    assert sound_span(tmp_path / "b.mp4")[1] == pytest.approx(3.6, abs=0.1)
    assert len(sound_packets(tmp_path / "b.mp4")) == len(sound_packets(path))


def loud_moments(path: Path) -> NDArray[np.float64]:
    with av.open(str(path)) as container:
        loud = [frame.time for frame in container.decode(audio=0) if np.abs(frame.to_ndarray()).max() > 0.1]
    return np.array(loud)


@pytest.mark.parametrize("target", ["b.mp4", "b.webm"])
@pytest.mark.parametrize(("pictures", "sound"), [(2, 1), (1, 2)])
def test_parts_with_more_pictures_or_more_sound_stay_together(
    tmp_path: Path, pictures: int, sound: int, target: str
) -> None:
    path = write_joined(tmp_path / "a.ts", 25 * pictures, sound)
    source, read_frames = read(path)
    assert len(read_frames) == 75 * pictures
    assert source.notes() == [f"{path}: {NOTE}"]
    copy(path, tmp_path / target)
    begins = frames(tmp_path / target)[0][:: 25 * pictures]
    assert begins == pytest.approx([0, 2, 4], abs=0.12)
    moments = loud_moments(tmp_path / target)
    for begin in begins:
        own = moments[(moments > begin - 0.05) & (moments < begin + 1.95)] - begin
        assert (own[0], own[-1]) == pytest.approx((0, min(sound, 1.95)), abs=0.08)
