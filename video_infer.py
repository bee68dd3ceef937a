"""Puts the person of a video or the camera on white; `python video_infer.py --help` says how."""

from human_segmentation.cli import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("video"))
