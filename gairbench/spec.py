"""What models, datasets and tasks declare about themselves; importing this module never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

Factory = str | Callable[..., Any]
"""A callable, or its lazy address ``"package.module:attribute"``, imported only when it is needed."""


class Modality(StrEnum):
    """The three modalities that GAIR aligns (arXiv 2503.16683)."""

    RS = "rs"
    SV = "sv"
    LOCATION = "location"


class Category(StrEnum):
    """The leaderboard table that a task belongs to."""

    RS = "rs"
    SV = "sv"
    LOCATION = "location"
    CROSS_MODAL = "cross-modal"


class Kind(StrEnum):
    """What a task asks for; it decides which probes and metrics apply."""

    CLASSIFICATION = "classification"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"
    SEGMENTATION = "segmentation"
    RETRIEVAL = "retrieval"


class Unit(StrEnum):
    """The scale of an image's values. It is declared and never guessed from the values.

    ``UINT8``: display values 0-255. ``REFLECTANCE``: surface or top-of-atmosphere reflectance, nominally 0-1.
    ``S2_DN``: Sentinel-2 digital numbers, reflectance x 10,000 (no offset).
    """

    UINT8 = "uint8"
    REFLECTANCE = "reflectance"
    S2_DN = "s2_dn"


MissingPixels = Literal["fill", "refuse"]
"""What becomes of an overhead image's missing pixels: filled with the mean of the others, or the image is refused."""


class Normalization(StrEnum):
    """How an encoder wants its image values scaled, from ``mean`` and ``std`` in the declared unit.

    ``NONE``: as declared. ``ZSCORE``: (x - mean) / std. ``TWO_SIGMA_8BIT``: mean +- 2 std stretched to 0-255, truncated
    to an 8-bit integer, divided by 255 (the released GAIR checkpoint and SatMAE do this).
    """

    NONE = "none"
    ZSCORE = "zscore"
    TWO_SIGMA_8BIT = "two_sigma_8bit"


RGB = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """An image as a dataset delivers it or as an encoder takes it.

    Args:
        modality: ``Modality.RS`` or ``Modality.SV``.
        bands: Channel names, in order: ``red``, ``green``, ``blue`` or Sentinel-2's ``B1`` ... ``B12``, ``B8A``.
        unit: Scale of the values.
        size: Height and width in pixels; ``None``: a dataset's images vary, or an encoder takes any size.
        gsd_m: Ground sample distance in metres per pixel, where it is one number.
        normalization: Model side only: applied by the runner after unit conversion and band selection.
        mean: Model side only: per-band mean in ``unit``.
        std: Model side only: per-band standard deviation in ``unit``.
        interpolation: Model side only: how images are resized to ``size`` (``align_corners=False``).
        antialias: Model side only: low-pass before shrinking; the released GAIR checkpoint was trained without.
        fill_missing: Model side only: bands that a dataset lacks are set to zero after normalization, which the result
            records. ``False``: a missing band is a visible skip.
        synthetic: Dataset side only: the images are rendered, not taken.
    """

    modality: Modality
    bands: tuple[str, ...] = RGB
    unit: Unit = Unit.UINT8
    size: int | None = None
    gsd_m: float | None = None
    normalization: Normalization = Normalization.NONE
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    antialias: bool = True
    fill_missing: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationInput:
    """Coordinates in WGS 84 degrees.

    Args:
        order: ``"lonlat"`` (longitude first) or ``"latlon"``.
    """

    order: Literal["lonlat", "latlon"] = "lonlat"
    modality: Literal[Modality.LOCATION] = field(default=Modality.LOCATION, init=False)


Input = ImageInput | LocationInput


class View(StrEnum):
    """One way a model turns samples into vectors; each is embedded and cached on its own.

    The value is the name of the method in :mod:`gairbench.protocols` that computes it.
    """

    RS = "encode_rs"
    RS_TOKENS = "encode_rs_tokens"
    RS_QUERY = "query_rs"
    SV = "encode_sv"
    SV_PROJECTED = "project_sv"
    LOCATION = "encode_location"


VIEW_MODALITY = {
    View.RS: Modality.RS,
    View.RS_TOKENS: Modality.RS,
    View.RS_QUERY: Modality.RS,
    View.SV: Modality.SV,
    View.SV_PROJECTED: Modality.SV,
    View.LOCATION: Modality.LOCATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One configured size of a model, chosen with ``--preset``.

    Args:
        name: For instance ``"tiny"``, ``"small"`` or ``"base"``.
        inputs: What the encoders take, one per modality.
        description: One line for ``gairbench list models``.
    """

    name: str
    inputs: tuple[Input, ...]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """How a model is pre-trained when no checkpoint of it exists.

    Args:
        recipe: ``recipe(context: PretrainContext) -> None``; writes the checkpoint into ``context.output``.
        version: Raise it when the recipe's outcome changes; existing checkpoints are then left aside.
        dataset: Name of the registered dataset that holds the unlabelled samples.
        inputs: ``inputs(model: str, preset: str, settings: Mapping[str, str]) -> Sequence[Input]``: what the encoders
            take where ``--set`` can change it, so that tiles are cut accordingly; ``None``: the preset's inputs.
    """

    recipe: Factory
    version: int
    dataset: str
    inputs: Factory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubWeights:
    """Published weights on Hugging Face, fetched only when ``--download`` asks for it.

    Args:
        repo: For instance ``"PingL/GAIR"``.
        filename: The file in it.
        licence: Of the weights, shown before they are fetched.
        revision: Branch, tag or commit.
    """

    repo: str
    filename: str
    licence: str
    revision: str = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What the runner must know about a model before it loads one.

    Args:
        name: Unique lower-case name.
        version: Version of the model's code; raise it when its embeddings change.
        factory: ``factory(context: ModelContext)`` returns an object that implements the encoder protocols of
            :mod:`gairbench.protocols`, one for each declared input. An ``nn.Module`` is moved to the device and frozen.
        presets: Configured sizes, the default first; a model of one size names its only preset ``"default"``.
        views: The methods it implements beyond ``encode_<modality>``.
        aligned: Modalities whose embeddings share one space, so that retrieval between them means something.
        pretraining: Its recipe, if gairbench can train it.
        hub: Published weights that it is evaluated with where no checkpoint is given.
        read_checkpoint: ``read_checkpoint(path: Path) -> Preset``: the preset that a checkpoint is of and the inputs
            its encoders take, read without loading weights or importing torch; ``None``: the preset asked for.
        seeded: Its untrained weights depend on ``--seed``.
        description: One line for the listings.
        licence: Licence of the weights or code, SPDX where possible.
        citation: Paper or URL.
        extra: The distribution's extra that holds the heavy or rare requirements.
        trained_on: Names of datasets seen in pre-training, so that contamination can be shown.
    """

    name: str
    version: str
    factory: Factory
    presets: tuple[Preset, ...]
    views: frozenset[View] = frozenset()
    aligned: frozenset[Modality] = frozenset()
    pretraining: Pretraining | None = None
    hub: HubWeights | None = None
    read_checkpoint: Factory | None = None
    seeded: bool = False
    description: str = ""
    licence: str = ""
    citation: str = ""
    extra: str = ""
    trained_on: frozenset[str] = frozenset()

    def preset(self, name: str | None) -> Preset:
        """Return the named preset, or the default one where the model has none of that name."""
        return next((p for p in self.presets if p.name == name), self.presets[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """Samples that tasks evaluate on or models are pre-trained on.

    Args:
        name: Unique lower-case name; embeddings are cached once per model, dataset and split.
        version: Raise it when samples, splits or targets change.
        factory: ``factory(context: DataContext)`` returns a :class:`gairbench.data.DataSource`.
        delivers: What its samples hold, one input per modality.
        splits: Names of its splits.
        description: One line for ``gairbench data list``.
        licence: Licence of the data, SPDX where possible.
        citation: Paper or URL.
        folder: Folder below ``--data-root`` that must exist (``"."`` for the root itself); empty for embedded data.
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

    @property
    def modalities(self) -> frozenset[Modality]:
        """The modalities of its samples."""
        return frozenset(i.modality for i in self.delivers)


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
        target: Name of the target in the dataset (``DataSource.split(...).target(name)``); empty for retrieval.
        inputs: Modalities it feeds; for retrieval (query, gallery).
        metric: Headline metric, a name in :mod:`gairbench.metrics`.
        higher_is_better: Direction of the headline metric.
        synthetic: Its inputs or targets are rendered or simulated; never averaged with real data.
        probes: Probes to run, headline first; empty: those of its kind.
        extra_metrics: Further metrics to report.
        description: One line that a table can print.
        licence: Where it differs from the dataset's.
        citation: Where it differs from the dataset's.
        superseded_by: Name of the task that replaces it.
        localized: Its overhead images are embedded at the sample's point (``View.RS_QUERY``); a model that cannot look
            a point up embeds the whole image.
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
    inputs: tuple[Modality, ...]
    metric: str
    higher_is_better: bool
    synthetic: bool
    probes: tuple[str, ...] = ()
    extra_metrics: tuple[str, ...] = ()
    description: str = ""
    licence: str = ""
    citation: str = ""
    superseded_by: str = ""
    localized: bool = False
    diagnostic: bool = False
    sweep: tuple[str, float] | None = None


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
        checkpoint: Folder or file to load; ``None``: an untrained model.
        model: Name of the model spec being built.
    """

    preset: str
    seed: int
    checkpoint: Path | None = None
    model: str = ""


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
