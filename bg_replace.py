"""Replaces the background of a photo, a video or the camera; `python bg_replace.py --help` says how."""

from human_segmentation.cli import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("replace"))
