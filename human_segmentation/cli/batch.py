"""Many inputs, one after the other: `--input_dir`."""

import argparse
import gc
import glob
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from human_segmentation.cli.inputs import input_path, span_of
from human_segmentation.cli.outputs import Job
from human_segmentation.errors import BusyError, DataError, OutputError
from human_segmentation.photos import SUFFIXES, is_photo

VIDEOS = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
    ".vob", ".webm", ".wmv",
)  # fmt: skip
"""Suffixes of videos: FFmpeg would take a text file for one too."""


def find_inputs(args: argparse.Namespace) -> list[tuple[argparse.Namespace, Path]]:
    """The photos and videos of `--input_dir`, sorted by name; what is neither is passed over.

    Returns:
        For each, the arguments as if it alone had been given, and its place in the folder, or in the one before the
        first wildcard.

    Raises:
        DataError: There are none, or other arguments do not go with `--input_dir`.
    """
    for other in ("fps", "raw_size", "output"):
        if getattr(args, other) is not None:
            raise DataError(f"--{other}: it does not go with --input_dir, whose results go to --save_dir; leave it out")
    span_of(args)  # where this is wrong, no file is to blame
    root, pattern = _split(args.input_dir)
    if args.save_dir.resolve() == root.resolve():
        raise DataError(f"--save_dir {args.save_dir}: results would mix with what they are made from; choose another")
    inputs = []
    # Other than pathlib's, this one passes over hidden files.
    for name in sorted(set(glob.glob(pattern, root_dir=root, recursive=True))):  # noqa: PTH207
        path = root / name
        flag = _flag(path)
        if flag is not None and not _is_result(path, root, args.save_dir):
            inputs.append((_alone(args, flag, path), Path(name)))
    if not inputs:
        raise DataError(
            f"{args.input_dir}: there are no photos or videos; give a folder that has some, or a quoted pattern such "
            "as 'clips/*.mp4'"
        )
    return inputs


def _split(given: Path) -> tuple[Path, str]:
    """A folder, and the pattern of the files in it."""
    if given.is_dir():
        return given, "*"
    root = next(folder for folder in given.parents if not glob.has_magic(os.fspath(folder)))
    return root, os.fspath(given.relative_to(root))


def _is_result(path: Path, root: Path, save_dir: Path) -> bool:
    """Whether `path` is in a `save_dir` that is somewhere in the folder `root` itself."""
    save_dir = save_dir.resolve()
    return root.resolve() in save_dir.parents and save_dir in path.resolve().parents


def _flag(path: Path) -> str | None:
    """The argument that takes such a file, if any does."""
    if not path.is_file():
        return None
    suffix = path.suffix.lower()
    if suffix in VIDEOS:
        return "video_path"
    return "image_path" if suffix in SUFFIXES or is_photo(path) else None


def _alone(args: argparse.Namespace, flag: str, path: Path) -> argparse.Namespace:
    """The arguments with one input; a photo does without those that are for videos."""
    changes = {"input_dir": None, flag: path}
    if flag == "image_path":
        changes |= dict.fromkeys(("codec", "crf", "preset", "start", "end", "temporal"))
    return argparse.Namespace(**vars(args) | changes)


def run_batch(jobs: Sequence[Job], save_dir: Path, work: Callable[[Job], object]) -> int:
    """Does what is not done yet. A bad input does not end it; a place that cannot be written does, as for all others.

    Results appear whole or not at all, so one that is there is finished, whenever and however the run before ended. Two
    runs at a time share what is to be done.

    Args:
        jobs: What is to be done.
        save_dir: The folder that the summary names.
        work: Does one.

    Returns:
        The exit code: 2 where an input was bad, or another run is still at it.

    Raises:
        DataError: Two results would have the same name.
        OutputError: A result cannot be written, as on a full disk.
    """
    _check_names(jobs)
    waiting = [job for job in jobs if not job.finished]
    finished = len(jobs) - len(waiting)
    made, failed = 0, []
    try:
        with tqdm(waiting, initial=finished, total=len(jobs), unit="file", disable=None) as bar:
            for job in bar:
                if job.finished:  # by another run
                    finished += 1
                    continue
                try:
                    work(job)
                    made += 1
                except (DataError, BusyError) as error:
                    failed.append(str(input_path(job.args)))
                    tqdm.write(f"error: {error}", file=sys.stderr)
                except OutputError:
                    failed.append(str(input_path(job.args)))
                    raise
                finally:
                    # PyAV's containers and streams hold each other, and Python does not know how much they hold.
                    gc.collect()
    finally:
        print(_summary(save_dir, made, finished, failed))
    return 2 if failed else 0


def _check_names(jobs: Sequence[Job]) -> None:
    taken: dict[Path | None, Path | str | None] = {}
    for job in jobs:
        path = input_path(job.args)
        if job.output in taken:
            raise DataError(
                f"{taken[job.output]} and {path}: both results would be {job.output}; rename one or move it elsewhere"
            )
        taken[job.output] = path


def _summary(save_dir: Path, made: int, finished: int, failed: Sequence[str]) -> str:
    text = f"{save_dir}: {made} made"
    if finished:
        text += f", {finished} there already (to make them again, delete them or choose another --save_dir)"
    if failed:
        text += f", {len(failed)} failed: {', '.join(failed)}"
    return text
