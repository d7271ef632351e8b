"""What an entry of the table of geo-foundation models says, and the spec that it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gairbench import HubWeights, ImageInput, ModelSpec, Preset, TorchGeoWeights
from gairbench.inputs import Need
from gairbench.representation import Representation
from gairbench_models.readouts import token_readouts, vector_readouts

_VERSION = "1"
"""Raise it when embeddings change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An input of a published model, and what its weights were trained with beside the values.

    Args:
        image: Its declaration.
        wavelengths_nm: Of each of its bands, as the weights were trained with; empty: as :mod:`gairbench.sensors` has
            them.
        bandwidths_nm: Likewise.
        mean: Of each band, of values from 0 to 255, where 8-bit values are standardized; empty: they are not.
        std: Likewise.
    """

    image: ImageInput
    wavelengths_nm: tuple[float, ...] = ()
    bandwidths_nm: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Inputs that a published model is fed with together.

    Args:
        of: Their names.
        depth: Blocks of the encoder that reads them, as a share of the model's depth.
    """

    of: tuple[str, ...]
    depth: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A published size.

    Args:
        name: Of the preset.
        constructor: Address of the function of TorchGeo or TerraTorch that builds it.
        member: TorchGeo's name of its weights.
        url: Their address.
        repo: Where they are on Hugging Face, if TorchGeo does not have them.
        filename: The file there.
        depth: Blocks.
        grid: Rows and columns of its tokens where they are not those of the entry.
        description: One line.
    """

    name: str
    constructor: str
    member: str = ""
    url: str = ""
    repo: str = ""
    filename: str = ""
    depth: int
    grid: int | None = None
    description: str

    def weights(self, licence: str) -> TorchGeoWeights | HubWeights:
        """Return where its weights are."""
        if self.repo:
            return HubWeights(repo=self.repo, filename=self.filename, licence=licence)
        return TorchGeoWeights(member=self.member, licence=licence, url=self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A published model.

    Args:
        name: As it is asked for.
        reader: Which function of the family's readers reads it.
        inputs: What it takes.
        accepts: What it is fed with together, best first.
        sizes: The default first.
        grid: Rows and columns of its tokens.
        poolings: Ways in which tokens become a vector, beside its own.
        factory: Address of what loads it.
        arguments: Of the constructor.
        radar: What stands for the wavelength of each radar band that it knows.
        radar_bandwidth_nm: What stands for their bandwidth.
        rows: Images that are embedded at once: more would take more memory than a workstation has.
        needs: As of a preset.
        wants: As of a preset.
        description: One line.
        licence: Of the weights.
        citation: Its paper.
        trained_on: Datasets seen in pre-training.
    """

    name: str
    reader: str
    inputs: tuple[Taken, ...]
    accepts: tuple[Accepted, ...]
    sizes: tuple[Size, ...]
    grid: int
    poolings: tuple[str, ...]
    factory: str = "gairbench_models.torchgeo_models.geofm:load"
    arguments: Mapping[str, object] = field(default_factory=dict)
    radar: Mapping[str, float] = field(default_factory=dict)
    radar_bandwidth_nm: float = 0.0
    rows: int = 128
    needs: frozenset[Need] = frozenset()
    wants: frozenset[Need] = frozenset()
    description: str
    licence: str
    citation: str
    trained_on: frozenset[str]

    def taken(self, name: str) -> Taken:
        """Return an input by name."""
        return next(taken for taken in self.inputs if taken.image.name == name)

    def size(self, preset: str) -> Size:
        """Return a size by name of its preset."""
        return next(size for size in self.sizes if size.name == preset)


def make_geofm_spec(entry: Entry) -> ModelSpec:
    """Return the spec of an entry, without importing torch or TorchGeo."""
    return ModelSpec(
        name=entry.name,
        version=_VERSION,
        factory=entry.factory,
        presets=tuple(_preset(entry, size) for size in entry.sizes),
        description=entry.description,
        licence=entry.licence,
        citation=entry.citation,
        trained_on=entry.trained_on,
    )


def _preset(entry: Entry, size: Size) -> Preset:
    return Preset(
        name=size.name,
        inputs=tuple(taken.image for taken in entry.inputs),
        accepts=tuple(accepted.of for accepted in entry.accepts),
        offers=tuple(offer for accepted in entry.accepts for offer in _offers(entry, size, accepted)),
        needs=entry.needs,
        wants=entry.wants,
        description=size.description,
        weights=size.weights(entry.licence),
    )


def _offers(entry: Entry, size: Size, accepted: Accepted) -> Iterator[Representation]:
    of, depth = accepted.of, int(size.depth * accepted.depth)
    yield from vector_readouts(of, entry.poolings, depth)
    yield from token_readouts(of, depth)


def names_of(entries: Iterable[Entry]) -> dict[str, tuple[str, str]]:
    """Return the model and preset of the weights that entries are of, by TorchGeo's name of the weights."""
    return {size.member: (entry.name, size.name) for entry in entries for size in entry.sizes}
