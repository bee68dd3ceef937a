"""Writes masks, scores and cut-outs of photos; `python infer.py --help` says how."""

from human_segmentation.cli import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("infer"))
