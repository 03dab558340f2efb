"""What a person sees while training runs."""

import io

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from pdejax.training import progress


@pytest.mark.parametrize("width", [80, 120])
def test_a_training_bar_shows_whole_words_and_says_which_time_is_which(width, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **options: Console(width=width, file=out, force_terminal=True))
    shown = progress.TrainingProgress(40_000, 0, 16)
    shown.advance(20_000, {"loss": np.array([2.0, 1.234e-3])}, 600.0)
    shown.close()
    text = Text.from_ansi(out.getvalue()).plain.splitlines()[-1]
    for word in ("train", "20000/40000", "loss 1.234e-03", "33.3 updates/s", "0:00 so far, ", "left"):
        assert word in text
    assert ("533 samples/s" in text) == (width == 120)
    assert "…" not in text
