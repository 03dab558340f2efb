from pathlib import Path

import pytest


@pytest.fixture
def problem():
    """A problem file of the user's own."""
    return """\
# A problem of the user's own.
name: mine
equation: {terms: "u_t = nu*u_xx - k*u", parameters: {nu: 1e-2, k: 1.0}}
domain:
  shape: [32]
  lengths: [1.0]
initial: {kind: truncated_fourier, cutoff: 3}
time:
  step: 0.1
splits:
  train: {trajectories: 4, frames: 9}
  valid: {trajectories: 2, frames: 9}
  test: {trajectories: 2, frames: 9}
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes files below `mine/` in the current folder, which is empty otherwise; gives the folder."""
    monkeypatch.chdir(tmp_path)

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "mine"

    return write
