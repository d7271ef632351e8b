"""Follow the addresses of :mod:`gairbench_tasks.torchgeo.declaration` through a dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from gairbench.errors import DataError, PluginError
from gairbench.names import composed
from gairbench_tasks.torchgeo.building import blamed, imported

ID_ATTRIBUTES = (
    "samples", "files", "file_list", "sample_paths", "image_fns", "image_files", "image_paths", "image_filenames",
    "fpaths", "filenames", "paths", "folders", "source", "uuids", "ids", "metadata_df", "metadata",
)  # fmt: skip
"""Where TorchGeo's classes keep the files or names of their samples, in the order in which they are looked for."""


def is_entry(address: str) -> bool:
    """Whether an address is that of an entry of each sample."""
    return not address.startswith(".") and ":" not in address


def found(dataset: Any, address: str, what: str) -> Any:
    """Return what stands at an address that is not an entry of each sample.

    Args:
        dataset: The TorchGeo dataset.
        address: Of an attribute or function.
        what: What it is the address of, for messages.

    Raises:
        PluginError: There is nothing.
        DataError: The function fails.
    """
    if not address.startswith("."):
        with blamed(f"{what}: {address}({type(dataset).__name__})", "correct the function, or the data"):
            return imported(address)(dataset)
    value, rest = dataset, address[1:]
    while rest:
        try:
            value, rest = _next(value, rest)
        except LookupError:
            raise PluginError(
                f"{what}: {type(dataset).__name__} has no {address!r}; nothing is found at {rest!r}",
                f"its attributes are {', '.join(sorted(vars(dataset)))}",
            ) from None
    return value


def per_sample(dataset: Any, address: str, n: int, what: str) -> Sequence[Any]:
    """Return one value for each sample from an attribute or a function; a method is called when a value is asked for.

    Args:
        dataset: The TorchGeo dataset.
        address: Of the attribute or function.
        n: Number of samples.
        what: What it is the address of, for messages.

    Raises:
        PluginError: There is nothing, or not one value for each sample.
        DataError: The function fails.
    """
    value = found(dataset, address, what)
    if callable(value):
        return _Calls(value, n, f"{what}: {type(dataset).__name__}{address}")
    values = list(value)
    if len(values) != n:
        raise PluginError(
            f"{what}: {address!r} of {type(dataset).__name__} has {len(values)} values for {n} samples",
            "give the address of one value for each sample",
        )
    return values


class _Calls(Sequence[Any]):
    """What a method returns for each index."""

    def __init__(self, method: Callable[[int], Any], n: int, what: str) -> None:
        self._method = method
        self._n = n
        self._what = what

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._n:
            raise IndexError(index)
        with blamed(f"{self._what}({index})", "restore the data, or correct the address"):
            return self._method(int(index))


def _next(value: Any, rest: str) -> tuple[Any, str]:
    """Take one step, the longest that is possible: names of columns may hold dots.

    Raises:
        LookupError: None is possible.
    """
    for name, after in ((rest, ""), (rest.partition(".")[0], rest.partition(".")[2])):
        columns = getattr(value, "columns", None)
        if columns is not None and name in columns:
            return value[name], after
        if isinstance(value, Mapping):
            if name in value:
                return value[name], after
            if name.isdecimal() and int(name) in value:
                return value[int(name)], after
        if isinstance(value, list | tuple) and value:
            if isinstance(value[0], Mapping) and all(name in entry for entry in value):
                return [entry[name] for entry in value], after
            if isinstance(value[0], list | tuple) and name.isdecimal() and all(len(e) > int(name) for e in value):
                return [entry[int(name)] for entry in value], after
        if hasattr(value, name):
            return getattr(value, name), after
    raise LookupError(rest)


def file_ids(dataset: Any, n: int, folder: Path) -> list[str]:
    """Return names of samples from the dataset's own list of files or names.

    Args:
        dataset: The TorchGeo dataset.
        n: Number of samples.
        folder: Paths are taken relative to it.

    Raises:
        PluginError: It has no such list.
        DataError: It names two samples alike.
    """
    twice = ""
    for attribute in ID_ATTRIBUTES:
        for values in _columns(vars(dataset).get(attribute)):
            if len(values) == n > 0 and (names := _names(values, folder)):
                if len(set(names)) == n:
                    return names
                twice = twice or next(name for name in names if names.count(name) > 1)
    if twice:
        raise DataError(f"two samples of {type(dataset).__name__} are called {twice!r}", "declare ids that differ")
    raise PluginError(
        f"{type(dataset).__name__} does not say which files its samples are",
        f"declare ids: the address of names that stay the same (it has {', '.join(sorted(vars(dataset)))}), or 'index'",
    )


def _columns(entries: Any) -> Iterator[list[Any]]:
    """Yield what may be names in a list: its entries, or the values of one key or column after the other."""
    if hasattr(entries, "columns"):
        yield from (list(entries[column]) for column in entries.columns)
        return
    entries = list(entries) if isinstance(entries, list | tuple) or hasattr(entries, "tolist") else []
    if entries and all(isinstance(entry, Mapping) for entry in entries):
        yield from ([entry.get(key) for entry in entries] for key in entries[0])
    else:
        yield entries


def _names(values: Sequence[Any], folder: Path) -> list[str] | None:
    """Return the values, or the first parts of them, as names if they are texts."""
    first = [value[0] if isinstance(value, list | tuple) and value else value for value in values]
    if not all(isinstance(value, str | Path) for value in first):
        return None
    return [name_of(value, folder) for value in first]


def name_of(value: Any, folder: Path) -> str:
    """Return a value as a name that is the same on every machine: paths are taken relative to the folder."""
    if isinstance(value, list | tuple):
        return "-".join(name_of(part, folder) for part in value)
    text = composed(str(value).strip())
    for prefix in _prefixes(folder):
        if text.startswith(prefix):
            return text[len(prefix) :].replace(os.sep, "/")
    return text


@lru_cache(maxsize=8)
def _prefixes(folder: Path) -> tuple[str, ...]:
    """Return how paths in a folder begin, as it is given, absolute, and without links."""
    return tuple(
        f"{composed(str(path)).rstrip(os.sep)}{os.sep}" for path in (folder, folder.absolute(), folder.resolve())
    )


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse names that are not unique or hold a path of this machine.

    Raises:
        DataError: A name occurs twice, or is an absolute path.
    """
    seen: set[str] = set()
    for name in names:
        if Path(name).is_absolute():
            raise DataError(f"{what}: sample {name!r} lies outside of the dataset's folder", "put all files below it")
        if name in seen:
            raise DataError(f"{what}: two samples are called {name!r}", "declare ids that differ")
        seen.add(name)
