"""Each form of a model that ships has the model's one card."""

import re

import pytest
from conftest import ROOT

WEIGHTS = ROOT / "pretrain_weights"


@pytest.mark.parametrize("model", ["humanseg_mobile", "portraitnet"])
def test_the_card_of_a_model(model):
    cards = [WEIGHTS / f"{model}_{form}" / "MODEL_CARD.md" for form in ("params", "inference", "quant")]
    text = cards[0].read_text(encoding="utf-8")
    for card in cards:
        assert card.read_text(encoding="utf-8") == text
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
        assert links
        assert [link for link in links if not (card.parent / link).is_file()] == []
