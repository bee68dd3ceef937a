"""Frames from a video file or an address."""

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from human_segmentation.errors import DataError
from human_segmentation.video.dynamic_range import ToneMap
from human_segmentation.video.fit import FirstSize
from human_segmentation.video.frames import MILLISECOND, Frame, Source
from human_segmentation.video.media import WHOLE, Media, Span, pictures, sounds
from human_segmentation.video.orientation import upright
from human_segmentation.video.timeline import SLACK, Holes, Rising
from human_segmentation.video.track import SoundBeside, SoundTrack, Track

UNSPECIFIED = 2
"""FFmpeg's number for a colour matrix that the file does not name; players then go by the height."""
MOMENT = Fraction(1, 10)
"""Seconds; a picture that lasts longer stands still."""
FASTEST = 10_000
"""Frames a second; what claims more does not know."""
SD_HEIGHT = 576
"""Up to this height the matrix is BT.601, above it BT.709."""


class VideoSource(Source):
    """Frames of a video, turned upright and brought to square pixels as its metadata say.

    Damaged packets are skipped, frames of another size are fitted into the first one's, joined files follow one
    another, and a file that was cut off ends where it does: `notes` tells of it.

    Args:
        place: The file, or an address as text.
        span: The part that is wanted: frames from the first one at or after its start, with times from 0, and one
            before it that stands still then.

    Raises:
        DataError: The video is missing or none; from the iterator, when it has no frames that can be decoded.
    """

    def __init__(self, place: Path | str, span: Span = WHOLE) -> None:
        self._place = place
        self._span = span
        media = Media(place, span)
        self._container = media.open()
        streams = pictures(self._container)
        if not streams or self._container.format.name == "tty":  # to which any text is a video
            self._container.close()
            raise DataError(f"{place}: the file has no video stream that can be decoded; give a video")
        self._stream = streams[0]
        # What FFmpeg makes of damage differs from run to run where frames are decoded at the same time.
        self._stream.thread_type = "NONE"
        self.time_base = self._stream.time_base or MILLISECOND
        self.rate = self._frame_rate()
        self._moment = round(MOMENT / self.time_base)
        self._track = Track(media, self._container, self._stream)
        self._holes = Holes()
        self._duration = self._whole_duration()
        self.length = self._expected_length()
        self._first_size = FirstSize()
        self._tone_map = ToneMap()
        self._repaired = 0
        self._said: list[str] = []
        tracks = sounds(self._container)
        if not media.pipe and (isinstance(place, Path) or self._container.duration is not None):
            self.audio = tuple(SoundTrack(media, number) for number in range(len(tracks)))
        else:
            self.audio = tuple(SoundBeside(self._track, track) for track in tracks)
        lost = len(self._container.streams.audio) - len(tracks)
        if lost:
            self._said.append(f"sound tracks that cannot be decoded: {lost} left out")

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        start, behind = self._track.moments(self.time_base)
        came, end, whole = False, 0.0, False
        for stamp, decoded in self._from(start) if self._span.start > 0 else self._in_order():
            if behind is not None and stamp >= behind:
                if came:  # the last one may have stood still up to here
                    self.end = max(self.end or 0.0, float((behind - start) * self.time_base))
                self._track.read_on(behind * self.time_base)
                break
            duration = decoded.duration or 0
            end = float((stamp + duration) * self.time_base - self._track.beginning)
            if self._span.start > 0 and stamp < start:
                continue
            self._repaired += decoded.is_corrupt
            part = sum(joint < (stamp + 1) * self.time_base for joint in self._track.joints)
            self._holes(stamp, duration, part)
            time = float((stamp - start) * self.time_base)
            if behind is not None:
                duration = min(duration, max(behind - stamp, self._moment))
            self.end = self._end_of(time, float(duration * self.time_base)) if duration else None
            yield Frame(self._first_size(self._picture(decoded), time), stamp - start, time)
            came = True
        else:
            whole = True
            self._check_end(end)
        if not came and end:
            known = f"the video ends at {end:.1f} seconds" if whole else "give a longer part"
            raise DataError(f"{self._place}: no frames are between --start and --end; {known}")
        if not came:
            raise DataError(f"{self._place}: the video has no frames that can be decoded; copy or convert it again")

    def _frame_rate(self) -> Fraction | None:
        """Frames a second; some files have the unit of their times in the place of it."""
        average, guessed = self._stream.average_rate, self._stream.guessed_rate
        if average is None or (guessed is not None and average * self.time_base == 1):
            average = guessed
        return None if average is None or average > FASTEST else average

    def _end_of(self, time: float, duration: float) -> float:
        """When a frame ends. Where frames are stored in another order, FFmpeg can take one's duration for another's."""
        whole = math.inf if self._duration is None else self._duration - float(self._span.start)
        return time + duration if whole <= time else min(time + duration, whole)

    def _from(self, start: int) -> Iterator[tuple[int, VideoFrame]]:
        """`_in_order`, where a picture that stands still when the part begins comes once more, at `start`."""
        standing: VideoFrame | None = None
        end = 0
        for stamp, decoded in self._in_order():
            if standing is not None and stamp > start + self._moment:
                standing.duration = stamp - start
                yield start, standing
            yield stamp, decoded
            standing, end = (decoded, stamp + (decoded.duration or 0)) if stamp < start else (None, end)
            if standing is not None:
                self._track.damaged = 0  # in what nobody sees
        if standing is not None and end > start + self._moment:
            standing.duration = end - start
            yield start, standing

    def _in_order(self) -> Iterator[tuple[int, VideoFrame]]:
        """All frames with their time stamps, which rise."""
        step = round(1 / (self.rate or 25) / self.time_base)
        following = round(self._track.beginning / self.time_base)
        rising = Rising(self.time_base)
        for decoded in self._track.frames():
            stamp = rising(following if decoded.pts is None else decoded.pts)
            if stamp is None:
                self._track.damaged += 1
            else:
                following = stamp + step
                yield stamp, decoded

    def _check_end(self, end: float) -> None:
        """A file that was cut off is decoded without an error; its header still says how long it was."""
        broken = self._track.broken
        if broken is not None or (self._duration is not None and end < self._duration - SLACK):
            whole = "" if self._duration is None else f" of {self._duration:.1f}"
            self._said.append(f"the video ends early, at {end:.1f}{whole} seconds" + (f" ({broken})" if broken else ""))

    def notes(self) -> list[str]:
        """See `Source`."""
        said = self._first_size.notes + self._said
        track = self._track
        # Without damage, a hole is a picture that stands still.
        lost = max(track.damaged, self._holes.missing) if track.damaged or self._repaired or track.incomplete else 0
        if lost or self._repaired:
            said.append(f"damaged frames: {lost} left out, {self._repaired} repaired as well as can be")
        if track.joints:
            said.append("the time begins anew, as in files that were joined byte by byte; the parts follow one another")
        return [f"{self._place}: {note}" for note in said]

    def _whole_duration(self) -> float | None:
        """Seconds from the beginning of the file to the end of its last frame, as the header has it."""
        beginning = self._track.beginning
        if self._stream.duration is not None:
            return float(((self._stream.start_time or 0) + self._stream.duration) * self.time_base - beginning)
        # Matroska's header proper has one duration for pictures and sound.
        tag = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", self._stream.metadata.get("DURATION", ""))
        if tag is not None:
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - float(beginning)
        if self._container.duration is not None and len(self._container.streams) == 1:
            return float(Fraction(self._container.duration, av.time_base) - beginning)
        return None

    def _expected_length(self) -> int | None:
        """How many frames the part has, where the rate does not vary."""
        if self._duration is None or self.rate is None:
            return None
        late = (self._stream.start_time or 0) * self.time_base - self._track.beginning
        start, behind = self._span.units(1 / self.rate)
        whole = round(self._duration * self.rate)
        return max(0, (whole if behind is None else min(whole, behind)) - max(start, round(late * self.rate)))

    def _picture(self, decoded: VideoFrame) -> NDArray[np.uint8]:
        """BGR picture of a decoded frame, upright, with square pixels."""
        width = round(decoded.width * (self._stream.sample_aspect_ratio or 1))
        hd = decoded.colorspace == UNSPECIFIED and decoded.height > SD_HEIGHT
        matrix = Colorspace.ITU709 if hd else None
        mapped = self._tone_map(decoded)
        image: NDArray[Any] = mapped.to_ndarray(format="bgr24", width=width, src_colorspace=matrix)
        return upright(image, decoded)
