"""What a dataset must fulfil: its declaration, and that its samples are what it declares."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.data import SAMPLE_KEYS, DataSource, Sample, Split
from gairbench.spec import DataContext, DatasetSpec, ImageInput, LocationInput, Unit, resolve
from gairbench.testing import declarations
from gairbench.testing.declarations import require
from gairbench.testing.inputs import spread

if TYPE_CHECKING:
    from torch import Tensor

LOOKED_AT = 12
"""Samples read per split, spread over it, first and last among them."""

# Reflectance overshoots 0 ... 1 over snow, glint and deep shadow; a wrong scale is off by hundreds.
_RANGE = {Unit.UINT8: (0.0, 255.0), Unit.REFLECTANCE: (-0.5, 2.5), Unit.S2_DN: (0.0, 30_000.0)}


def check_name_is_a_slug(spec: DatasetSpec) -> None:
    """The name is safe in file names, tables and on the command line."""
    declarations.require_slug(spec.name, "dataset")


def check_version_counts_from_one(spec: DatasetSpec) -> None:
    """The version can be raised and compared."""
    require(spec.version >= 1, f"{spec.name}: version {spec.version}")


def check_licence_and_citation_are_stated(spec: DatasetSpec) -> None:
    """Who uses the data can tell whose they are and on what terms."""
    require(bool(spec.licence), f"{spec.name}: no licence")
    require(bool(spec.citation), f"{spec.name}: no citation")


def check_inputs_leave_nothing_to_guess(spec: DatasetSpec) -> None:
    """Bands, unit and order are declared, one input per modality."""
    declarations.require_inputs(spec.delivers, spec.name, encoder=False)


def check_splits_are_declared_once(spec: DatasetSpec) -> None:
    """There are splits, each named once."""
    require(bool(spec.splits), f"{spec.name}: no splits")
    require(len(set(spec.splits)) == len(spec.splits), f"{spec.name}: a split twice in {spec.splits}")


def check_spec_is_a_value(spec: DatasetSpec) -> None:
    """The spec can be hashed, compared and pickled."""
    declarations.require_value_object(spec)


def check_registering_imports_nothing_heavy(spec: DatasetSpec) -> None:
    """``gairbench list`` stays instant."""
    declarations.require_cheap(spec)


def check_factories_can_be_imported(spec: DatasetSpec) -> None:
    """The lazy address of the factory leads somewhere."""
    declarations.require_factories(spec)


def check_source_has_the_methods(spec: DatasetSpec, root: Path | None) -> None:
    """The factory returns a source, and the source splits with every method of the protocols."""
    source = open_source(spec, root)
    require(isinstance(source, DataSource), f"{type(source).__name__} is no gairbench.data.DataSource")
    for name, split in _splits(spec, root):
        require(isinstance(split, Split), f"split {name!r}: {type(split).__name__} is no gairbench.data.Split")


def check_fingerprint_is_stable(spec: DatasetSpec, root: Path | None) -> None:
    """Two instances agree on a fingerprint: cached embeddings are found by it."""
    first = open_source(spec, root).fingerprint()
    require(isinstance(first, str) and bool(first), f"{spec.name}: fingerprint {first!r}")
    again = _open_again(spec, root).fingerprint()
    require(first == again, f"{spec.name}: fingerprint {first} and then {again}")


def check_splits_are_not_empty(spec: DatasetSpec, root: Path | None) -> None:
    """Every declared split has samples."""
    for name, split in _splits(spec, root):
        require(len(split) > 0, f"{spec.name}: split {name!r} is empty")


def check_ids_are_unique_over_all_splits(spec: DatasetSpec, root: Path | None) -> None:
    """No identifier occurs twice: not in a split, and not in train and test."""
    owner: dict[str, str] = {}
    for name, split in _splits(spec, root):
        ids = list(split.ids)
        require(len(ids) == len(split), f"{spec.name}: split {name!r} has {len(ids)} ids for {len(split)} samples")
        for identifier in ids:
            require(isinstance(identifier, str), f"{spec.name}: id {identifier!r} is no string")
            taken = owner.setdefault(identifier, name)
            require(taken == name, f"{spec.name}: id {identifier!r} is in split {taken!r} and in {name!r}")
        require(len(set(ids)) == len(ids), f"{spec.name}: split {name!r} has an id twice")


def check_samples_hold_what_is_declared(spec: DatasetSpec, root: Path | None) -> None:
    """Keys, bands, size, unit, coordinate order and range are as declared, and all values are finite."""
    tops: dict[ImageInput, float] = {}
    for name, index, sample in _samples(spec, root):
        where = f"{spec.name}, sample {index} of split {name!r}"
        for declared in spec.delivers:
            key = SAMPLE_KEYS[declared.modality]
            require(key in sample, f"{where}: no {key!r}, only {', '.join(sample)}")
            if isinstance(declared, ImageInput):
                _require_image(sample[key], declared, f"{where}, {key!r}")
                tops[declared] = max(tops.get(declared, 0.0), float(sample[key].max()))
            else:
                _require_location(sample[key], declared, f"{where}, {key!r}")
        if "bbox" in sample:
            _require_bbox(sample, spec, f"{where}, 'bbox'")
    for declared, top in tops.items():
        small = declared.unit is not Unit.REFLECTANCE and top <= 1
        require(not small, f"{spec.name}: no {declared.modality} value above {top} is seen; unit {declared.unit}?")


def check_samples_stay_the_same(spec: DatasetSpec, root: Path | None) -> None:
    """Reading a sample again, in any order and from another instance, gives the same values: no hidden randomness."""
    again = _open_again(spec, root)
    for name, split in _splits(spec, root):
        other = again.split(name)
        require(list(other.ids) == list(split.ids), f"{spec.name}: two instances order split {name!r} differently")
        for index in reversed(spread(len(split), 3)):
            samples = (split[index], split[index], other[index])
            for sample in samples[1:]:
                require(_same(samples[0], sample), f"{spec.name}: sample {index} of split {name!r} changes")


def check_batched_reading_gives_the_same(spec: DatasetSpec, root: Path | None) -> None:
    """``__getitems__``, where there is one, returns what ``__getitem__`` does, in the order asked."""
    for name, split in _splits(spec, root):
        if not hasattr(split, "__getitems__"):
            continue
        indices = list(reversed(spread(len(split), LOOKED_AT)))
        many = read_many(split, indices)
        require(len(many) == len(indices), f"{spec.name}: __getitems__ returned {len(many)} of {len(indices)}")
        for index, sample in zip(indices, many, strict=True):
            require(_same(split[index], sample), f"{spec.name}: __getitems__ differs at {index} of split {name!r}")


def check_unknown_target_is_a_key_error(spec: DatasetSpec, root: Path | None) -> None:
    """Asking for a target that there is none of raises ``KeyError``, so that the user is told."""
    for _, split in _splits(spec, root):
        try:
            split.target("no-such-target")
        except KeyError:
            continue
        require(False, f"{spec.name}: an unknown target raises no KeyError")


DECLARATION: tuple[Callable[[DatasetSpec], None], ...] = (
    check_name_is_a_slug,
    check_version_counts_from_one,
    check_licence_and_citation_are_stated,
    check_inputs_leave_nothing_to_guess,
    check_splits_are_declared_once,
    check_spec_is_a_value,
    check_registering_imports_nothing_heavy,
    check_factories_can_be_imported,
)

BEHAVIOUR: tuple[Callable[[DatasetSpec, Path | None], None], ...] = (
    check_source_has_the_methods,
    check_fingerprint_is_stable,
    check_splits_are_not_empty,
    check_ids_are_unique_over_all_splits,
    check_samples_hold_what_is_declared,
    check_samples_stay_the_same,
    check_batched_reading_gives_the_same,
    check_unknown_target_is_a_key_error,
)


def open_source(spec: DatasetSpec, root: Path | None) -> DataSource:
    """Open a dataset, or skip the running test where its files are not here.

    Raises:
        unittest.SkipTest: The dataset's folder is missing.
    """
    if spec.folder and (root is None or not (root / spec.folder).is_dir()):
        # Of the standard library, and understood by pytest too.
        raise unittest.SkipTest(f"dataset {spec.name} is not below data_root={root}")
    source: DataSource = _cached_source(spec, root)
    return source


@lru_cache(maxsize=2)
def _cached_source(spec: DatasetSpec, root: Path | None) -> Any:
    return resolve(spec.factory)(DataContext(root=root))


@lru_cache(maxsize=8)
def read_split(spec: DatasetSpec, root: Path | None, name: str) -> Split:
    """Return a split of an opened dataset."""
    return open_source(spec, root).split(name)


def read_many(split: Split, indices: Sequence[int]) -> list[Sample]:
    """Read samples the way the runner does: many at once where the split can."""
    together = getattr(split, "__getitems__", None)
    return list(together(list(indices))) if together else [split[i] for i in indices]


def _open_again(spec: DatasetSpec, root: Path | None) -> DataSource:
    source: DataSource = resolve(spec.factory)(DataContext(root=root))
    return source


def _splits(spec: DatasetSpec, root: Path | None) -> Iterator[tuple[str, Split]]:
    open_source(spec, root)
    for name in spec.splits:
        yield name, read_split(spec, root, name)


def _samples(spec: DatasetSpec, root: Path | None) -> Iterator[tuple[str, int, Sample]]:
    for name, split in _splits(spec, root):
        indices = spread(len(split), LOOKED_AT)
        for index, sample in zip(indices, read_many(split, indices), strict=True):
            yield name, index, sample


def _require_image(image: Tensor, declared: ImageInput, where: str) -> None:
    shape = tuple(image.shape)
    require(len(shape) == 3, f"{where}: shape {shape} is not (band, height, width)")
    require(shape[0] == len(declared.bands), f"{where}: {shape[0]} bands, declared {', '.join(declared.bands)}")
    if declared.size is not None:
        require(shape[1:] == (declared.size, declared.size), f"{where}: size {shape[1:]}, declared {declared.size}")
    require(bool(image.isfinite().all()), f"{where}: values that are not finite")
    low, high = _RANGE[declared.unit]
    least, most = float(image.min()), float(image.max())
    require(low <= least and most <= high, f"{where}: values {least:g} ... {most:g} are not in unit {declared.unit}")


def _require_location(lonlat: Tensor, declared: LocationInput, where: str) -> None:
    import torch

    require(tuple(lonlat.shape) == (2,), f"{where}: shape {tuple(lonlat.shape)} is not (2,)")
    require(lonlat.dtype == torch.float64, f"{where}: {lonlat.dtype}, wanted float64 (float32 is off by metres)")
    lon, lat = lonlat.tolist() if declared.order == "lonlat" else reversed(lonlat.tolist())
    # Written so that NaN fails too.
    require(-180 <= lon <= 180 and -90 <= lat <= 90, f"{where}: {lonlat.tolist()} is not {declared.order} in degrees")


def _require_bbox(sample: Sample, spec: DatasetSpec, where: str) -> None:
    bbox = sample["bbox"].tolist()
    require(len(bbox) == 4, f"{where}: {bbox} is not (lon_min, lat_max, lon_max, lat_min)")
    west, north, east, south = bbox
    require(west < east and south < north, f"{where}: {bbox} is not (lon_min, lat_max, lon_max, lat_min)")
    order = next((i.order for i in spec.delivers if isinstance(i, LocationInput)), None)
    if order is not None and SAMPLE_KEYS["location"] in sample:
        pair = sample[SAMPLE_KEYS["location"]].tolist()
        lon, lat = pair if order == "lonlat" else reversed(pair)
        require(west <= lon <= east and south <= lat <= north, f"{where}: {bbox} does not contain {lon, lat}")


def _same(a: Sample, b: Sample) -> bool:
    return a.keys() == b.keys() and all(a[key].dtype == b[key].dtype and a[key].equal(b[key]) for key in a)
