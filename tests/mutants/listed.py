"""Mistakes that would falsify numbers, and the tests that must fail for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A change of our own source that some test must notice.

    Args:
        name: What is wrong with it.
        of: What it falsifies.
        path: The file, relative to the repository.
        old: Text that stands there once.
        new: What takes its place.
        tests: Tests of which one must fail, as pytest takes them.
    """

    name: str
    of: Literal["evaluators", "metrics", "standardization", "splits", "keys"]
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """Its dotted name."""
        return self.path.removesuffix(".py").replace("/", ".")


SPLITTING = "tests/test_splitting.py"
DIVIDED = "tests/evaluation/test_splits.py"
KEYS = "tests/evaluation/test_keys.py"
KEY_OF_POLICY = f"{DIVIDED}::test_version_parameter_and_code_of_a_policy_are_in_the_key"
ALIGNED = f"{DIVIDED}::test_features_targets_and_groups_are_those_of_their_samples"

_PLAN = "gairbench/evaluation/plan.py"
_EMBEDDING_KEYS = "gairbench/evaluation/embedding_keys.py"
_SPLITTING = "gairbench/splitting.py"

MUTANTS = (
    Mutant(
        name="samples are drawn in place of groups",
        of="splits",
        path=_SPLITTING,
        old="    values, member = np.unique(np.asarray(groups), return_inverse=True)\n",
        new="    values, member = np.arange(len(groups)), np.arange(len(groups))\n",
        tests=(SPLITTING,),
    ),
    Mutant(
        name="cells of the grid are columns",
        of="splits",
        path=_SPLITTING,
        old="np.unique(cells, axis=0, return_inverse=True)",
        new="np.unique(cells[:, 0], return_inverse=True)",
        tests=(SPLITTING,),
    ),
    Mutant(
        name="classes are not divided by the shares",
        of="splits",
        path=_SPLITTING,
        old="np.zeros(n, dtype=np.int64) if strata is None else",
        new="np.zeros(n, dtype=np.int64) if True else",
        tests=(SPLITTING,),
    ),
    Mutant(
        name="the seed draws nothing",
        of="splits",
        path=_SPLITTING,
        old="    rng = np.random.default_rng(seed)\n    names = np.empty",
        new="    rng = np.random.default_rng(0)\n    names = np.empty",
        tests=(SPLITTING,),
    ),
    Mutant(
        name="features of a new split are those of other samples",
        of="splits",
        path="gairbench/evaluation/divisions.py",
        old="pool = np.concatenate([published[name] for name in SPLITS])",
        new="pool = np.concatenate([published[name] for name in reversed(SPLITS)])",
        tests=(ALIGNED,),
    ),
    Mutant(
        name="all labels are learned from under --labels",
        of="splits",
        path="gairbench/label_budget.py",
        old="        return self == LabelBudget()",
        new="        return True",
        tests=("tests/test_label_budget.py",),
    ),
    Mutant(
        name="the version of a task is not in the key",
        of="keys",
        path=_PLAN,
        old="task=[task.name, task.version, ",
        new="task=[task.name, ",
        tests=(KEYS,),
    ),
    Mutant(
        name="the version of an evaluator is not in the key",
        of="keys",
        path=_PLAN,
        old="evaluator=[evaluator.name, evaluator.version, ",
        new="evaluator=[evaluator.name, ",
        tests=(KEYS,),
    ),
    Mutant(
        name="the version of a metric is not in the key",
        of="keys",
        path=_PLAN,
        old="[metric.name, metric.version, ",
        new="[metric.name, ",
        tests=(KEYS,),
    ),
    Mutant(
        name="the seed is not in the key",
        of="keys",
        path=_PLAN,
        old="        seed=cell.record.seed,\n        # Keys",
        new="        # Keys",
        tests=(KEYS,),
    ),
    Mutant(
        name="the part of the labels is not in the key",
        of="keys",
        path=_PLAN,
        old="{} if cell.labels.whole else {",
        new="{} if True else {",
        tests=(KEYS,),
    ),
    Mutant(
        name="the weights are not in the key of embeddings",
        of="keys",
        path=_EMBEDDING_KEYS,
        old="                weights=weights.identity,\n",
        new="",
        tests=(KEYS,),
    ),
    Mutant(
        name="the bands and units are not in the key of embeddings",
        of="keys",
        path=_EMBEDDING_KEYS,
        old="                feed=described,\n",
        new="",
        tests=(KEYS,),
    ),
    Mutant(
        name="the split policy is not in the key",
        of="keys",
        path=_PLAN,
        old="{} if cell.split.published else {",
        new="{} if True else {",
        tests=(KEY_OF_POLICY,),
    ),
    Mutant(
        name="the data are not in the key of embeddings",
        of="keys",
        path=_EMBEDDING_KEYS,
        old="dataset.version, fingerprint, split]",
        new="dataset.version, split]",
        tests=(KEYS,),
    ),
    Mutant(
        name="the version of a model is not in the key of embeddings",
        of="keys",
        path=_EMBEDDING_KEYS,
        old="model=[model.name, model.version, preset.name]",
        new="model=[model.name, preset.name]",
        tests=(KEYS,),
    ),
    Mutant(
        name="the limit is not in the key of embeddings",
        of="keys",
        path=_EMBEDDING_KEYS,
        old="                limit=limit,\n",
        new="",
        tests=(KEYS,),
    ),
)
