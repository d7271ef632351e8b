"""Build a TorchGeo dataset, and say whose fault it is if that fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.errors import DataError, DataMissingError, GairbenchError, PluginError, UsageError

if TYPE_CHECKING:
    from gairbench_tasks.torchgeo.declaration import TorchGeoDeclaration


def build_dataset(source: TorchGeoDeclaration, folder: Path, options: Mapping[str, Any]) -> Any:
    """Build the dataset of one split; its archives are unpacked by the class.

    Args:
        source: The declaration.
        folder: Where the data lie.
        options: Arguments for this split.

    Raises:
        DataMissingError: The data are not there.
        DataError: They are broken.
        PluginError: The class does not exist in this version, does not take the options, or needs another package.
    """
    from torchgeo.datasets import DatasetNotFoundError

    if not folder.is_dir():
        raise DataMissingError(f"no folder {folder}", source.how_to_get(folder))
    make = imported(source.dataset)
    parameters = _parameters(make)
    arguments = {**source.options, **options}
    if arguments.get("download"):
        raise PluginError(f"{source.dataset} is declared with download=True", "leave it out: runs never download")
    if "download" in parameters:
        arguments["download"] = False
    elif not source.page:
        raise PluginError(f"{source.dataset} cannot download its data", "say where people get them: page='https://...'")
    if "checksum" in parameters:
        # Since TorchGeo 0.10 classes hash gigabytes at every opening unless they are asked not to. The download checks
        # what it gets, and fingerprints are of the content.
        arguments.setdefault("checksum", False)
    where = _folder_argument(parameters)
    shown = ", ".join(f"{name}={value!r}" for name, value in {where: str(folder), **arguments}.items())
    with blamed(f"{source.dataset}({shown})", "complete or restore the data, or correct the declared options"):
        try:
            return make(**{where: folder, **arguments})
        except DatasetNotFoundError:
            raise DataMissingError(
                f"{source.dataset} does not find its files in {folder}", source.how_to_get(folder)
            ) from None


def download_dataset(source: TorchGeoDeclaration, folder: Path) -> None:
    """Let a class download what a folder lacks, for every split. It raises whatever its way to fetch files raises.

    Args:
        source: The declaration.
        folder: Where the data are to lie.

    Raises:
        PluginError: The class does not exist in this version, or needs another package.
        UsageError: The class cannot download.
    """
    make = imported(source.dataset)
    parameters = _parameters(make)
    if "download" not in parameters:
        raise UsageError(f"{source.dataset} cannot download its data", source.how_to_get(folder))
    given = {"download": True} | ({"checksum": True} if "checksum" in parameters else {})
    for options in source.splits.values():
        with _packages_named(source.dataset):
            make(**{_folder_argument(parameters): folder, **source.options, **options, **given})


def _parameters(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return what a class or function takes, by name."""
    found = inspect.signature(make).parameters
    hidden = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if isinstance(make, type) and all(parameter.kind in hidden for parameter in found.values()):
        # Python's wrapper of a deprecated class, as TorchGeo's XView2 since 0.10, hides what its initializer takes.
        _self, *others = inspect.signature(make.__init__).parameters.values()  # type: ignore[misc]
        return {parameter.name: parameter for parameter in others}
    return found


def _folder_argument(parameters: Mapping[str, inspect.Parameter]) -> str:
    return next((name for name in ("root", "paths") if name in parameters), next(iter(parameters)))


def imported(address: str) -> Callable[..., Any]:
    """Import a class or function.

    Args:
        address: ``"package.module:name"``.

    Raises:
        PluginError: There is none, or a package is missing.
    """
    module, _, name = address.partition(":")
    try:
        found: Callable[..., Any] | None = getattr(import_module(module), name, None) if name else None
    except ImportError as error:
        raise PluginError(f"cannot import {module!r}: {error}", _install(error)) from error
    if found is None or not callable(found):
        raise PluginError(
            f"there is no {address!r}{_version(module)}", "correct the address, or install another version"
        )
    return found


def _version(module: str) -> str:
    package = module.partition(".")[0]
    version = getattr(import_module(package), "__version__", "")
    return f" in {package} {version}" if version else ""


@contextmanager
def blamed(what: str, hint: str) -> Iterator[None]:
    """Turn whatever third-party code raises into one line.

    Args:
        what: What was being done.
        hint: What to do about it.

    Raises:
        PluginError: A package is missing.
        DataError: Anything else.
    """
    try:
        with _packages_named(what):
            yield
    except GairbenchError:
        raise
    except Exception as error:
        raise DataError(f"{what}: {type(error).__name__}: {error}", hint) from error


@contextmanager
def _packages_named(what: str) -> Iterator[None]:
    """Turn a package that is missing into one line, and let everything else pass."""
    from torchgeo.datasets.errors import DependencyNotFoundError

    try:
        yield
    except DependencyNotFoundError as error:
        package = str(error).partition(" is not installed")[0]
        raise PluginError(f"{what} needs {package}, which is not installed", f"pip install {package}") from error
    except ImportError as error:
        raise PluginError(f"{what}: {error}", _install(error)) from error


def _install(error: ImportError) -> str:
    return f"pip install {error.name.partition('.')[0]}" if error.name else "install what is missing"
