"""A run: the folder that one training owns, what it was begun with, and the way through its plan."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils

from pdejax._read import entries, read_json
from pdejax.core import write_text
from pdejax.data import first_difference
from pdejax.training.plan import Plan, Save
from pdejax.training.store.record import alone, begun, environment
from pdejax.training.warm_start import warm_start

# where things lie and how a finished run is judged may change; what determines the weights may not
FREE = ("data_dir", "runs_dir", "evaluation")


@dataclasses.dataclass(frozen=True)
class Run:
    """A training in a folder of its own, which only its own words continue.

    **Arguments:**

    - `folder`: of the run.
    - `plan`: what is trained; `model`: untrained.
    - `words`: the whole configuration as plain values, and `text`: the same as its file has it.
    - `earlier`: reads the words of such a file, those of former versions too.
    - `save`: writes a model below a folder, see `Plan.train`.
    - `data`: `root` and `fingerprint` of the data, none where there are none; `files`: checksums of further content
        that determines the weights, by the word that names it.
    - `initial`: a model or the folder of one that a new run begins with, see `warm_start`.
    - `judge`: of the trained model, what is wrong with it in words; empty where nothing is known to be.
    """

    folder: Path
    plan: Plan
    model: Any
    words: Mapping[str, Any]
    text: str
    earlier: Callable[[Path], Mapping[str, Any]]
    save: Save
    data: Mapping[str, str] | None = None
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    initial: Any = None
    judge: Callable[[Any], str] = lambda _: ""

    def train(self, *, show: bool = True) -> Path:
        """Trains what was asked for; continues if the folder holds checkpoints.

        **Returns:** the folder: `config.yaml`, `environment.json`, `data.json`, `metrics.jsonl`, `tensorboard/`,
        `checkpoints/`, and the model in `model/`; stages but the last one have folders of their own below it.

        **Raises:** `ValueError` if the folder holds a run with other words or data, another process is training in it,
        or what is asked for does not fit.
        """
        model = self.model if self.initial is None or begun(self.folder) else self._begun_warm(show)
        self.plan.check(model)
        # everything fits together: only now the run gets its folder
        with alone(self.folder):
            if jax.process_index() == 0:
                self._claim()
                self._provenance()
            if jax.process_count() > 1:
                multihost_utils.sync_global_devices("run folder")  # one process writes, the others wait for it
            model = self.plan.train(model, self.folder, self.save, show=show)
            if show and jax.process_index() == 0 and (why := self.judge(model)):
                print(f"{self.folder}: the problem is not resolved: {why}. A larger network, more steps or another "
                      "optimiser may do", flush=True)  # fmt: skip
        return self.folder

    def _begun_warm(self, show: bool) -> Any:
        first = self.plan.stages[0]
        model, missed = warm_start(self.model, self.initial, first.method.trainable(self.model))
        for line in missed if show and jax.process_index() == 0 else ():
            print(f"not loaded: {line}")
        return model

    def _claim(self) -> None:
        """Writes the configuration, or checks that the run to continue has the same one."""
        path = self.folder / "config.yaml"
        if not path.exists() and begun(self.folder):
            raise ValueError(f"{self.folder} holds checkpoints, but no {path.name} that tells of what, as where it was "
                             "removed while a training wrote to it: put the file back, delete the folder to begin "
                             "anew, or choose another name=...")  # fmt: skip
        if path.exists() and begun(self.folder):
            wanted, found = _determining(self.words), _determining(self.earlier(path))
            if key := first_difference({"run": found}, {"run": wanted}):
                told = self._told(key.removeprefix("run."), path)
                raise ValueError(f"{self.folder} is a run with another {told}: continue it with the words it was "
                                 "started with, or choose another name=...")  # fmt: skip
        write_text(path, self.text)

    def _told(self, key: str, path: Path) -> str:
        """A key that differs, or the one of which it is a share."""
        here, there = (words["train"].get("steps") for words in (self.words, self.earlier(path)))
        if key != "train.warmup" or here == there:
            return key
        return f"train.steps, {there} and not {here}, of which its train.warmup is a share"

    def _provenance(self) -> None:
        """Notes which data and which environment a run began with; refuses to continue on other data."""
        path, now = self.folder / "data.json", {**(self.data or {}), **({"files": self.files} if self.files else {})}
        if now:
            if path.exists() and begun(self.folder):
                self._check_same(path)
            write_text(path, json.dumps(now, indent=1) + "\n")
        history = self.folder / "environment.json"
        before = read_json(history, list) if history.exists() else []
        now = environment()
        if not before or before[-1] != now:
            write_text(history, json.dumps([*before, now], indent=1) + "\n")

    def _check_same(self, path: Path) -> None:
        """Whether data and files are those of the record; of what former versions did not note, nothing is said."""
        if self.data is not None:
            known, mine = entries(read_json(path), path, fingerprint=str)["fingerprint"], self.data["fingerprint"]
            if known != mine:
                raise ValueError(
                    f"{self.folder} was trained on a data set of fingerprint {known[:12]}, {self.data['root']} now "
                    f"holds {mine[:12]}: generate the old one again, or choose another name=..."
                )
        known = entries({"files": {}, **read_json(path)}, path, files=dict)["files"]
        for name, sum_ in self.files.items():
            if known.get(name, sum_) != sum_:
                raise ValueError(f"{self.folder} was trained with another content of {name}: put that back, or choose "
                                 "another name=...")  # fmt: skip


def _determining(words: Mapping[str, Any]) -> dict[str, Any]:
    """The words that determine the weights. How long the last stage is does too, but the loop itself knows whether
    it can be longer; see `check_length`.
    """
    kept = json.loads(json.dumps({name: value for name, value in words.items() if name not in FREE}))
    for name in ("sinks", "devices", "distributed"):  # on what it runs changes no more than rounding
        kept["train"].pop(name, None)
    last = (kept["train"].get("stages") or [kept["train"]])[-1]
    last.pop("steps", None)
    return kept
