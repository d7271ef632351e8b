"""The commands as functions: ``gairbench.run``, ``reproduce``, ``embed``, ``map`` and ``pretrain``.

Keywords are the options of the command of the same name, and mean the same. A mistake raises a
:class:`gairbench.errors.GairbenchError`; nothing exits and nothing is printed to standard output. Progress goes to
standard error unless ``quiet`` is given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gairbench.inputs import MissingPixels, Unit
from gairbench.spec import ModelSpec, TaskSpec

if TYPE_CHECKING:
    from gairbench.commands.outcomes import EmbeddedTable, EmbeddingMap, RunResults
    from gairbench.plugins import Registry
    from gairbench.progress import Progress
    from gairbench.reproduction.agreement import Agreement

FilePath = str | os.PathLike[str]
R = TypeVar("R")


def run(
    model: str | ModelSpec | Sequence[str | ModelSpec] | None = None,
    task: str | TaskSpec | Sequence[str | TaskSpec] | None = None,
    *,
    config: FilePath | None = None,
    task_file: FilePath | Sequence[FilePath] | None = None,
    preset: str | None = None,
    checkpoint: Mapping[str, FilePath] | str | Sequence[str] | None = None,
    data_root: FilePath | None = None,
    results: FilePath | None = None,
    device: str | None = None,
    seed: int | Sequence[int] | None = None,
    limit: int | None = None,
    labels: str | Sequence[str] | None = None,
    split: str | Sequence[str] | None = None,
    readout: str | Sequence[str] | None = None,
    selection: str | None = None,
    covered_by: str | ModelSpec | Sequence[str | ModelSpec] | None = None,
    fresh: bool | None = None,
    download: bool | None = None,
    executor: str | Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> RunResults:
    """Pre-train what needs it, evaluate every model-task pair, and write records and leaderboard.

    Arguments that are left out are taken from ``config``, and then from the defaults of ``gairbench run``.

    Args:
        model: Names of models, ``"all"``, or specs, also of models that no plugin registers.
        task: Names, globs, families or categories of tasks, ``"all"``, or specs.
        config: YAML file with the same settings; arguments override it.
        task_file: YAML files that declare tasks over your data.
        preset: Preset for every model that has one of that name.
        checkpoint: Checkpoint files or folders by model name, any that ``model`` takes.
        data_root: Folder of datasets that are not embedded.
        results: Folder of the records.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"auto"``.
        seed: Seed of everything random; everything is run once for each.
        limit: Use at most this many samples per split.
        labels: Parts of train's labels to learn from: ``"all"``, ``"10%"`` or ``"5-shot"``; all is run with each.
        split: How samples are divided: ``"published"``, ``"random"``, ``"blocks:5"``, ``"leave:country"`` or a policy
            of a plugin; all is run with each. A text is split at commas, the items of a list are not.
        readout: Poolings and layers: ``"default"``, ``"mean"``, ``"cls@5"``, ``"@11"`` or ``"each"``; all is run with
            each.
        selection: How probes choose hyper-parameters: ``"cv"``, by cross-validation over groups where there are groups,
            or ``"val"``, on val alone.
        covered_by: Models of existing embeddings: all is run on the samples that all of them have.
        fresh: Reuse nothing of earlier runs.
        download: Fetch published weights that are not here, under their licence.
        executor: Where jobs run: a name, or a mapping of ``name`` and the executor's keys.
        quiet: Show no progress.

    Returns:
        The records of the run: iterate over them, or take ``to_pandas()``, ``leaderboard()``, ``failed``.

    Raises:
        GairbenchError: Nothing can be run as asked. A cell that fails is not an error; it is in ``failed``.
    """
    from gairbench.commands.config import load_config
    from gairbench.commands.run import RunRequest, evaluate
    from gairbench.requests import checked, keyword_error
    from gairbench.taskfiles.parsing import registry_with

    models, tasks, lookups = _listed(model), _listed(task), _listed(covered_by)
    given = {
        "model": [_name(item) for item in models],
        "task": [_name(item) for item in tasks],
        "task_file": task_file,
        "preset": preset,
        "checkpoint": checkpoint,
        "data_root": data_root,
        "results": results,
        "device": device,
        "seed": seed,
        "limit": limit,
        "labels": labels,
        "split": split,
        "readout": readout,
        "selection": selection,
        "covered_by": [_name(item) for item in lookups],
        "fresh": fresh,
        "download": download,
        "executor": executor,
    }
    settings = load_config(RunRequest, Path(config)) if config is not None else {}
    request = _request("run", RunRequest, settings | checked(RunRequest, given, keyword_error))
    registry = registry_with(request.task_file)
    _add(registry, [*models, *(one for one in lookups if one not in models)], tasks)
    return evaluate(request, registry, _progress(quiet=quiet))


def reproduce(
    record: FilePath,
    *,
    model: str | ModelSpec | None = None,
    task_file: FilePath | Sequence[FilePath] | None = None,
    checkpoint: Mapping[str, FilePath] | str | Sequence[str] | None = None,
    covered_by: str | ModelSpec | Sequence[str | ModelSpec] | None = None,
    data_root: FilePath | None = None,
    device: str | None = None,
    retrain: bool = False,
    download: bool = False,
    quiet: bool = False,
) -> Agreement:
    """Compute the cell of a record again, keep nothing, and compare every number.

    Arguments that are left out are taken from the record and from the command line that it holds. A model in a Python
    file is loaded only where ``model`` names it.

    Args:
        record: The record's file.
        model: The model as ``run`` takes it, or its spec, where its name in the record is not enough.
        task_file: YAML files that declare the task.
        checkpoint: Checkpoint files or folders by model name.
        covered_by: Models of existing embeddings that say which samples take part.
        data_root: Folder of datasets that are not embedded.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"auto"``.
        retrain: Repeat pre-trainings by gairbench, too.
        download: Fetch published weights and data that are not here, under their licence.
        quiet: Show no progress.

    Returns:
        The comparison: ``agrees``, ``numbers``, and what differs in ``cell``, ``weights`` and ``environment``.

    Raises:
        GairbenchError: The cell cannot be computed again.
    """
    given = dict(locals())
    from gairbench.commands.reproduce import ReproduceRequest, reproduce_record
    from gairbench.taskfiles.parsing import registry_with

    lookups = _listed(covered_by)
    request = _request(
        "reproduce", ReproduceRequest, _options(given) | {"covered_by": [_name(item) for item in lookups]}
    )

    def registry_for(task_files: Sequence[Path]) -> Registry:
        registry = registry_with(task_files)
        _add(registry, [*_listed(model), *lookups], [])
        return registry

    return reproduce_record(request, _progress(quiet=quiet), registry_for)


def embed(
    model: str | ModelSpec,
    input: FilePath,  # noqa: A002 (the option's name)
    out: FilePath,
    *,
    views: str | Sequence[str] | None = None,
    rs_unit: Unit | str | None = None,
    rs_bands: str | Sequence[str] | None = None,
    rs_rendering: Mapping[str, object] | None = None,
    missing_pixels: MissingPixels = "fill",
    root: FilePath | None = None,
    follow_links: bool = False,
    column: Mapping[str, str] | str | Sequence[str] | None = None,
    preset: str | None = None,
    checkpoint: FilePath | None = None,
    device: str = "auto",
    seed: int = 0,
    download: bool = False,
    on_error: str = "stop",
    fresh: bool = False,
    quiet: bool = False,
) -> EmbeddedTable:
    """Embed the images and places of a table into a GeoParquet file; call it again to continue.

    Args:
        model: Name of a model, or its spec.
        input: Table of images and coordinates: CSV, Parquet, GeoJSON, GeoPackage or shapefile.
        out: GeoParquet file to write.
        views: ``rs``, ``rs_tokens``, ``rs_query``, ``sv``, ``sv_projected``, ``location``; all possible ones but
            ``rs_tokens`` if left out.
        rs_unit: Scale of the overhead images' values.
        rs_bands: Their bands in the files' order; as the files say if left out.
        rs_rendering: How their values are shown to a model of RGB pictures, as ``{"bands": ["B4", "B3", "B2"], "low":
            0, "high": 3000}``.
        missing_pixels: ``"fill"`` their missing pixels with the mean of the others, or ``"refuse"`` such images.
        root: Folder that paths in the table start from; the table's own if left out.
        follow_links: Accept paths in the table that are links to files outside of that folder.
        column: The table's own names of its columns, by ours, such as ``{"lon": "longitude"}``.
        preset: Preset of the model.
        checkpoint: File or folder of the model's weights.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"auto"``.
        seed: Seed of untrained weights.
        download: Fetch published weights that are not here, under their licence.
        on_error: ``"stop"`` at a row that cannot be embedded, or ``"skip"`` such rows and list them.
        fresh: Begin anew, and replace ``out``.
        quiet: Show no progress.

    Returns:
        The file; take ``to_pandas()`` or ``to_geopandas()``.

    Raises:
        GairbenchError: The model, the table or an image cannot be used, or nothing can be written.
    """
    given = dict(locals())
    from gairbench.commands.embed import embed_table
    from gairbench.embed_table.request import EmbedRequest

    request = _request("embed", EmbedRequest, _options(given))
    return embed_table(request, _registry(model), _progress(quiet=quiet))


def map(  # noqa: A001 (the command's name)
    image: FilePath,
    out: FilePath,
    unit: Unit | str,
    *,
    model: str | ModelSpec = "gair",
    preset: str | None = None,
    checkpoint: FilePath | None = None,
    bands: str | Sequence[str] | None = None,
    rendering: Mapping[str, object] | None = None,
    missing_pixels: MissingPixels = "fill",
    resolution: float | None = None,
    overlap: float = 0.5,
    device: str = "auto",
    download: bool = False,
    quicklook: FilePath | None = None,
    batch: int = 16,
    quiet: bool = False,
) -> EmbeddingMap:
    """Make a dense, georeferenced embedding map of an overhead image of any size.

    Args:
        image: GeoTIFF or another georeferenced image, north up.
        out: File to write: ``.tif`` or ``.zarr``.
        unit: Scale of the image's values; never guessed.
        model: Name of a model with a grid of patch tokens, or its spec.
        preset: Preset of the model.
        checkpoint: File or folder of the model's weights.
        bands: The image's bands in order; as the file says if left out.
        rendering: How its values are shown to a model of RGB pictures, as ``{"bands": ["B4", "B3", "B2"], "low": 0,
            "high": 3000}``.
        missing_pixels: ``"fill"`` their missing pixels with the mean of the others, or ``"refuse"`` such images.
        resolution: Edge of an output pixel in units of the CRS; one token if left out.
        overlap: Share of a tile that its neighbour covers, 0 to 0.9.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"auto"``.
        download: Fetch published weights that are not here, under their licence.
        quicklook: PNG to draw; ``out`` with ``.png`` added if left out.
        batch: Tiles per call of the model.
        quiet: Show no progress.

    Returns:
        The map; a notebook shows its quick-look.

    Raises:
        GairbenchError: The scene, the model or an option is not such that a map can be made, or it cannot be written.
    """
    given = dict(locals())
    from gairbench.commands.map import MapRequest, make_map

    request = _request("map", MapRequest, _options(given))
    return make_map(request, _registry(model), _progress(quiet=quiet))


def pretrain(
    model: str | ModelSpec,
    data: FilePath,
    out: FilePath,
    *,
    preset: str | None = None,
    set: Mapping[str, object] | str | Sequence[str] | None = None,  # noqa: A002 (the option's name)
    checkpoint: Mapping[str, FilePath] | str | Sequence[str] | None = None,
    download: bool = False,
    seed: int = 0,
    limit: int | None = None,
    resume: bool = False,
    device: str = "auto",
    accelerator: str | None = None,
    devices: int | str = "1",
    num_nodes: int = 1,
    strategy: str = "auto",
    precision: str | None = None,
    accumulate_grad_batches: int = 1,
    num_workers: int = 0,
    checkpoint_every: int | None = None,
    validate_every: int | None = None,
    balance: str | None = None,
    rs_unit: Unit | str | None = None,
    rs_bands: str | Sequence[str] | None = None,
    missing_pixels: MissingPixels = "fill",
    root: FilePath | None = None,
    follow_links: bool = False,
    column: Mapping[str, str] | str | Sequence[str] | None = None,
    on_error: str = "stop",
    data_root: FilePath | None = None,
    quiet: bool = False,
) -> Path:
    """Pre-train a model on a registered dataset or on your own triplets, and write a checkpoint.

    Args:
        model: Name of a model, or its spec.
        data: Registered dataset, manifest (a table) or folder of shards.
        out: Folder of the checkpoint, the logs and the run's state.
        preset: Preset of the model.
        set: Settings of the recipe to change, such as ``{"epochs": 10}``.
        checkpoint: Checkpoint files or folders of teachers, by model name.
        download: Fetch published weights of teachers that are not here, under their licence.
        seed: Seed of everything random.
        limit: Use at most this many samples.
        resume: Continue the run in ``out`` where it stopped.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"auto"``.
        accelerator: Lightning's accelerator; from ``device`` if left out.
        devices: Lightning's devices on each node: a number, ``"auto"`` or a list such as ``"0,2"``.
        num_nodes: Nodes.
        strategy: Lightning's strategy.
        precision: Lightning's precision; ``bf16-mixed`` on CUDA, else ``32-true``, if left out.
        accumulate_grad_batches: Batches per optimizer step.
        num_workers: Processes per device that load data.
        checkpoint_every: Steps between checkpoints to resume from; an epoch if left out.
        validate_every: Steps between validations, 0 for none; an epoch if left out.
        balance: Sample cells of the Earth alike: ``"grid:DEGREES"`` or ``"h3:RESOLUTION"``.
        rs_unit: Scale of a manifest's overhead images.
        rs_bands: Their bands; as the files say if left out.
        missing_pixels: ``"fill"`` their missing pixels with the mean of the others, or ``"refuse"`` such images.
        root: What a manifest's paths are relative to; its folder if left out.
        follow_links: Accept paths in the manifest that are links to files outside of that folder.
        column: The manifest's own names of its columns, by ours.
        on_error: ``"stop"`` at bad rows of a manifest, or ``"skip"`` and report them.
        data_root: Folder of registered datasets that are not embedded.
        quiet: Show no progress.

    Returns:
        The folder of the checkpoint, ready for ``checkpoint=`` of the other functions.

    Raises:
        GairbenchError: The request, the data or an earlier run in the folder do not allow it.
    """
    given = dict(locals()) | {"data": os.fspath(data), "devices": str(devices)}
    from gairbench.commands.pretrain import PretrainRequest, pretrain_model

    request = _request("pretrain", PretrainRequest, _options(given))
    return pretrain_model(request, _registry(model), _progress(quiet=quiet))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str | ModelSpec | TaskSpec) else list(value)


def _name(item: Any) -> Any:
    return item.name if isinstance(item, ModelSpec | TaskSpec) else item


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _name(value) for name, value in given.items() if name != "quiet"}


def _request(words: str, kind: type[R], given: Mapping[str, Any]) -> R:
    """Return a request that keeps the command line which asks for the same."""
    from gairbench.requests import command_line, keyword_error, make_request

    line = command_line(words, make_request(kind, given, keyword_error))
    return make_request(kind, given, keyword_error, command=line)


def _registry(model: object) -> Registry:
    from gairbench.plugins import load_registry

    registry = load_registry()
    _add(registry, _listed(model), [])
    return registry


def _add(registry: Registry, models: Sequence[Any], tasks: Sequence[Any]) -> None:
    """Add specs that no plugin registers.

    Raises:
        PluginError: A plugin provides something else by that name.
    """
    from gairbench.plugins import Origin

    new_models = [m for m in models if isinstance(m, ModelSpec) and registry.models.get(m.name) != m]
    new_tasks = [t for t in tasks if isinstance(t, TaskSpec) and registry.tasks.get(t.name) != t]
    if new_models or new_tasks:
        registry.add(Origin("python", "caller", "0"), models=new_models, tasks=new_tasks)


def _progress(*, quiet: bool) -> Progress:
    from rich.console import Console

    from gairbench.progress import Progress

    return Progress(Console(stderr=True, quiet=quiet))
