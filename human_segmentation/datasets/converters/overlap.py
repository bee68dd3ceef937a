"""Putting a small picture into a large one, wherever it lies."""


def overlap(
    frame: tuple[int, ...], patch: tuple[int, ...], left: int, top: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a patch that lies inside a frame; empty where none does.

    Args:
        frame: Height and width of the frame.
        patch: Height and width of the patch.
        left: Column of the frame where the patch's first column lies; may be negative.
        top: Row of the frame where the patch's first row lies; may be negative.

    Returns:
        The rows and columns of the frame, and those of the patch.
    """
    there, here = [], []
    for start, size, room in ((top, patch[0], frame[0]), (left, patch[1], frame[1])):
        first, last = min(max(start, 0), room), max(min(start + size, room), 0)
        there.append(slice(first, last))
        here.append(slice(first - start, last - start))
    return (there[0], there[1]), (here[0], here[1])
