"""Converts an exported model for Paddle Lite and PaddleX's Android demo; `--help` says how."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from human_segmentation.cli import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("lite"))
