"""The list of what the tests claimed before the program was rebuilt, compared with what they claim now.

    python -m tests.golden.claims                 # which functions of claims.txt are neither collected nor replaced
    python -m tests.golden.claims --write now.txt # what there is now

A line is a test function: how many cases pytest makes of it, long ones too, its name, its first sentence if it has
one. `replaced.txt` says what holds the claims of tests that went away.
"""

import argparse
import ast
import collections
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from experiments.smoke import FORMS, LONG

ROOT = Path(__file__).parent.parent.parent
CLAIMS = Path(__file__).with_name("claims.txt")
REPLACED = Path(__file__).with_name("replaced.txt")


def _collected() -> Mapping[str, Mapping[str, int]]:
    """File to test function to number of cases."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=--import-mode=importlib", "--collect-only", "-q", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pytest cannot collect: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    out = done.stdout
    found: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for line in out.splitlines():
        if match := re.match(r"(tests/\S+?\.py)::([\w:]+)", line):
            found[match[1]][match[2]] += 1
    return found


def _sentences(path: Path) -> Mapping[str, str]:
    """The first line of the docstring of each function of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {f.name: (ast.get_docstring(f) or "").split("\n")[0] for f in functions}


def _smoke() -> list[str]:
    """The studies that `make test` and `make long` run, by their words."""
    return [f"experiments.{study}.run {' '.join(words)}" for study, *words in [*FORMS.values(), *LONG.values()]]


def claims() -> str:
    """All claims, by file."""
    blocks = []
    for file, functions in sorted(_collected().items()):
        if file.startswith("tests/golden/"):
            continue
        said = _sentences(ROOT / file)
        lines = [f"  {count:3} {name}" + (f"  # {said[name]}" if said.get(name) else "")
                 for name, count in functions.items()]  # fmt: skip
        blocks.append("\n".join([file, *lines]))
    studies = "\n".join(["smoke studies", *(f"    1 {words}" for words in _smoke())])
    total = sum(int(line.split()[0]) for block in blocks for line in block.splitlines()[1:])
    return f"{total} cases of {sum(len(b.splitlines()) - 1 for b in blocks)} test functions\n\n" + "\n\n".join(
        [*blocks, studies]
    ) + "\n"  # fmt: skip


def _counts(text: str) -> Mapping[str, int]:
    """Name to number of cases, whatever file it is in."""
    found: collections.Counter[str] = collections.Counter()
    for line in text.splitlines()[1:]:
        if match := re.match(r" +(\d+) ([^#]+)", line):
            found[match[2].strip()] += int(match[1])
    return found


def main() -> None:
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", metavar="PATH", type=Path)
    path = parser.parse_args().write
    if path is not None:
        path.write_text(claims(), encoding="utf-8")
        return
    before, now = _counts(CLAIMS.read_text(encoding="utf-8")), _counts(claims())
    replaced = {line.partition(":")[0] for line in REPLACED.read_text(encoding="utf-8").splitlines()}
    lost = [f"{name}: {count} cases before, {now.get(name, 0)} now" for name, count in before.items()
            if now.get(name, 0) < count and name not in replaced]  # fmt: skip
    print("\n".join(lost) or f"all {sum(before.values())} claims are held, by {sum(now.values())} cases")
    raise SystemExit(1 if lost else 0)


if __name__ == "__main__":
    main()
