"""Fixtures that several tests use."""

import os
from pathlib import Path

import pytest

# paddle reads this when it is imported.
os.environ.setdefault("GLOG_minloglevel", "3")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The exported model that ships."""
    return ROOT / "pretrain_weights" / "humanseg_mobile_inference"


@pytest.fixture(scope="session")
def legacy() -> Path:
    """A real PaddleX 1.3 model; it is no part of the repository."""
    folder = ROOT.parent / "shared" / "legacy"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
