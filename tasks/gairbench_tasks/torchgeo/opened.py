"""A :class:`gairbench.data.DataSource` over the TorchGeo datasets of one folder."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import hash_files, sample_key
from gairbench.digests import digest
from gairbench.errors import DataError, PluginError
from gairbench.inputs import ImageInput, LocationInput
from gairbench.spec import DatasetSpec
from gairbench.split_policy import SPLITS
from gairbench.splitting import block_split, group_split, random_split
from gairbench_tasks.torchgeo.bands import channels, check_band_names
from gairbench_tasks.torchgeo.building import build_dataset, imported
from gairbench_tasks.torchgeo.declaration import GROUP, Draw, TorchGeoDeclaration
from gairbench_tasks.torchgeo.samples import Samples

if TYPE_CHECKING:
    from torch import Tensor

READING_VERSION = 1
"""Part of every fingerprint; raise it when the same datasets give other samples, splits or targets."""


class OpenedSource:
    """The samples of a :class:`TorchGeoSource`; a :class:`gairbench.data.DataSource`.

    Args:
        source: The declaration.
        spec: The dataset that it is the factory of.
        folder: Where the data lie.

    Raises:
        PluginError: The declaration contradicts itself or the spec.
    """

    def __init__(self, source: TorchGeoDeclaration, spec: DatasetSpec, folder: Path) -> None:
        self.source = source
        self._spec = spec
        self._folder = folder
        self._opened: dict[str, Samples] = {}
        self._check_splits()
        for declared in spec.delivers:
            if isinstance(declared, LocationInput) and declared.order != "lonlat":
                raise PluginError(
                    f"dataset {spec.name!r} delivers 'latlon', and a TorchGeoSource longitude first",
                    "declare LocationInput()",
                )

    def _check_splits(self) -> None:
        draw, own, name = self.source.draw, set(self.source.splits), self._spec.name
        drawn: set[str] = set()
        if draw is not None:
            if min(draw.shares) < 0 or abs(sum(draw.shares) - 1) > 1e-9:
                raise PluginError(f"dataset {name!r} draws shares {draw.shares}", "let them sum to 1")
            if draw.of not in own:
                raise PluginError(
                    f"dataset {name!r} draws from {draw.of!r}, which is not among its splits {', '.join(sorted(own))}",
                    "name it in 'splits' with the arguments of the class",
                )
            drawn = {split for split, share in zip(SPLITS, draw.shares, strict=True) if share}
            if twice := drawn & (own - {draw.of}):
                raise PluginError(
                    f"dataset {name!r} draws {', '.join(sorted(twice))} and has such a split of its own",
                    "give it no share, or leave the own one out",
                )
            if draw.by == "random" and self.source.chips is not None and _overlap(self.source):
                raise PluginError(
                    f"chips of dataset {name!r} overlap and are drawn at random",
                    "draw them by 'blocks' or 'group', or raise the stride to the size",
                )
            own.discard(draw.of)
        if missing := [split for split in self._spec.splits if split not in own | drawn]:
            raise PluginError(
                f"dataset {name!r} declares split {missing[0]!r}, which neither 'splits' nor 'draw' gives",
                "declare how it comes about, or leave it out of the DatasetSpec's splits",
            )

    def samples(self, own_split: str) -> Samples:
        """Return the samples of one of the dataset's own splits, opened when they are first asked for.

        Raises:
            DataMissingError: The data are not there.
            DataError: They are broken.
            PluginError: The class cannot be built as declared, or has other bands than are declared.
        """
        if own_split not in self._opened:
            dataset = build_dataset(self.source, self._folder, self.source.splits[own_split])
            keys = {sample_key(one.name): one for one in self._spec.delivers if isinstance(one, ImageInput)}
            for key, part in self.source.parts.items():
                channels(dataset, part)
                if key in keys:
                    check_band_names(dataset, part, keys[key])
            self._opened[own_split] = Samples(self.source, self._spec.name, own_split, dataset, self._folder)
        return self._opened[own_split]

    def fingerprint(self) -> str:
        """Return a hash of the files, the declaration and the code that reads them.

        The same files may give other samples in another version of TorchGeo, so its version is part of it, and the
        source of the dataset's classes, which need not be TorchGeo's.

        Raises:
            DataMissingError: The data are not there.
            DataError: They are broken, or two samples have one name.
            PluginError: The class cannot be built as declared.
        """
        import torchgeo

        owner: dict[str, str] = {}
        for split in self._spec.splits:
            for identifier in self.split(split).ids:
                if owner.setdefault(identifier, split) != split:
                    raise DataError(
                        f"sample {identifier!r} of dataset {self._spec.name!r} is in {owner[identifier]} and {split}",
                        "correct 'splits', or declare ids that differ",
                    )
        # Only now have the archives been unpacked.
        return digest(
            files=hash_files(self._folder, self.source.files),
            code=sorted({line for opened in self._opened.values() for line in _code(opened.dataset)}),
            make=_source_of(imported(self.source.dataset)),
            torchgeo=torchgeo.__version__,
            reading=READING_VERSION,
            declared=self._declared(),
        )

    def _declared(self) -> str:
        """Return all of the declaration that decides samples, splits and targets."""
        source = self.source
        parts = [source.dataset, source.target, source.options, source.splits, source.draw, source.inputs]
        text = repr([*parts, source.ids, source.groups, source.lonlat, source.chips])
        if " at 0x" in text:
            raise PluginError(
                f"an option of dataset {self._spec.name!r} is an object without a lasting name: {text}",
                "declare plain values, and address a function that makes the dataset from them",
            )
        return text

    def split(self, name: str) -> TorchGeoSplit:
        """Return a split.

        Raises:
            KeyError: There is no such split.
            DataMissingError: The data are not there.
            DataError: They are broken, or the split is empty.
        """
        samples = self.samples(self._own_split(name))
        rows = np.flatnonzero(self._drawn == name) if self._is_drawn(name) else np.arange(len(samples))
        if not len(rows):
            raise DataError(f"split {name!r} of dataset {self._spec.name!r} is empty", "complete the data, or the draw")
        return TorchGeoSplit(samples, rows)

    def _is_drawn(self, split: str) -> bool:
        draw = self.source.draw
        return draw is not None and split in SPLITS and draw.shares[SPLITS.index(split)] > 0

    def _own_split(self, split: str) -> str:
        """Return the dataset's own split that a split is made of."""
        return self.source.draw.of if self.source.draw is not None and self._is_drawn(split) else split

    @cached_property
    def _drawn(self) -> NDArray[np.str_]:
        draw = self.source.draw
        assert draw is not None  # noqa: S101
        samples = self.samples(draw.of)
        # Another file system lists the same files in another order.
        order = np.argsort(np.array(samples.ids))
        names = np.empty(len(order), dtype="<U5")
        names[order] = self._draw(draw, samples, order)
        return names

    def _draw(self, draw: Draw, samples: Samples, order: NDArray[np.int64]) -> NDArray[np.str_]:
        if draw.by == "random":
            strata = samples.labels(draw.stratify, order) if draw.stratify else None
            return random_split(len(order), draw.shares, draw.seed, strata)
        if draw.by == "group":
            if samples.groups is None:
                raise PluginError(f"dataset {self._spec.name!r} is drawn by group and has none", "declare 'groups'")
            return group_split(np.array(samples.groups)[order], draw.shares, draw.seed)
        if samples.lonlat is None:
            raise PluginError(f"dataset {self._spec.name!r} is drawn by blocks and has no places", "declare 'lonlat'")
        return block_split(samples.lonlat[order], draw.degrees, draw.shares, draw.seed)

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the class names of a target in index order; empty for measurements.

        Raises:
            KeyError: There is no such target.
            PluginError: The class does not name them.
            DataError: The dataset's own splits have different ones.
        """
        first, *others = dict.fromkeys(map(self._own_split, self._spec.splits))
        classes = self.samples(first).classes(target)
        for other in others:
            if (theirs := self.samples(other).classes(target)) != classes:
                differ = sorted(set(classes) ^ set(theirs)) or list(classes)
                raise DataError(
                    f"splits {first!r} and {other!r} of dataset {self._spec.name!r} have different classes:"
                    f" {', '.join(differ[:5])}",
                    "complete the data, or declare the Label's 'classes' and 'values'",
                )
        return classes


def _overlap(source: TorchGeoDeclaration) -> bool:
    chips = source.chips
    return chips is not None and chips.stride is not None and chips.stride < chips.size


def _code(dataset: Any) -> Iterator[str]:
    """Yield the source of a dataset's classes, and of the datasets that it is made of."""
    for one in type(dataset).__mro__:
        if one.__module__.partition(".")[0] not in {"builtins", "abc", "torch", "torchvision", "typing"}:
            yield _source_of(one)
    for part in getattr(dataset, "datasets", ()):
        yield from _code(part)


def _source_of(code: Any) -> str:
    try:
        text = inspect.getsource(code)
    except (OSError, TypeError) as error:
        raise PluginError(f"the source of {code!r} cannot be read: {error}", "define it in a file") from error
    return f"{code.__module__}:{code.__qualname__} {hashlib.sha256(text.encode()).hexdigest()}"


class TorchGeoSplit:
    """Some samples of a dataset, read when they are asked for.

    Args:
        samples: All samples that they are among.
        rows: Which of them.
    """

    def __init__(self, samples: Samples, rows: NDArray[np.int64]) -> None:
        self._samples = samples
        self._rows = rows
        self.ids: Sequence[str] = [samples.ids[row] for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        return self._samples.inputs(int(self._rows[index]))

    def groups(self, name: str) -> NDArray[np.str_]:
        """Return what each sample has in common with others, aligned with :attr:`ids`.

        Args:
            name: :data:`GROUP`, the only grouping that is declared.

        Raises:
            KeyError: It is another name, or no grouping is declared.
        """
        groups = self._samples.groups
        if groups is None or name != GROUP:
            raise KeyError(name)
        return np.array(groups, dtype=np.str_)[self._rows]

    def groupings(self) -> tuple[str, ...]:
        """Return the name of the grouping, if one is declared."""
        return () if self._samples.groups is None else (GROUP,)

    def places(self) -> NDArray[np.float64] | None:
        """Return longitude and latitude of every sample, or ``None`` where they have no place."""
        lonlat = self._samples.lonlat
        return None if lonlat is None else lonlat[self._rows]

    def target(self, name: str) -> NDArray[Any]:
        """Return a target, aligned with :attr:`ids`.

        Raises:
            KeyError: No such target is declared.
            DataError: A value is not what is declared.
        """
        return self._samples.labels(name, self._rows)

    def target_at(self, name: str, index: int) -> NDArray[Any]:
        """Return the mask or map of one sample, as :meth:`target` has it.

        Raises:
            KeyError: No such target is declared.
            DataError: It is not what is declared.
        """
        return self._samples.label(name, int(self._rows[index]))
