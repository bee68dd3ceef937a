"""HDR pictures with the colours of ordinary ones, which is what networks and results know."""

from fractions import Fraction
from typing import cast

import av
from av.video.frame import VideoFrame

HDR = (16, 18)
"""FFmpeg's numbers for the transfer functions PQ and HLG (ITU-R BT.2100)."""


class ToneMap:
    """Brings HDR pictures to BT.709: bright parts are compressed, colours that BT.709 lacks are moved to near ones."""

    def __init__(self) -> None:
        self._kind: tuple[str, int, int] | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """Maps a frame to one in 8-bit BGR; one that is no HDR stays as it is."""
        if frame.color_trc not in HDR:
            return frame
        kind = (frame.format.name, frame.width, frame.height)
        if kind != self._kind:
            self._kind, self._graph = kind, self._built(frame)
        self._graph.push(frame)
        return cast(VideoFrame, self._graph.pull())

    def _built(self, frame: VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)),
            graph.add("scale", "intent=perceptual:out_primaries=bt709:out_transfer=bt709:flags=bilinear+accurate_rnd"),
            graph.add("format", "bgr24"),
            graph.add("buffersink"),
        ).configure()
        return graph
