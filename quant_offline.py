"""Quantises a trained model to INT8; `python quant_offline.py --help` says how."""

from human_segmentation.cli import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("quant"))
