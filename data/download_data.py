"""Fetches the data that PaddleX 1.3's tutorial names; `--help` says how."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from human_segmentation.cli.download import DATA, main

if __name__ == "__main__":
    raise SystemExit(main(DATA, Path(__file__).resolve().parent))
