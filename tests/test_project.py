"""What the project files promise: interpreters, versions, types, licence, links, what `make` installs."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pdejax.cli._doctor import TESTED

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _locked(python):
    """Names and versions that `constraints.txt` gives on a Python."""
    here = {"python_full_version": f"{python}.0", "python_version": python, "sys_platform": "linux"}
    lines = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return [(r.name, str(r.specifier)) for r in lines if r.marker is None or r.marker.evaluate(here)]


@pytest.mark.parametrize("python", TESTED)
def test_every_python_has_its_versions_and_doctor_knows_them(python):
    locked = _locked(python)
    assert len(dict(locked)) == len(locked), "a package with two versions"
    assert dict(locked)["jax"] == dict(locked)["jaxlib"] == f"=={TESTED[python]}"
    wanted = {r.name: r.specifier for r in map(Requirement, PROJECT["dependencies"])}
    for name, specifier in wanted.items():
        assert dict(locked)[name.lower()].removeprefix("==") in specifier


def test_no_python_is_claimed_that_was_not_tested():
    prefix = "Programming Language :: Python :: "
    assert [c.removeprefix(prefix) for c in PROJECT["classifiers"] if c.startswith(prefix)] == list(TESTED)
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{n}" for n in range(9, 20) if f"3.{n}.0" in allowed] == list(TESTED)


def test_the_package_is_typed_and_licensed():
    assert (ROOT / "pdejax" / "py.typed").is_file()
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "the pdejax authors" in text


@pytest.mark.parametrize(
    ("stamp", "extras"),
    [("installed", []), ("installed-test", ["test"]), ("installed-bench", ["test", "bench", "peer"])],
)
def test_make_installs_the_extras_that_its_targets_need(stamp, extras, tmp_path):
    words = ("make", "--dry-run", f"VENV={tmp_path}", f"{tmp_path}/{stamp}")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    written = f"'.[{','.join(extras)}]'" if extras else "'.'"
    assert f"-c constraints.txt -e {written}" in done.stdout
    assert set(extras) <= set(PROJECT["optional-dependencies"])


PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("[ben]*/README.md"), *ROOT.glob("experiments/*/*.md")]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_of_a_page_are_there(page):
    text = page.read_text()
    for link, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)", text):
        target = page.parent / link if link else page
        assert target.exists(), link
        if anchor:
            assert re.search(rf"^#+ {anchor}$", target.read_text(), re.M), f"{link}#{anchor}"


def test_the_readme_is_short_and_names_what_it_must():
    text = (ROOT / "README.md").read_text()
    assert len(text.encode()) <= 7000
    for part in ("docs/rollout.png", "make demo", "make test", "source .venv/bin/activate", "**It is not**"):
        assert part in text


@pytest.mark.parametrize("path", sorted(ROOT.glob("experiments/*/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_study_imports_neither_benchmarks_nor_another_study(path):
    own = path.relative_to(ROOT / "experiments").parts[0]
    imported = re.findall(r"^\s*(?:from|import) (benchmarks|experiments\.\w+)", path.read_text(), re.M)
    assert {name.removeprefix("experiments.") for name in imported} <= {own, "_kit", "_runs", "_paper"}
