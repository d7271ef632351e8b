"""What an evaluator is given and what it returns; importing this module imports neither torch nor numpy.

An evaluator is a function that learns from train and val and predicts test; how it chooses hyper-parameters is the
run's matter (:mod:`gairbench.choosing`)::

    from gairbench.evaluator import EvaluatorInput, EvaluatorOutput


    def evaluate(data: EvaluatorInput) -> EvaluatorOutput:
        model = LogisticRegression().fit(data.features["train"], data.targets["train"])
        return EvaluatorOutput(prediction=model.predict(data.features["test"]))

Its :class:`gairbench.spec.EvaluatorSpec` names it, and the hook ``register_evaluators`` makes it known. One that trains
the model itself is given it as well (:mod:`gairbench.backbone`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gairbench.read_only import read_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gairbench.backbone import Backbone
    from gairbench.spec import Kind

ScoresAre = Literal["probabilities", "decisions"]
"""What scores mean: probabilities (of classes, they sum to 1), or values that only rank, higher for more likely."""


SelectionBy = Literal["cv", "val"]
"""How hyper-parameters are chosen: by cross-validation over groups where there are groups, or on val alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationProtocol:
    """Under which conditions a model is evaluated, beside the task and the evaluator.

    Args:
        split: How the samples are divided: ``"published"``, or a split policy with its parameter, as ``"blocks:5"``.
        labels: The part of train's labels: ``"all"``, ``"10%"`` or ``"5-shot"``; ``targets`` hold no others.
        readout: The pooling and layers that are read out: ``"default"``, ``"mean"``, ``"cls@5"`` ...
        limit: At most so many samples a split; ``None``: all.
        selection: How hyper-parameters are chosen: ``"cv"``, by cross-validation over groups of train and val where
            samples have groups and all labels are used, or ``"val"``, on val alone (:mod:`gairbench.choosing`).
    """

    split: str = "published"
    labels: str = "all"
    readout: str = "default"
    limit: int | None = None
    selection: SelectionBy = "cv"


def _in_memory(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    import numpy as np

    return np.zeros(shape, dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorInput:
    """What an evaluator learns from and predicts on. The arrays are read-only: copy what you change.

    Args:
        kind: What the task asks for.
        features: By split name ``(samples, dim)``, or ``(samples, dim, rows, columns)`` for a token grid, or
            ``(samples, layers, dim, rows, columns)`` for those of several layers; standardized on train, each layer by
            itself. For retrieval: ``"query"`` and ``"gallery"``, raw, row i of each belonging together. With
            ``needs="architecture"`` ``(samples, 0)``: the model has computed nothing yet.
        targets: Of ``"train"`` and ``"val"``, as :meth:`gairbench.data.Split.target` returns them; no evaluator sees
            those of test. Empty for retrieval.
        class_names: Names of the classes or labels in the order of their numbers, ascending for ordinal tasks, or of
            several measurements; empty where there are none.
        groups: By split name the group of every sample ``(samples,)``: samples of one group are not independent;
            ``None`` where they all are.
        mask_size: Height and width in pixels of the masks or maps to predict; ``None`` but for segmentation and dense
            regression.
        seed: Seed of whatever is random in the evaluator.
        device: Where to compute, as torch names it: ``"cpu"``, ``"cuda"`` ...
        backbone: The model, to be trained, and batches of the samples; ``None`` unless the evaluator's spec says
            ``needs="backbone"`` or ``needs="architecture"``.
        lonlat: By split name longitude and latitude of every sample in degrees ``(samples, 2)``; empty unless the
            evaluator's spec says ``places=True``.
        parts: The columns of ``dim`` that each of the task's inputs has in the features, by the input's name; empty for
            retrieval.
        protocol: Under which conditions it is called.
        new_array: ``new_array(shape, dtype)`` returns an array of zeros for predictions of masks and maps, which a run
            keeps on the disk, as it does the targets: both may be larger than the memory.
    """

    kind: Kind
    features: Mapping[str, NDArray[Any]]
    targets: Mapping[str, NDArray[Any]]
    class_names: tuple[str, ...]
    groups: Mapping[str, NDArray[Any] | None]
    mask_size: tuple[int, int] | None
    seed: int
    device: str
    backbone: Backbone | None = None
    lonlat: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, slice] = field(default_factory=dict)
    protocol: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    new_array: Callable[[tuple[int, ...], str], NDArray[Any]] = _in_memory

    def __post_init__(self) -> None:
        for name in ("features", "targets", "groups", "lonlat"):
            arrays = getattr(self, name)
            sealed = {split: None if array is None else read_only(array) for split, array in arrays.items()}
            object.__setattr__(self, name, sealed)

    @property
    def classes(self) -> int:
        """The number of classes, labels or several measurements; 0 where they have no names."""
        return len(self.class_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorOutput:
    """What an evaluator predicts for the test split.

    Args:
        prediction: Classification and ordinal: whole numbers ``(samples,)``, the class of each. Multi-label: bool
            ``(samples, labels)``. Regression: finite floats ``(samples,)``; of several measurements ``(samples,
            measurements)``. Segmentation: whole numbers ``(samples, height, width)``, the class of each pixel, never an
            ignored value. Dense regression: finite floats ``(samples, height, width)``. Geolocalization: longitude and
            latitude in degrees ``(samples, 2)``. Retrieval: ``(samples,)``, the rank of the true item, 1 is best.
        scores: Classification and ordinal ``(samples, classes)`` with a column for every class, also for one that train
            lacks; multi-label ``(samples, labels)``; finite floats, kept in single precision. ``None``: metrics that
            need scores cannot be computed.
        scores_are: What the scores mean; ``None`` without scores.
        params: Chosen hyper-parameters by name, for the record: texts, numbers, and lists of them.
        caveats: Why the number does not show what the model can, one short line each; the leaderboard prints them.
    """

    prediction: NDArray[Any]
    scores: NDArray[Any] | None = None
    scores_are: ScoresAre | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
