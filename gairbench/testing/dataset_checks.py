"""What a dataset must fulfil: its declaration, and that its samples are what it declares.

``gairbench data check`` runs the checks of the data too, over every sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.cell_groupings import cell_width
from gairbench.data import DataSource, Sample, Split, mask_key, sample_key
from gairbench.dataset_download import remote_file_problem
from gairbench.dense_targets import reads_dense
from gairbench.inputs import Unit
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import DatasetSpec
from gairbench.testing import declarations
from gairbench.testing.declarations import require
from gairbench.testing.elsewhere import elsewhere
from gairbench.testing.inputs import spread_indices
from gairbench.testing.offline import offline
from gairbench.testing.opened import DatasetCheck, OpenedDataset, message_of
from gairbench.testing.seen import LOOKED_AT, read_many

if TYPE_CHECKING:
    from torch import Tensor

LAND_AT_LEAST = 0.1
"""Points of which fewer lie on land are either of the sea or wrong."""

LAND_EXCHANGED = 0.5
"""If so many of them would lie on land with longitude and latitude exchanged, they are wrong."""


_LARGE = frozenset({Unit.UINT8, Unit.S2_DN, Unit.S2_DN_OFFSET, Unit.LANDSAT_C2_DN, Unit.KELVIN})
"""Units of which values from 0 to 1 are hardly ever."""


def check_name_is_a_slug(spec: DatasetSpec) -> None:
    """The name is safe in file names, tables and on the command line."""
    declarations.require_slug(spec.name, "dataset")


def check_version_counts_from_one(spec: DatasetSpec) -> None:
    """The version can be raised and compared."""
    require(spec.version >= 1, f"{spec.name}: version {spec.version}")


def check_licence_and_citation_are_stated(spec: DatasetSpec) -> None:
    """Users of the data learn whose they are and on what terms."""
    require(bool(spec.licence), f"{spec.name}: no licence")
    require(bool(spec.citation), f"{spec.name}: no citation")


def check_inputs_leave_nothing_to_guess(spec: DatasetSpec) -> None:
    """Bands, unit and order are declared, one input per modality."""
    declarations.require_inputs(spec.delivers, spec.name, encoder=False)


def check_splits_are_declared_once(spec: DatasetSpec) -> None:
    """There are splits, each named once."""
    require(bool(spec.splits), f"{spec.name}: no splits")
    require(len(set(spec.splits)) == len(spec.splits), f"{spec.name}: a split twice in {spec.splits}")


def check_download_is_declared_whole(spec: DatasetSpec) -> None:
    """What can be fetched has a folder, a licence, and files with sizes, checksums and places of their own."""
    if spec.download is None:
        return
    require(bool(spec.folder), f"{spec.name}: a download without a folder to put it into")
    require(bool(spec.download.licence), f"{spec.name}: a download without a licence")
    require(bool(spec.download.files), f"{spec.name}: a download of no files")
    for file in spec.download.files:
        problem = remote_file_problem(file)
        require(not problem, f"{spec.name}: {problem}")
    paths = [file.path for file in spec.download.files]
    require(len(set(paths)) == len(paths), f"{spec.name}: two files for one place")


def check_spec_is_a_value(spec: DatasetSpec) -> None:
    """The spec can be hashed, compared and pickled."""
    declarations.require_value_object(spec)


def check_registering_imports_nothing_heavy(spec: DatasetSpec) -> None:
    """``gairbench list`` stays instant."""
    declarations.require_cheap(spec)


def check_factories_can_be_imported(spec: DatasetSpec) -> None:
    """The lazy address of the factory leads somewhere."""
    declarations.require_factories(spec)


@DatasetCheck
def check_source_has_the_methods(data: OpenedDataset) -> Iterator[str]:
    """The factory returns a source whose splits can be opened, each with every method of the protocols."""
    if not isinstance(data.source, DataSource):
        yield f"{type(data.source).__name__} is not a gairbench.data.DataSource"
        return
    yield from dict.fromkeys(map(message_of, data.unopened.values()))
    for name, split in data.splits.items():
        if not isinstance(split, Split):
            yield f"split {name!r}: {type(split).__name__} is not a gairbench.data.Split"


@DatasetCheck
def check_fingerprint_is_stable(data: OpenedDataset) -> Iterator[str]:
    """Two instances agree on a fingerprint: cached embeddings are found by it."""
    first = data.source.fingerprint()
    if not (isinstance(first, str) and first):
        yield f"fingerprint {first!r} is not a text"
        return
    again = data.other.fingerprint()
    if first != again:
        yield f"the fingerprint is {first} and then {again}"


@DatasetCheck
def check_network_is_left_alone(data: OpenedDataset) -> Iterator[str]:
    """Factory, fingerprint and splits fetch nothing: data come by ``DatasetSpec.download``, and only with consent."""
    with offline() as asked:
        try:
            source = data.open_again()
            source.fingerprint()
            for name in data.spec.splits:
                source.split(name)
        except Exception:
            if not asked:
                raise
    if asked:
        yield f"opening it asks the network for {', '.join(dict.fromkeys(asked))}"


@DatasetCheck
def check_the_process_is_left_as_it_was(data: OpenedDataset) -> Iterator[str]:
    """Opening the dataset changes nothing that others compute with: torch's settings, the working folder ..."""
    _ = data.source
    if data.changes:
        yield data.changes


@DatasetCheck
def check_splits_are_not_empty(data: OpenedDataset) -> Iterator[str]:
    """Every declared split has samples."""
    for name, split in data.splits.items():
        if not len(split):
            yield f"split {name!r} is empty"


@DatasetCheck
def check_ids_are_unique_over_all_splits(data: OpenedDataset) -> Iterator[str]:
    """No identifier occurs twice: not in a split, and not in train and test."""
    owner: dict[str, str] = {}
    for name, split in data.splits.items():
        ids = list(split.ids)
        if len(ids) != len(split):
            yield f"split {name!r} has {len(ids)} ids for {len(split)} samples"
        here: set[str] = set()
        for identifier in ids:
            if not isinstance(identifier, str):
                yield f"id {identifier!r} of split {name!r} is not a text"
            elif identifier in here:
                yield f"split {name!r} has id {identifier!r} twice"
            elif owner.setdefault(identifier, name) != name:
                yield f"id {identifier!r} is in splits {owner[identifier]!r} and {name!r}"
            here.add(identifier)


@DatasetCheck
def check_samples_hold_what_is_declared(data: OpenedDataset) -> Iterator[str]:
    """Keys, bands, size, unit, coordinate order and range are as declared, and all values are finite."""
    yield from data.seen.problems
    for declared, bands in data.seen.bands.items():
        if not bands.held:
            yield f"{mask_key(declared.name)} is false everywhere in all images: it is true where a pixel has a value"
        for unit in dict.fromkeys(declared.units()):
            highs = [high for high, other in zip(bands.high, declared.units(), strict=True) if other is unit]
            top = float(max(highs))
            if unit in _LARGE and 0 < top <= 1:
                yield f"no {sample_key(declared.name)} value above {top:g} is seen: is the unit {unit}?"
            lows = [low for low, other in zip(bands.low, declared.units(), strict=True) if other is unit]
            if unit is Unit.DB and float(min(lows)) >= 0:
                key = sample_key(declared.name)
                yield f"no {key} value below 0 is seen: is the unit db? Power and amplitude are never negative"


@DatasetCheck
def check_bands_are_not_constant(data: OpenedDataset) -> Iterator[str]:
    """Every band says something: not one value in all images; but a share of a class may be 0 in all of them."""
    for declared, bands in data.seen.bands.items():
        for band, unit, low, high in zip(declared.bands, declared.units(), bands.low, bands.high, strict=True):
            if low == high and bands.images > 1 and not (unit is Unit.RAW and low == 0):
                key = sample_key(declared.name)
                yield f"band {band!r} of {key} is {low:g} in all {bands.images} images: replace or leave out the band"


@DatasetCheck
def check_no_image_is_in_two_splits(data: OpenedDataset) -> Iterator[str]:
    """No two splits share an image, whatever its name: what is learned would be known in test."""
    for one, other in data.seen.duplicates:
        yield f"{one} and {other} are equal but in different splits"


@DatasetCheck
def check_places_are_plausible(data: OpenedDataset) -> Iterator[str]:
    """Points do not lie in the sea that would lie on land with longitude and latitude exchanged.

    A source that has an ``extent`` has checked its points against it.
    """
    import numpy as np

    from gairbench.geography import exchanged, on_land

    if not data.seen.lonlat or getattr(data.source, "extent", None):
        return
    lonlat = np.array(data.seen.lonlat)
    other = exchanged(lonlat)
    here = on_land(lonlat)
    if other is None or here.mean() >= LAND_AT_LEAST:
        return
    there = on_land(other)
    if there.mean() > LAND_EXCHANGED:
        first = int(np.flatnonzero(~here & there)[0])
        yield (
            f"{int((~here).sum())} of {len(here)} points lie in the sea, and {int(there.sum())} would lie on land with"
            f" longitude and latitude exchanged, such as {data.seen.places[first]} at {lonlat[first, 0]:g},"
            f" {lonlat[first, 1]:g} (lon, lat): swapped? Exchange them, or declare the 'extent' if they are right"
        )


@DatasetCheck
def check_places_are_those_of_the_samples(data: OpenedDataset) -> Iterator[str]:
    """``places()``, where there is one, returns what ``lonlat`` of the samples says: splits are divided by it."""
    import numpy as np

    for name, split in data.splits.items():
        places = getattr(split, "places", lambda: None)()
        if places is None:
            continue
        if np.shape(places) != (len(split), 2):
            yield f"split {name!r}: places() has shape {np.shape(places)} for {len(split)} samples"
            continue
        for index in spread_indices(len(split), 3):
            where = (_readable(split, index) or {}).get("lonlat")
            if where is not None and not np.array_equal(where.numpy(), places[index], equal_nan=True):
                said = np.asarray(places[index]).tolist()
                yield f"sample {split.ids[index]!r} of split {name!r} is at {where.tolist()}, and places() says {said}"


@DatasetCheck
def check_no_group_is_in_two_splits(data: OpenedDataset) -> Iterator[str]:
    """Every split has the grouping that the spec names, and shares no group with another: intervals rest on it."""
    import numpy as np

    wanted = data.spec.group
    if cell_width(wanted) is not None:
        lacking = [name for name, split in data.splits.items() if getattr(split, "places", lambda: None)() is None]
        yield from (f"split {name!r} has no places to make {wanted} of" for name in lacking)
        return
    owner: dict[object, str] = {}
    for name, split in data.splits.items() if wanted else ():
        try:
            groups = np.asarray(split.groups(wanted) if hasattr(split, "groups") else ())
        except KeyError:
            yield f"split {name!r} has no grouping {wanted!r}"
            continue
        if groups.shape != (len(split),):
            yield f"split {name!r}: groups({wanted!r}) has shape {groups.shape} for {len(split)} samples"
            continue
        for group in np.unique(groups).tolist():
            if owner.setdefault(group, name) != name:
                yield f"{wanted} {group!r} is in splits {owner[group]!r} and {name!r}"


@DatasetCheck
def check_source_finds_nothing_wrong(data: OpenedDataset) -> Iterator[str]:
    """What a source knows of its own data and samples do not show, its optional method ``problems()`` says."""
    yield from getattr(data.source, "problems", list)()


@DatasetCheck
def check_samples_stay_the_same(data: OpenedDataset) -> Iterator[str]:
    """Reading a sample again, in any order and from another instance, gives the same values: no hidden randomness."""
    for name, split in data.splits.items():
        other = data.other.split(name)
        if list(other.ids) != list(split.ids):
            yield f"two instances order split {name!r} differently"
            continue
        for index in reversed(spread_indices(len(split), 3)):
            samples = _readable(split, index), _readable(split, index), _readable(other, index)
            if not all(_same(samples[0], sample) for sample in samples[1:]):
                yield f"sample {split.ids[index]!r} of split {name!r} changes from one reading to the next"


@DatasetCheck
def check_batched_reading_gives_the_same(data: OpenedDataset) -> Iterator[str]:
    """``__getitems__``, where there is one, returns what ``__getitem__`` does, in the order asked."""
    for name, split in data.splits.items():
        if not hasattr(split, "__getitems__"):
            continue
        indices = [i for i in reversed(spread_indices(len(split), LOOKED_AT)) if _readable(split, i) is not None]
        many = read_many(split, indices)
        if len(many) != len(indices):
            yield f"split {name!r}: __getitems__ returned {len(many)} samples of {len(indices)}"
            continue
        for index, sample in zip(indices, many, strict=True):
            if not _same(split[index], sample):
                yield f"split {name!r}: __getitems__ differs at sample {split.ids[index]!r}"


@DatasetCheck
def check_unknown_target_is_a_key_error(data: OpenedDataset) -> Iterator[str]:
    """Asking for a target that does not exist raises ``KeyError``, which becomes a message."""
    for name, split in data.splits.items():
        if not _is_key_error(partial(split.target, "no-such-target")):
            yield f"split {name!r}: an unknown target raises no KeyError"
        if reads_dense(split) and not _is_key_error(partial(split.target_at, "no-such-target", 0)):
            yield f"split {name!r}: target_at of an unknown target raises no KeyError"


def _is_key_error(read: Callable[[], object]) -> bool:
    try:
        read()
    except KeyError:
        return True
    return False


DECLARATION: tuple[Callable[[DatasetSpec], None], ...] = (
    check_download_is_declared_whole,
    check_name_is_a_slug,
    check_version_counts_from_one,
    check_licence_and_citation_are_stated,
    check_inputs_leave_nothing_to_guess,
    check_splits_are_declared_once,
    check_spec_is_a_value,
    check_registering_imports_nothing_heavy,
    check_factories_can_be_imported,
)

BEHAVIOUR: tuple[DatasetCheck, ...] = (
    check_source_has_the_methods,
    check_the_process_is_left_as_it_was,
    check_fingerprint_is_stable,
    check_network_is_left_alone,
    check_splits_are_not_empty,
    check_ids_are_unique_over_all_splits,
    check_samples_hold_what_is_declared,
    check_bands_are_not_constant,
    check_no_image_is_in_two_splits,
    check_places_are_plausible,
    check_places_are_those_of_the_samples,
    check_no_group_is_in_two_splits,
    check_source_finds_nothing_wrong,
    check_samples_stay_the_same,
    check_batched_reading_gives_the_same,
    check_unknown_target_is_a_key_error,
)


@DatasetCheck
def check_another_process_reads_the_same(
    data: OpenedDataset, targets: Sequence[tuple[str, bool]] = ()
) -> Iterator[str]:
    """Another process with another hash seed reads the same: fingerprint, ids, some samples, classes and targets."""
    here = describe(data, targets)
    there = elsewhere(describe_again, data.spec, data.root, tuple(targets))
    for what, digest in here.items():
        if there.get(what) != digest:
            yield f"{what} differs in another process: does the dataset use hash(), or the order of a set?"


IN_ANOTHER_PROCESS: tuple[DatasetCheck, ...] = (check_another_process_reads_the_same,)
"""Checks of the data for a test alone: they read the data once more, and take the names of targets and whether each is
dense."""


def describe_again(spec: DatasetSpec, root: Path | None, targets: Sequence[tuple[str, bool]]) -> dict[str, str]:
    """Return :func:`describe` of a dataset that this process opens."""
    return describe(OpenedDataset(spec, root, every=False), targets)


def describe(data: OpenedDataset, targets: Sequence[tuple[str, bool]]) -> dict[str, str]:
    """Return digests of what two processes must agree on, by what it is."""
    found: dict[str, object] = {"the fingerprint": data.source.fingerprint()}
    found |= {f"the order of the classes of {name!r}": data.source.classes(name) for name, _ in targets}
    for split, samples in data.splits.items():
        found[f"the order of split {split!r}"] = list(samples.ids)
        for index in spread_indices(len(samples), 3):
            sample = _readable(samples, index)
            content = sample and sorted((key, _content(value)) for key, value in sample.items())
            found[f"sample {samples.ids[index]!r} of split {split!r}"] = content
        for name, dense in targets:
            values = data.target(split, name, dense=dense)
            whole = hashlib.sha256()
            for block in sample_blocks(values):
                whole.update(values[block].tobytes())
            found[f"target {name!r} of split {split!r}"] = values.dtype, values.shape, whole.hexdigest()
    return {what: hashlib.sha256(repr(value).encode()).hexdigest() for what, value in found.items()}


def _readable(split: Split, index: int) -> Sample | None:
    """Return a sample, or ``None`` for a broken one, which :func:`check_samples_hold_what_is_declared` names."""
    try:
        return split[index]
    except Exception:
        return None


def _same(a: Sample | None, b: Sample | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.keys() == b.keys() and all(_content(a[key]) == _content(b[key]) for key in a)


def _content(value: Tensor) -> tuple[object, ...]:
    # As bytes, because NaN is not equal to itself.
    return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
