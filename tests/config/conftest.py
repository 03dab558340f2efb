from pathlib import Path

import pytest

from pdejax.config import packaged_folder
from pdejax.config._yaml import read_yaml
from pdejax.core import registered


@pytest.fixture
def words_for():
    """The words that choose a shipped file, and a problem it goes with."""

    def words(group: str, name: str) -> list[str]:
        chosen = [f"{group}={name}"]
        if group in ("problem", "experiment"):
            return chosen
        kind = read_yaml((packaged_folder() / group / f"{name}.yaml").read_text())[0].get("kind")
        fields = kind in (*registered("field"), "physics_informed")
        problem = "pig_helmholtz" if fields else {"steady": "darcy"}.get(str(kind), "ks")
        return [f"problem={problem}", *chosen, *(["network.counts=[6,6]"] if kind == "gaussian_lattice" else [])]

    return words


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
