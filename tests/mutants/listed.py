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
    of: Literal["evaluators", "metrics", "standardization", "splits", "keys", "leaderboard"]
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """Its dotted name."""
        return self.path.removeprefix("leaderboard/").removesuffix(".py").replace("/", ".")


SPLITTING = "tests/test_splitting.py"
DIVIDED = "tests/evaluation/test_splits.py"
KEYS = "tests/evaluation/test_keys.py"
KEY_OF_POLICY = f"{DIVIDED}::test_version_parameter_and_code_of_a_policy_are_in_the_key"
ALIGNED = f"{DIVIDED}::test_features_targets_and_groups_are_those_of_their_samples"

CHOICES = "tests/evaluators/test_choosing.py"
RECORDED = "tests/evaluation/test_groupings.py"
TRIVIAL = "tests/evaluation/test_trivial.py"
INTERVALS = "tests/test_intervals.py"
METRICS = ("tests/test_metrics.py", "tests/evaluators/test_builtin_metrics.py")

RANKING = "tests/leaderboard/test_leaderboard.py"
NOISE = f"{CHOICES}::test_noise_with_more_features_than_samples_is_not_predicted_where_it_was_held_out"
PREDICTS = f"{CHOICES}::test_what_is_chosen_is_what_predicts"
EVALUATORS = "tests/evaluators/test_evaluators.py"

_CHOOSING = "gairbench/choosing.py"
_GIVEN = "gairbench/evaluation/given.py"
_INTERVALS = "gairbench/intervals.py"
_METRICS = "gairbench/metrics.py"
_PREDICTION_METRICS = "gairbench/evaluators/prediction_metrics.py"
_PLAN = "gairbench/evaluation/plan.py"
_EMBEDDING_KEYS = "gairbench/evaluation/embedding_keys.py"
_SPLITTING = "gairbench/splitting.py"

MUTANTS = (
    Mutant(
        name="the version of intervals is not in the key",
        of="keys",
        path=_PLAN,
        old="        intervals=INTERVALS_VERSION,\n",
        new="",
        tests=(KEYS,),
    ),
    Mutant(
        name="the bounds of a metric are not in the key",
        of="keys",
        path=_PLAN,
        old="metric.least, metric.most, ",
        new="",
        tests=(KEYS,),
    ),
    Mutant(
        name="what a policy draws is not in the key",
        of="keys",
        path=_PLAN,
        old="policy.draws, ",
        new="",
        tests=(KEYS,),
    ),
    Mutant(
        name="the grouping is not in the key",
        of="keys",
        path=_PLAN,
        old=", task.group or task.dataset.group]",
        new="]",
        tests=(KEYS,),
    ),
    Mutant(
        name="held-out maps are fitted",
        of="evaluators",
        path="gairbench/evaluators/dense_ridge.py",
        old="_sum([one for one in moments if one is not held])",
        new="_sum(moments)",
        tests=(f"{NOISE}[dense_ridge-dense_regression-cv]",),
    ),
    Mutant(
        name="held-out masks are fitted",
        of="evaluators",
        path="gairbench/evaluators/segmentation.py",
        old="heads = _train(data, images, fit, WEIGHT_DECAYS)",
        new="heads = _train(data, images, folds.final, WEIGHT_DECAYS)",
        tests=(f"{NOISE}[linear_segmentation-segmentation-cv]",),
    ),
    Mutant(
        name="the strongest decay is fitted whatever was chosen",
        of="evaluators",
        path="gairbench/evaluators/segmentation.py",
        old="folds.final, (choice.value,))",
        new="folds.final, WEIGHT_DECAYS[:1])",
        tests=(f"{PREDICTS}[linear_segmentation-segmentation]",),
    ),
    Mutant(
        name="the strongest C is fitted whatever was chosen",
        of="evaluators",
        path="gairbench/evaluators/ordinal_linear.py",
        old="best.to(choice.value)",
        new="best.to(STRENGTHS[0])",
        tests=(f"{PREDICTS}[ordinal_linear-ordinal]",),
    ),
    Mutant(
        name="equal items count for the query",
        of="evaluators",
        path="gairbench/evaluators/retrieval.py",
        old=" + ((similarity == true).sum(axis=1) - 1) / 2",
        new="",
        tests=(f"{EVALUATORS}::test_retrieval_ties_rank_at_chance",),
    ),
    Mutant(
        name="the worst epoch on val is kept",
        of="evaluators",
        path="gairbench/evaluators/end_to_end.py",
        old="val_loss < best.loss",
        new="val_loss > best.loss",
        tests=(f"{EVALUATORS}::test_the_epoch_that_is_best_on_val_predicts_test",),
    ),
    Mutant(
        name="val is judged by the likelihood, the less the better",
        of="evaluators",
        path="gairbench/evaluators/goals.py",
        old="return -float(log_softmax(",
        new="return float(log_softmax(",
        tests=(f"{EVALUATORS}::test_val_is_judged_by_the_log_loss_of_scikit_learn",),
    ),
    Mutant(
        name="ignored pixels are a class",
        of="evaluators",
        path="gairbench/evaluators/pixel_goals.py",
        old="        labels[labels == ignored] = -1",
        new="        labels[labels == ignored] = 0",
        tests=(f"{EVALUATORS}::test_masks_are_judged_by_the_cross_entropy_of_the_pixels_that_count",),
    ),
    Mutant(
        name="pairs of rows are not adjusted together",
        of="leaderboard",
        path="leaderboard/gairbench_leaderboard/ranking.py",
        old="return dict(zip(found, holm(list(found.values())), strict=True))",
        new="return found",
        tests=(f"{RANKING}::test_of_equal_models_few_are_said_to_be_worse_than_the_best_of_them",),
    ),
    Mutant(
        name="a constant prediction is bold",
        of="leaderboard",
        path="leaderboard/gairbench_leaderboard/ranking.py",
        old="not cell.constant and column.beats_trivial(cell.value)",
        new="column.beats_trivial(cell.value)",
        tests=(
            f"{RANKING}::test_best_is_what_can_be_tested_differs_beats_the_trivial_predictor_and_has_enough_samples",
        ),
    ),
    Mutant(
        name="what is no better than the trivial predictor is bold",
        of="leaderboard",
        path="leaderboard/gairbench_leaderboard/ranking.py",
        old="not cell.constant and column.beats_trivial(cell.value)",
        new="not cell.constant",
        tests=(
            f"{RANKING}::test_best_is_what_can_be_tested_differs_beats_the_trivial_predictor_and_has_enough_samples",
        ),
    ),
    Mutant(
        name="few groups are ranked",
        of="leaderboard",
        path="leaderboard/gairbench_leaderboard/ranking.py",
        old='if 0 < self.groups[0] < FEW_GROUPS else ""',
        new='if False else ""',
        tests=(f"{RANKING}::test_columns_below_the_floor_are_in_small_print_and_ranked_by_nothing",),
    ),
    Mutant(
        name="models are not paired by unit",
        of="leaderboard",
        path="leaderboard/gairbench_leaderboard/uncertainty.py",
        old="            _of_units(left.jackknife.mean(axis=0) - right.jackknife.mean(axis=0), left),\n",
        new=(
            "            _of_units(left.jackknife.mean(axis=0), left),\n"
            "            _of_units(right.jackknife.mean(axis=0), right),\n"
        ),
        tests=("tests/leaderboard/test_comparison.py::test_units_are_paired_between_models",),
    ),
    Mutant(
        name="val is test",
        of="evaluators",
        path=_GIVEN,
        old='targets={name: chosen[name].target for name in ("train", "val")},',
        new='targets={"train": chosen["train"].target, "val": chosen["test"].target},',
        tests=(ALIGNED,),
    ),
    Mutant(
        name="the value with the largest loss is taken",
        of="evaluators",
        path=_CHOOSING,
        old="number = int(np.argmax(curve <= least + EQUAL * abs(without)))",
        new="number = int(np.argmax(curve))",
        tests=(f"{CHOICES}::test_the_least_loss_is_taken_and_of_equals_the_stronger_regularization",),
    ),
    Mutant(
        name="the weakest of equal values is taken",
        of="evaluators",
        path=_CHOOSING,
        old="number = int(np.argmax(curve <= least + EQUAL * abs(without)))",
        new="number = int(np.flatnonzero(curve <= least + EQUAL * abs(without))[-1])",
        tests=(f"{CHOICES}::test_the_least_loss_is_taken_and_of_equals_the_stronger_regularization",),
    ),
    Mutant(
        name="values are measured on what they were fitted on",
        of="evaluators",
        path=_CHOOSING,
        old="            yield Round(x, self.y[fit], held_x, self.y[held])",
        new="            yield Round(x, self.y[fit], x, self.y[fit])",
        tests=(f"{CHOICES}::test_rounds_are_standardized_on_what_they_are_fitted_on",),
    ),
    Mutant(
        name="groups are torn apart by cross-validation",
        of="evaluators",
        path=_CHOOSING,
        old="    number = len(np.unique(groups))\n",
        new="    groups = np.arange(len(groups))\n    number = len(np.unique(groups))\n",
        tests=(f"{CHOICES}::test_no_group_is_fitted_and_measured_in_one_round_and_each_is_measured_once",),
    ),
    Mutant(
        name="the chosen value is fitted on train alone",
        of="evaluators",
        path=_CHOOSING,
        old="final=np.arange(n_train + n_val))",
        new="final=np.arange(n_train))",
        tests=(f"{CHOICES}::test_what_is_chosen_by_cross_validation_is_fitted_on_train_and_val",),
    ),
    Mutant(
        name="what is chosen on val is fitted on val, too",
        of="evaluators",
        path=_CHOOSING,
        old='return Folds(about="val", rounds=(only,), final=train)',
        new='return Folds(about="val", rounds=(only,), final=np.arange(n_train + n_val))',
        tests=(f"{CHOICES}::test_what_is_chosen_on_val_is_fitted_on_train_alone",),
    ),
    Mutant(
        name="val is fitted on and measured on",
        of="evaluators",
        path=_CHOOSING,
        old="only = Fold(train, _known(",
        new="only = Fold(np.arange(n_train + n_val), _known(",
        tests=(f"{CHOICES}::test_where_val_and_test_disagree_val_decides",),
    ),
    Mutant(
        name="selection on val is not heard",
        of="evaluators",
        path=_CHOOSING,
        old='data.protocol.selection == "cv" and',
        new="True and",
        tests=(f"{CHOICES}::test_val_is_measured_where_nothing_is_to_be_divided",),
    ),
    Mutant(
        name="the number of neighbours is counted by Euclid",
        of="evaluators",
        path="gairbench/evaluators/neighbours.py",
        old="int(choice.value), metric=nearness.metric, algorithm=nearness.algorithm, weights=nearness.weights\n    )",
        new='int(choice.value), metric="euclidean", algorithm=nearness.algorithm, weights=nearness.weights\n    )',
        tests=(f"{CHOICES}::test_choice_and_predictions_are_those_of_scikit_learn",),
    ),
    Mutant(
        name="the penalty of logistic regression is halved",
        of="evaluators",
        path="gairbench/evaluators/logistic.py",
        old="by_weights = (self._features.T @ by_logits + weights / c) * unit",
        new="by_weights = (self._features.T @ by_logits + weights / (2 * c)) * unit",
        tests=(f"{CHOICES}::test_the_optimum_is_that_of_logistic_regression",),
    ),
    Mutant(
        name="ridge chooses one strength and fits another",
        of="evaluators",
        path="gairbench/evaluators/ridge.py",
        old='Ridge(alpha=alpha if final.y.ndim == 2 else alpha[0], solver="cholesky")',
        new='Ridge(alpha=1.0, solver="cholesky")',
        tests=(f"{CHOICES}::test_choice_and_predictions_are_those_of_scikit_learn",),
    ),
    Mutant(
        name="the constant of ridge is that of all samples",
        of="evaluators",
        path="gairbench/evaluators/ridge.py",
        old="axes, mean = Axes(x), y.mean(axis=0)",
        new="axes, mean = Axes(x), np.concatenate([y, held_y]).mean(axis=0)",
        tests=(f"{CHOICES}::test_choice_and_predictions_are_those_of_scikit_learn",),
    ),
    Mutant(
        name="features are not standardized in the rounds",
        of="standardization",
        path=_CHOOSING,
        old="    return (fit - mean) / std, (other - mean) / std",
        new="    return fit, other",
        tests=(f"{CHOICES}::test_rounds_are_standardized_on_what_they_are_fitted_on",),
    ),
    Mutant(
        name="rounds are standardized on the samples that are measured, too",
        of="standardization",
        path=_CHOOSING,
        old="mean, std = fit.mean(axis=0), fit.std(axis=0)\n",
        new="mean, std = np.concatenate([fit, other]).mean(axis=0), np.concatenate([fit, other]).std(axis=0)\n",
        tests=(f"{CHOICES}::test_rounds_are_standardized_on_what_they_are_fitted_on",),
    ),
    Mutant(
        name="test is standardized on itself",
        of="standardization",
        path=_CHOOSING,
        old="        return Final(x, self.y[self.folds.final], test)",
        new="        return Final(x, self.y[self.folds.final], standardized(test, test)[1])",
        tests=(f"{CHOICES}::test_a_prediction_does_not_depend_on_the_other_samples_of_test",),
    ),
    Mutant(
        name="features are standardized on test",
        of="standardization",
        path=_GIVEN,
        old='    mean = features["train"].mean(axis=axes',
        new='    mean = features["test"].mean(axis=axes',
        tests=(ALIGNED,),
    ),
    Mutant(
        name="features are not centred",
        of="standardization",
        path=_GIVEN,
        old="        scaled = (values - mean) / std",
        new="        scaled = values / std",
        tests=(ALIGNED,),
    ),
    Mutant(
        name="tokens are standardized by position",
        of="standardization",
        path=_GIVEN,
        old="if not 1 <= axis <= several)",
        new="if axis == 0)",
        tests=(f"{DIVIDED}::test_tokens_are_standardized_over_all_positions_and_not_at_each",),
    ),
    Mutant(
        name="the jackknife is a plain variance",
        of="metrics",
        path=_INTERVALS,
        old="* (len(values) - 1) / len(values))",
        new="/ len(values))",
        tests=(INTERVALS,),
    ),
    Mutant(
        name="Student's t is the normal quantile",
        of="metrics",
        path=_INTERVALS,
        old="    t = float(stats.t.ppf((1 + LEVEL) / 2, freedom))",
        new="    t = float(stats.norm.ppf((1 + LEVEL) / 2))",
        tests=(INTERVALS,),
    ),
    Mutant(
        name="all right is certain",
        of="metrics",
        path=_INTERVALS,
        old="else float(units)\n",
        new='else float("inf")\n',
        tests=(INTERVALS,),
    ),
    Mutant(
        name="units are kept in place of left out",
        of="metrics",
        path=_METRICS,
        old="self.value(sums.sum(axis=0) - sums)",
        new="self.value(sums)",
        tests=METRICS,
    ),
    Mutant(
        name="samples are units where there are groups",
        of="metrics",
        path="gairbench/evaluation/jobs.py",
        old="    units, independent = bundled(names), len(np.unique(names))",
        new="    names = given.ids\n    units, independent = bundled(names), len(np.unique(names))",
        tests=(RECORDED,),
    ),
    Mutant(
        name="macro metrics average over classes that are predicted",
        of="metrics",
        path=_PREDICTION_METRICS,
        old="return _mean_over_classes(2 * both, target + prediction, target)",
        new="return _mean_over_classes(2 * both, target + prediction, target + prediction)",
        tests=METRICS,
    ),
    Mutant(
        name="R2 is measured from the mean of the predictions",
        of="metrics",
        path=_PREDICTION_METRICS,
        old="    n, y, _, yy, _, _, residual = np.moveaxis(statistics, -1, 0)\n    total = yy - y * y / n",
        new="    n, _, y, _, yy, _, residual = np.moveaxis(statistics, -1, 0)\n    total = yy - y * y / n",
        tests=METRICS,
    ),
    Mutant(
        name="recall counts ranks below k",
        of="metrics",
        path=_PREDICTION_METRICS,
        old="with_count(rank <= k)",
        new="with_count(rank < k)",
        tests=METRICS,
    ),
    Mutant(
        name="the trivial predictor knows test",
        of="metrics",
        path="gairbench/evaluation/trivial.py",
        old="    known = list(targets.values())\n",
        new="    known = [predicted.target]\n",
        tests=(TRIVIAL,),
    ),
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
        old="np.unique(_cells(lonlat, degrees), axis=0, return_inverse=True)",
        new="np.unique(_cells(lonlat, degrees)[:, 0], return_inverse=True)",
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
        old="        seed=cell.record.seed,\n        selection=",
        new="        selection=",
        tests=(KEYS,),
    ),
    Mutant(
        name="the selection is not in the key",
        of="keys",
        path=_PLAN,
        old="        selection=cell.record.selection,\n        # Keys",
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
