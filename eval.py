"""Measures a model; `python eval.py --help` says how."""

from human_segmentation.cli import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("eval"))
