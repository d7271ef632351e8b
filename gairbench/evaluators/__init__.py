"""The evaluators and metrics that gairbench brings: specs only, what they name is imported when it is needed."""

from __future__ import annotations

from collections.abc import Iterator

from gairbench import hookimpl
from gairbench.spec import EvaluatorSpec, Kind, MetricSpec

_CLASSES = frozenset({Kind.CLASSIFICATION})
_RANKS = frozenset({Kind.ORDINAL})
_LABELS = frozenset({Kind.MULTILABEL})
_VALUES = frozenset({Kind.REGRESSION})
_SEVERAL = frozenset({Kind.MULTI_REGRESSION})
_MASKS = frozenset({Kind.SEGMENTATION})
_PAIRS = frozenset({Kind.RETRIEVAL})
_MAPS = frozenset({Kind.DENSE_REGRESSION})
_PLACES = frozenset({Kind.GEOLOCALIZATION})

EVALUATORS = (
    EvaluatorSpec(
        name="linear",
        version=2,
        factory="gairbench.evaluators.linear:linear",
        kinds=_CLASSES | _RANKS | _LABELS,
        default=_CLASSES | _RANKS | _LABELS,
        description="Logistic regression with an L2 penalty chosen by log loss: multinomial, or one a label",
    ),
    EvaluatorSpec(
        name="ordinal_linear",
        version=2,
        factory="gairbench.evaluators.ordinal_linear:ordinal_linear",
        kinds=_RANKS,
        default=_RANKS,
        description="Proportional odds: one direction and ascending thresholds, L2 penalty chosen by log loss",
    ),
    EvaluatorSpec(
        name="knn",
        version=2,
        factory="gairbench.evaluators.knn:knn",
        kinds=_CLASSES | _RANKS | _VALUES | _SEVERAL,
        default=_CLASSES | _RANKS,
        description="Vote or mean of the nearest train samples by cosine distance; how many is chosen",
    ),
    EvaluatorSpec(
        name="interpolation",
        version=1,
        factory="gairbench.evaluators.interpolation:interpolation",
        kinds=_CLASSES | _RANKS | _VALUES | _SEVERAL,
        places=True,
        description="Vote or mean of the nearest places by inverse squared distance; the model is not looked at",
    ),
    EvaluatorSpec(
        name="ridge",
        version=2,
        factory="gairbench.evaluators.ridge:ridge",
        kinds=_VALUES | _SEVERAL,
        default=_VALUES | _SEVERAL,
        description="Linear regression with an L2 penalty chosen by squared error, for each measurement",
    ),
    EvaluatorSpec(
        name="linear_segmentation",
        version=2,
        factory="gairbench.evaluators.segmentation:linear_segmentation",
        kinds=_MASKS,
        default=_MASKS,
        needs="tokens",
        description="1x1 convolution on the token grid, upsampled to the mask; weight decay chosen by cross-entropy",
    ),
    EvaluatorSpec(
        name="retrieval",
        version=1,
        factory="gairbench.evaluators.retrieval:retrieval",
        kinds=_PAIRS,
        default=_PAIRS,
        description="Rank of the true item by cosine similarity; nothing is trained",
    ),
    EvaluatorSpec(
        name="dense_ridge",
        version=2,
        factory="gairbench.evaluators.dense_ridge:dense_ridge",
        kinds=_MAPS,
        default=_MAPS,
        needs="tokens",
        description="Linear regression from upsampled tokens to pixels, L2 penalty chosen by squared error",
    ),
    EvaluatorSpec(
        name="nearest_place",
        version=2,
        factory="gairbench.evaluators.nearest_place:nearest_place",
        kinds=_PLACES,
        default=_PLACES,
        description="Median place of the nearest samples by cosine similarity; how many is chosen by the median error",
    ),
    EvaluatorSpec(
        name="finetune",
        version=2,
        factory="gairbench.evaluators.finetune:finetune",
        kinds=_CLASSES | _LABELS | _VALUES,
        needs="backbone",
        description="The model and a head are trained, from the linear probe on; the learning rate is chosen on val",
    ),
    EvaluatorSpec(
        name="end_to_end",
        version=2,
        factory="gairbench.evaluators.end_to_end:end_to_end",
        kinds=_CLASSES | _RANKS | _LABELS | _VALUES | _SEVERAL | _MASKS | _MAPS,
        needs="architecture",
        description="The model and a linear head are trained on train alone; epoch and learning rate chosen on val",
    ),
)

_PREDICTIONS = "gairbench.evaluators.prediction_metrics"
_SCORES = "gairbench.evaluators.score_metrics"

METRICS = (
    MetricSpec(
        name="accuracy",
        version=1,
        factory=f"{_PREDICTIONS}:accuracy",
        kinds=_CLASSES | _RANKS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        description="Share of samples whose class is right",
    ),
    MetricSpec(
        name="balanced_accuracy",
        version=1,
        factory=f"{_PREDICTIONS}:balanced_accuracy",
        kinds=_CLASSES | _RANKS | _MASKS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        description="Mean over the classes of the share of their samples that is found",
    ),
    MetricSpec(
        name="macro_f1",
        version=2,
        factory=f"{_PREDICTIONS}:macro_f1",
        kinds=_CLASSES | _RANKS | _MASKS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        description="Mean of F1 over the classes that test has",
    ),
    MetricSpec(
        name="quadratic_kappa",
        version=1,
        factory=f"{_PREDICTIONS}:quadratic_kappa",
        kinds=_RANKS,
        higher_is_better=True,
        most=1.0,
        description="Cohen's kappa, errors weighted by the squared distance of ranks: 1 is perfect, 0 is chance",
    ),
    MetricSpec(
        name="rank_mae",
        version=1,
        factory=f"{_PREDICTIONS}:mae",
        kinds=_RANKS,
        higher_is_better=False,
        least=0.0,
        unit="ranks",
        description="Mean absolute error in ranks",
    ),
    MetricSpec(
        name="micro_f1",
        version=1,
        factory=f"{_PREDICTIONS}:micro_f1",
        kinds=_LABELS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        description="F1 of all labels together",
    ),
    MetricSpec(
        name="miou",
        version=2,
        factory=f"{_PREDICTIONS}:miou",
        kinds=_MASKS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        description="Mean of intersection over union over the classes that test has",
    ),
    MetricSpec(
        name="r2",
        version=1,
        factory=f"{_PREDICTIONS}:r2",
        kinds=_VALUES,
        higher_is_better=True,
        most=1.0,
        description="Share of the variance that is explained",
    ),
    MetricSpec(
        name="pearson_r",
        version=1,
        factory=f"{_PREDICTIONS}:pearson_r",
        kinds=_VALUES,
        higher_is_better=True,
        least=-1.0,
        most=1.0,
        description="Linear correlation of prediction and target",
    ),
    MetricSpec(
        name="mean_r2",
        version=1,
        factory=f"{_PREDICTIONS}:mean_r2",
        kinds=_SEVERAL,
        higher_is_better=True,
        most=1.0,
        description="Mean over the measurements of the share of the variance that is explained",
    ),
    MetricSpec(
        name="mean_pearson_r",
        version=1,
        factory=f"{_PREDICTIONS}:mean_pearson_r",
        kinds=_SEVERAL,
        higher_is_better=True,
        least=-1.0,
        most=1.0,
        description="Mean over the measurements of the linear correlation of prediction and target",
    ),
    MetricSpec(
        name="rmse",
        version=1,
        factory=f"{_PREDICTIONS}:rmse",
        kinds=_VALUES,
        higher_is_better=False,
        least=0.0,
        description="Root of the mean squared error",
    ),
    MetricSpec(
        name="mae",
        version=1,
        factory=f"{_PREDICTIONS}:mae",
        kinds=_VALUES,
        higher_is_better=False,
        least=0.0,
        description="Mean absolute error",
    ),
    MetricSpec(
        name="pixel_r2",
        version=1,
        factory=f"{_PREDICTIONS}:pixel_r2",
        kinds=_MAPS,
        higher_is_better=True,
        most=1.0,
        description="Share of the variance of all pixels that is explained",
    ),
    MetricSpec(
        name="pixel_rmse",
        version=1,
        factory=f"{_PREDICTIONS}:pixel_rmse",
        kinds=_MAPS,
        higher_is_better=False,
        least=0.0,
        description="Root of the mean squared error of all pixels",
    ),
    MetricSpec(
        name="median_km",
        version=1,
        factory=f"{_PREDICTIONS}:median_km",
        kinds=_PLACES,
        higher_is_better=False,
        least=0.0,
        unit="km",
        description="Median great-circle error",
    ),
    *(
        MetricSpec(
            name=f"within_{km}_km",
            version=1,
            factory=f"{_PREDICTIONS}:within_{km}_km",
            kinds=_PLACES,
            higher_is_better=True,
            least=0.0,
            most=1.0,
            description=f"Share of samples placed within {km} km",
        )
        for km in (1, 25, 200, 750, 2500)
    ),
    *(
        MetricSpec(
            name=f"recall@{k}",
            version=1,
            factory=f"{_PREDICTIONS}:recall_at_{k}",
            kinds=_PAIRS,
            higher_is_better=True,
            least=0.0,
            most=1.0,
            description=f"Share of queries whose true item is among the first {k}",
        )
        for k in (1, 5, 10)
    ),
    MetricSpec(
        name="mrr",
        version=1,
        factory=f"{_PREDICTIONS}:mrr",
        kinds=_PAIRS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        description="Mean of 1 / rank of the true item",
    ),
    MetricSpec(
        name="median_rank",
        version=1,
        factory=f"{_PREDICTIONS}:median_rank",
        kinds=_PAIRS,
        higher_is_better=False,
        least=1.0,
        unit="ranks",
        description="Median rank of the true item; it grows with the gallery",
    ),
    *(
        MetricSpec(
            name=f"top{slots}_accuracy",
            version=1,
            factory=f"{_SCORES}:top{slots}_accuracy",
            kinds=_CLASSES,
            higher_is_better=True,
            least=0.0,
            most=1.0,
            needs="scores",
            description=f"Share of samples whose class has one of the {words} highest scores; equal ones drawn by lot",
        )
        for slots, words in ((3, "three"), (5, "five"))
    ),
    MetricSpec(
        name="class_mrr",
        version=1,
        factory=f"{_SCORES}:class_mrr",
        kinds=_CLASSES,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        needs="scores",
        description="Mean of 1 / rank of the class among the scores; equal scores are drawn by lot",
    ),
    MetricSpec(
        name="auc",
        version=1,
        factory=f"{_SCORES}:auc",
        kinds=_CLASSES | _LABELS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        needs="scores",
        description="Area under the ROC curve: of two classes; else the mean over classes, each against the rest",
    ),
    MetricSpec(
        name="map",
        version=1,
        factory=f"{_SCORES}:mean_average_precision",
        kinds=_LABELS,
        higher_is_better=True,
        least=0.0,
        most=1.0,
        needs="scores",
        description="Mean over the labels of average precision",
    ),
    MetricSpec(
        name="nll",
        version=1,
        factory=f"{_SCORES}:nll",
        kinds=_CLASSES | _RANKS | _LABELS,
        higher_is_better=False,
        least=0.0,
        needs="probabilities",
        unit="nat",
        description="Negative log-likelihood of the class, or mean over the labels",
    ),
    MetricSpec(
        name="brier",
        version=1,
        factory=f"{_SCORES}:brier",
        kinds=_CLASSES | _RANKS | _LABELS,
        higher_is_better=False,
        least=0.0,
        most=2.0,
        needs="probabilities",
        description="Squared error of the probabilities, summed over the classes (0 to 2), or mean over the labels",
    ),
    MetricSpec(
        name="ece",
        version=1,
        factory=f"{_SCORES}:ece",
        kinds=_CLASSES | _RANKS,
        higher_is_better=False,
        least=0.0,
        most=1.0,
        needs="probabilities",
        description="Expected calibration error: confidence minus accuracy in 15 bins, absolute, weighted by samples",
    ),
)


@hookimpl
def register_evaluators() -> Iterator[EvaluatorSpec]:
    """Yield the built-in evaluators."""
    yield from EVALUATORS


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Yield the built-in metrics."""
    yield from METRICS
