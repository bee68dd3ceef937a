"""Time stamps that rise, also where a file is damaged or its time begins anew."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av

SLACK = Fraction(1, 2)
"""Seconds by which time stamps and headers may be out of true."""
RARE = 10
"""Only one in so many frames may have a hole behind it, or the rate varies and holes tell nothing."""


class Timeline:
    """Puts the packets of a file on one time, also where files were joined byte by byte and their time begins anew.

    A part begins when all pictures and sound before it are over, so that the two stay together. A single packet whose
    time fits neither the packet before it nor the one behind it goes without.

    Attributes:
        joints: When the parts behind the first one begin, in seconds.
    """

    def __init__(self) -> None:
        self.joints: list[Fraction] = []
        self._shifts = [Fraction(0)]
        self._parts: dict[int, int] = {}
        self._last: dict[int, Fraction] = {}
        self._end = Fraction(0)

    def __call__(self, packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
        """The packets, each as soon as the next one of its stream is known."""
        waiting: dict[int, av.Packet] = {}
        for packet in packets:
            before = waiting.get(packet.stream.index)
            waiting[packet.stream.index] = packet
            if before is not None:
                yield self._moved(before, packet)
        for packet in waiting.values():
            yield self._moved(packet, packet)

    def _moved(self, packet: av.Packet, following: av.Packet) -> av.Packet:
        # Decoding times rise in a file; pictures are shown in another order.
        if packet.dts is not None and following.dts is not None:
            self._judge(packet, packet.dts * packet.time_base, following.dts * following.time_base)
        shift = round(self._shifts[self._parts.get(packet.stream.index, 0)] / packet.time_base)
        if packet.dts is not None:
            packet.dts += shift
        if packet.pts is not None:
            packet.pts += shift
            self._end = max(self._end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        return packet

    def _judge(self, packet: av.Packet, time: Fraction, following: Fraction) -> None:
        """Finds out whether a packet begins a part, and whether it has a time of its own."""
        stream = packet.stream.index
        last = self._last.get(stream, min(time, following))
        part = self._parts.setdefault(stream, len(self.joints))
        if last <= following and not last - SLACK <= time <= following + SLACK:
            packet.pts = packet.dts = None
            return
        if time < last - SLACK:
            if part == len(self.joints):  # no other stream has begun it
                begin = time if packet.pts is None else packet.pts * packet.time_base
                self._shifts.append(self._end - begin)
                self.joints.append(self._end)
            self._parts[stream] = len(self.joints)
        self._last[stream] = time


class Rising:
    """Time stamps of one stream, which rise.

    Args:
        time_base: Their unit, in seconds.
        least: By how many units they rise at least. Pictures that were rounded to the same time must not be taken for
            one; sound may come in pieces that are shorter than the unit.
    """

    def __init__(self, time_base: Fraction, least: int = 1) -> None:
        self._time_base = time_base
        self._least = least
        self._last: int | None = None

    def __call__(self, stamp: int) -> int | None:
        """The time stamp; None for what comes too late, as decoders may keep a picture back where there is damage."""
        if self._last is not None:
            if (self._last - stamp) * self._time_base > SLACK:
                return None
            stamp = max(stamp, self._last + self._least)
        self._last = stamp
        return stamp


class Holes:
    """Counts the frames that are missing between those that came."""

    def __init__(self) -> None:
        self._steps = self._holes = self._missing = 0
        self._end: int | None = None
        self._part = 0

    def __call__(self, stamp: int, duration: int, part: int) -> None:
        """Takes the next frame: its time stamp, how long it lasts (0 where not known), and the part it belongs to."""
        if self._end is not None and duration and part == self._part:
            missing = max(0, round((stamp - self._end) / duration))
            self._steps += 1
            self._holes += missing > 0
            self._missing += missing
        self._end, self._part = stamp + duration, part

    @property
    def missing(self) -> int:
        """How many they are; 0 where the rate varies."""
        return self._missing if self._holes * RARE <= self._steps else 0
