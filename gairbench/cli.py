"""The command line. Nothing heavy is imported before a command needs it: ``--help`` and ``list`` must be instant."""

from __future__ import annotations

import contextlib
import gc
import os
import shlex
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, TextIO, TypeVar

import typer
from typer.core import TyperGroup

from gairbench.commands.interrupts import Terminated, as_interrupt, watch_signals
from gairbench.commands.output import make_tolerant, mute
from gairbench.errors import GairbenchError, UsageError
from gairbench.names import printable
from gairbench.storage import FULL

R = TypeVar("R")


class _Commands(TyperGroup):
    """The commands; what they raise reaches :func:`main`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _TYPER_SWALLOWS as error:
            raise _EscapedError from error


app = typer.Typer(
    name="gairbench",
    cls=_Commands,
    help="Benchmark geo-foundation models with identical frozen-feature probes.",
    no_args_is_help=True,
    add_completion=False,
    # rich's help formatting alone would cost half of the time that --help may take.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
list_app = typer.Typer(help="List what is installed, with its origin.", no_args_is_help=True, rich_markup_mode=None)
results_app = typer.Typer(help="Show, check and merge records.", no_args_is_help=True, rich_markup_mode=None)
show_app = typer.Typer(help="Show what is known of a task.", no_args_is_help=True, rich_markup_mode=None)
data_app = typer.Typer(help="List, fetch, check and show datasets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(list_app, name="list")
app.add_typer(show_app, name="show")
app.add_typer(data_app, name="data")
app.add_typer(results_app, name="results")

Results = Annotated[Path | None, typer.Option("--results", help="Folder of the result records [default: results].")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Folder of datasets that are not embedded.")]
TaskFiles = Annotated[
    list[Path] | None, typer.Option("--task-file", help="YAML file that declares tasks over your data; repeatable.")
]
DOWNLOAD = typer.Option("--download", help="Fetch weights and data that are not here, under their licence.")
FOLLOW_LINKS = typer.Option("--follow-links", help="Accept links in the table that leave its folder or --root.")
ColumnNames = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN",
        help="The table's own name of id, rs, sv, lon, lat, lon_min, lat_max, lon_max or lat_min; repeatable.",
    ),
]
Renderings = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Show measurements to a model of RGB pictures: bands=B4,B3,B2, low=0, high=3000, gamma=1; once for each.",
    ),
]
MissingPixelsOption = Annotated[
    str, typer.Option(help="fill missing pixels with the mean of the others, or refuse such images.")
]
OnError = Annotated[str, typer.Option(help="stop, or skip rows that cannot be used and report them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("run")
def cli_run(
    model: Annotated[
        list[str] | None, typer.Option(help="Model names, comma-separated, or 'all' [default: gair].")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Task names, globs, families or categories, or 'all' [default: all].")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with the same settings; options override it.")] = None,
    task_file: TaskFiles = None,
    preset: Annotated[str | None, typer.Option(help="Preset for every model that has it, e.g. 'small'.")] = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option(metavar="MODEL=PATH", help="Evaluate this checkpoint; repeatable.")
    ] = None,
    data_root: DataRoot = None,
    results: Results = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps or auto [default: auto].")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(min=0, help="Seed of everything random [default: 0]; repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use at most N samples per split; for smoke tests.")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="Parts of train's labels: all, 10%, 5-shot; comma-separated [default: all]."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="Split policies: published, random, blocks:5, leave:country ...; comma-separated (a comma of a name:"
            r" \,) [default: published]."
        ),
    ] = None,
    readout: Annotated[
        list[str] | None,
        typer.Option(help="Poolings and layers: default, mean, cls@5, @11, each; comma-separated [default: default]."),
    ] = None,
    selection: Annotated[
        str | None,
        typer.Option(help="How probes choose hyper-parameters: cv over groups, or on val alone [default: cv]."),
    ] = None,
    covered_by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL", help="Only samples that this model of existing embeddings has; several: that all have."
        ),
    ] = None,
    fresh: Annotated[bool | None, typer.Option("--fresh", help="Reuse nothing of earlier runs.")] = None,
    download: Annotated[bool | None, DOWNLOAD] = None,
    executor: Annotated[
        str | None,
        typer.Option(help="Where jobs run: local, ray or slurm; its keys stand in --config [default: local]."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Pre-train what needs it, evaluate every model-task pair, and print and write the leaderboard.

    Exit status: 0 if at least one cell succeeded and all others were skipped for a stated reason; 1 if a cell failed
    or nothing ran; 2 for a usage error.
    """
    given = dict(locals())
    from gairbench.commands.config import load_config
    from gairbench.commands.run import RunRequest, run_command

    del given["config"], given["dry_run"]
    settings = load_config(RunRequest, config) if config else {}
    settings |= {name: value for name, value in given.items() if value not in (None, [])}
    if split:
        # As one text, which is split at commas: items of a list are not.
        settings["split"] = ",".join(split)
    raise typer.Exit(run_command(_request(RunRequest, settings), dry_run=dry_run))


@app.command("pretrain")
def cli_pretrain(
    model: Annotated[str, typer.Option(help="Name of the model, e.g. gair, 'gair[bilinear]', mocov3, mae.")],
    data: Annotated[str, typer.Option(help="Registered dataset, manifest (a table) or folder of shards.")],
    out: Annotated[Path, typer.Option(help="Folder of the checkpoint, the logs and the run's state.")],
    preset: Annotated[str | None, typer.Option(help="Preset of the model [default: its first].")] = None,
    set: Annotated[  # noqa: A002 (the option's name)
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Change a setting of the recipe; repeatable.")
    ] = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option(metavar="MODEL=PATH", help="Weights of a teacher; repeatable.")
    ] = None,
    download: Annotated[bool, DOWNLOAD] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    limit: Annotated[int | None, typer.Option(min=2, help="Use at most N samples.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    accelerator: Annotated[str | None, typer.Option(help="Lightning's accelerator [default: from --device].")] = None,
    devices: Annotated[str, typer.Option(help="Lightning's devices on each node: 8, auto or 0,2.")] = "1",
    num_nodes: Annotated[int, typer.Option(min=1, help="Nodes.")] = 1,
    strategy: Annotated[str, typer.Option(help="Lightning's strategy: auto, ddp, fsdp ...")] = "auto",
    precision: Annotated[
        str | None, typer.Option(help="Lightning's precision [default: bf16-mixed on CUDA, else 32-true].")
    ] = None,
    accumulate_grad_batches: Annotated[int, typer.Option(min=1, help="Batches per optimizer step.")] = 1,
    num_workers: Annotated[int, typer.Option(min=0, help="Processes per device that load data.")] = 0,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, help="Steps between checkpoints to resume from [default: an epoch].")
    ] = None,
    validate_every: Annotated[
        int | None, typer.Option(min=0, help="Steps between validations, 0: none [default: an epoch].")
    ] = None,
    balance: Annotated[
        str | None, typer.Option(help="Sample cells of the Earth alike: grid:DEGREES or h3:RESOLUTION.")
    ] = None,
    rs_unit: Annotated[
        str | None, typer.Option(help="Scale of a manifest's overhead images: s2_dn, reflectance or uint8.")
    ] = None,
    rs_bands: Annotated[
        str | None, typer.Option(help="Their bands, comma-separated [default: the files' band names].")
    ] = None,
    missing_pixels: MissingPixelsOption = "fill",
    root: Annotated[Path | None, typer.Option(help="What a manifest's paths are relative to [default: it].")] = None,
    follow_links: Annotated[bool, FOLLOW_LINKS] = False,
    column: ColumnNames = None,
    on_error: OnError = "stop",
    data_root: DataRoot = None,
) -> None:
    """Pre-train a model on a registered dataset or on your own triplets, and write a checkpoint.

    Loss, spread of the embeddings, alignment, uniformity and validation retrieval go to OUT/training/metrics.csv and
    TensorBoard files beside it.
    """
    given = dict(locals())
    from gairbench.commands.pretrain import PretrainRequest, pretrain_command

    raise typer.Exit(pretrain_command(_request(PretrainRequest, given)))


@app.command("leaderboard")
def cli_leaderboard(
    results: Results = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write LEADERBOARD.md and leaderboard.csv to.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the files in --out are current.")] = False,
) -> None:
    """Print the leaderboard of a results folder, and write it with --out."""
    from gairbench.commands.leaderboard import leaderboard_command

    raise typer.Exit(leaderboard_command(results, out, check=check))


@app.command("compare")
def cli_compare(
    results: Results = None,
    reference: Annotated[str, typer.Option(help="Model that the others are compared with.")] = "gair",
    out: Annotated[Path | None, typer.Option(help="Folder to write COMPARISON.md, its table and pictures to.")] = None,
) -> None:
    """Compare models with one of them over all seeds: means, intervals, paired tests; print it, write it with --out.

    Needs the predictions beside the records, as gairbench run leaves them.
    """
    from gairbench.commands.leaderboard import compare_command

    raise typer.Exit(compare_command(results, reference, out))


@app.command("reproduce")
def cli_reproduce(
    record: Annotated[Path, typer.Argument(help="The record: a JSON file of a results folder.")],
    model: Annotated[
        str | None,
        typer.Option(help="The model as 'gairbench run' takes it, where the record's name of it is not enough."),
    ] = None,
    task_file: Annotated[
        list[Path] | None,
        typer.Option(help="YAML file that declares the task; repeatable [default: those of the record's command]."),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=PATH", help="Weights; repeatable [default: those of the record's command]."),
    ] = None,
    covered_by: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Models of existing embeddings [default: those of the record's command]."),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of datasets [default: that of the record's command].")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps or auto [default: of the record's kind, else auto].")
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Repeat pre-trainings by gairbench, too.")] = False,
    download: Annotated[bool, DOWNLOAD] = False,
) -> None:
    """Compute the cell of a record again, keep nothing, and say whether every number agrees.

    Exit status: 0 if it agrees; 1 if it does not or cannot be computed; 2 for a usage error.
    """
    given = dict(locals())
    from gairbench.commands.reproduce import ReproduceRequest, reproduce_command

    raise typer.Exit(reproduce_command(_request(ReproduceRequest, given)))


@app.command("embed")
def cli_embed(
    model: Annotated[str, typer.Option(help="Name of the model.")],
    input: Annotated[  # noqa: A002 (the option's name)
        Path, typer.Option(help="Table of images and coordinates: CSV, Parquet, GeoJSON, GeoPackage or shapefile.")
    ],
    out: Annotated[Path, typer.Option(help="GeoParquet file to write.")],
    views: Annotated[
        list[str] | None,
        typer.Option(help="rs, rs_tokens, rs_query, sv, sv_projected, location [default: all possible but rs_tokens]."),
    ] = None,
    rs_unit: Annotated[
        str | None, typer.Option(help="Unit of RS images, as uint8, reflectance or s2_dn (docs/names.md).")
    ] = None,
    rs_bands: Annotated[
        list[str] | None, typer.Option(help="Bands of RS images in the files' order [default: as the files say].")
    ] = None,
    rs_rendering: Renderings = None,
    missing_pixels: MissingPixelsOption = "fill",
    root: Annotated[
        Path | None, typer.Option(help="Folder that paths in the table start from [default: the table's].")
    ] = None,
    follow_links: Annotated[bool, FOLLOW_LINKS] = False,
    column: ColumnNames = None,
    preset: Annotated[str | None, typer.Option(help="Preset of the model [default: its first].")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="File or folder of the model's weights.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of untrained weights.")] = 0,
    download: Annotated[bool, DOWNLOAD] = False,
    on_error: OnError = "stop",
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, and replace --out.")] = False,
) -> None:
    """Embed the images and coordinates of a table into a GeoParquet file; run it again to continue.

    Exit status: 0 if every row was embedded; 1 if rows were skipped or something is broken; 2 for a usage error.
    """
    given = dict(locals())
    from gairbench.commands.embed import embed_command
    from gairbench.embed_table.request import EmbedRequest

    raise typer.Exit(embed_command(_request(EmbedRequest, given)))


@app.command("map")
def cli_map(
    image: Annotated[Path, typer.Option(help="GeoTIFF (or whatever GDAL reads): georeferenced, north up.")],
    out: Annotated[Path, typer.Option(help="File to write: .tif or .zarr.")],
    unit: Annotated[
        str,
        typer.Option(help="Unit of the image's values, as s2_dn, reflectance or uint8 (docs/names.md); never guessed."),
    ],
    model: Annotated[str, typer.Option(help="Model with a grid of patch tokens.")] = "gair",
    preset: Annotated[str | None, typer.Option(help="Preset of the model [default: its first].")] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="PATH", help="File or folder of its weights.")] = None,
    bands: Annotated[
        str | None, typer.Option(help="The image's bands in order, e.g. 'red,green,blue' [default: as the file says].")
    ] = None,
    rendering: Renderings = None,
    missing_pixels: MissingPixelsOption = "fill",
    resolution: Annotated[
        float | None, typer.Option(help="Edge of an output pixel in units of the CRS [default: one token].")
    ] = None,
    overlap: Annotated[float, typer.Option(min=0, max=0.9, help="Share of a tile that its neighbour covers.")] = 0.5,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    download: Annotated[bool, DOWNLOAD] = False,
    quicklook: Annotated[Path | None, typer.Option(help="PNG to draw [default: --out with .png added].")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Tiles per call of the model.")] = 16,
) -> None:
    """Make a dense, georeferenced embedding map of an overhead image of any size."""
    given = dict(locals())
    from gairbench.commands.map import MapRequest, map_command

    raise typer.Exit(map_command(_request(MapRequest, given)))


@app.command("inspect")
def cli_inspect(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    task: Annotated[
        str | None, typer.Option(help="Feed it with samples of this task [default: with generated inputs].")
    ] = None,
    task_file: TaskFiles = None,
    data_root: DataRoot = None,
    preset: Annotated[str | None, typer.Option(help="Preset of the model [default: its first].")] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="PATH", help="File or folder of its weights.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of untrained weights.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    download: Annotated[bool, DOWNLOAD] = False,
    samples: Annotated[int, typer.Option(min=2, help="Look at so many samples of the task.")] = 32,
    out: Annotated[Path | None, typer.Option(help="Folder to draw samples in, before and after, as PNG.")] = None,
    json: AsJson = False,
) -> None:
    """Show what a model declares, what its encoder really gets of a task, and what comes out of it.

    Exit status: 0 if nothing is suspicious; 1 if something is, or is broken; 2 for a usage error.
    """
    given = dict(locals())
    from gairbench.commands.inspect import InspectRequest, inspect_command

    raise typer.Exit(inspect_command(_request(InspectRequest, given)))


@app.command("mock-run")
def cli_mock_run(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    preset: Annotated[str | None, typer.Option(help="Preset of the model [default: its first].")] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="PATH", help="File or folder of its weights.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of untrained weights and of probes.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    download: Annotated[bool, DOWNLOAD] = False,
    json: AsJson = False,
) -> None:
    """Evaluate every representation of a model on tiny generated tasks of every kind, and keep nothing.

    Exit status: 0 if something passed and nothing failed; 1 otherwise; 2 for a usage error.
    """
    given = dict(locals())
    from gairbench.commands.mock_run import MockRunRequest, mock_run_command

    raise typer.Exit(mock_run_command(_request(MockRunRequest, given)))


@app.command("new-plugin")
def cli_new_plugin(
    name: Annotated[str, typer.Argument(help="Name of the package, e.g. gairbench-fields.")],
    model: Annotated[bool, typer.Option("--model", help="It adds a model.")] = False,
    task: Annotated[bool, typer.Option("--task", help="It adds a task with its dataset.")] = False,
    evaluator: Annotated[bool, typer.Option("--evaluator", help="It adds an evaluator.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder to make [default: one of the package's name, here].")] = None,
    author: Annotated[
        str | None, typer.Option(help="Who holds the copyright [default: the authors of the package].")
    ] = None,
    licence: Annotated[str, typer.Option(help="MIT, BSD-3-Clause or Apache-2.0.")] = "MIT",
) -> None:
    """Make the package of a plugin of your own: tested, typed, and ready to be published."""
    given = dict(locals())
    from gairbench.commands.new_plugin import NewPluginRequest, new_plugin_command

    raise typer.Exit(new_plugin_command(_request(NewPluginRequest, given)))


@list_app.command("models")
def cli_list_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names or globs, e.g. 'gair*', 'timm:*' [default: all that plugins name]."),
    ] = None,
    with_weights: Annotated[bool, typer.Option("--with-weights", help="Those with published weights.")] = False,
    modality: Annotated[str, typer.Option(help="Those that take rs, sv or location.")] = "",
    sensor: Annotated[str, typer.Option(help="Those that take bands of it, e.g. s2, s1, landsat-8, rgb.")] = "",
    json: AsJson = False,
) -> None:
    """List models: presets, inputs, origin."""
    from gairbench.commands.listing import list_models
    from gairbench.commands.model_filter import ModelFilter

    wanted = ModelFilter(names=names or (), with_weights=with_weights, modality=modality, sensor=sensor)
    list_models(wanted, as_json=json)


@list_app.command("tasks")
def cli_list_tasks(json: AsJson = False, task_file: TaskFiles = None) -> None:
    """List tasks: category, kind, metric, dataset, origin."""
    from gairbench.commands.listing import list_tasks

    list_tasks(as_json=json, task_files=task_file or [])


@list_app.command("evaluators")
def cli_list_evaluators(json: AsJson = False) -> None:
    """List evaluators (probes): kinds of task, what they need, origin."""
    from gairbench.commands.listing import list_evaluators

    list_evaluators(as_json=json)


@list_app.command("metrics")
def cli_list_metrics(json: AsJson = False) -> None:
    """List metrics: kinds of task, direction, what they need, origin."""
    from gairbench.commands.listing import list_metrics

    list_metrics(as_json=json)


@list_app.command("split-policies")
def cli_list_split_policies(json: AsJson = False) -> None:
    """List split policies: their parameter, what they need, origin."""
    from gairbench.commands.listing import list_split_policies

    list_split_policies(as_json=json)


@list_app.command("plugins")
def cli_list_plugins(json: AsJson = False) -> None:
    """List plugins, the broken ones with the reason."""
    from gairbench.commands.listing import list_plugins

    list_plugins(as_json=json)


@show_app.command("task")
def cli_show_task(
    names: Annotated[list[str], typer.Argument(help="Task names, globs or families.")],
    json: AsJson = False,
    task_file: TaskFiles = None,
    data_root: DataRoot = None,
) -> None:
    """Show a task's card: what it asks, of what data, and what they hold where they are here.

    Exit status: 0, or 1 if data that are here are broken; 2 for a usage error.
    """
    from gairbench.commands.show import show_task_command

    raise typer.Exit(show_task_command(names, task_file or [], data_root, as_json=json))


@results_app.command("show")
def cli_results_show(
    path: Annotated[Path, typer.Argument(help="A record, or a results folder.")],
) -> None:
    """Show a record whole, or one line for every record of a folder."""
    from gairbench.commands.results import show_command

    raise typer.Exit(show_command(path))


@results_app.command("validate")
def cli_results_validate(
    folder: Annotated[Path, typer.Argument(help="The results folder.")],
) -> None:
    """Check that every record of a folder is readable and consistent, and that its predictions give its metrics.

    Exit status: 0 if nothing is wrong; 1 otherwise.
    """
    from gairbench.commands.results import validate_command

    raise typer.Exit(validate_command(folder))


@results_app.command("merge")
def cli_results_merge(
    folders: Annotated[list[Path], typer.Argument(help="Results folders.")],
    out: Annotated[Path, typer.Option(help="The new folder.")],
) -> None:
    """Make one results folder of several, as of the jobs of an array; they stay as they are."""
    from gairbench.commands.results import merge_command

    raise typer.Exit(merge_command(folders, out))


@data_app.command("list")
def cli_data_list(json: AsJson = False, task_file: TaskFiles = None, data_root: DataRoot = None) -> None:
    """List datasets: what they deliver, licence, whether they are here."""
    from gairbench.commands.listing import list_datasets

    list_datasets(as_json=json, task_files=task_file or [], data_root=data_root)


@data_app.command("check")
def cli_data_check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Dataset names, or tasks as --task takes them [default: all that are here]."),
    ] = None,
    task_file: TaskFiles = None,
    data_root: DataRoot = None,
) -> None:
    """Read every sample of a dataset and report what is broken, duplicated or not as declared."""
    from gairbench.commands.data import check_command

    raise typer.Exit(check_command(names or [], task_file or [], data_root))


@data_app.command("get")
def cli_data_get(
    names: Annotated[list[str], typer.Argument(help="Dataset names, or tasks as --task takes them.")],
    data_root: DataRoot = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to large downloads, and to licences that restrict the use.")
    ] = False,
) -> None:
    """Fetch datasets into the data root, under their licence; run it again after a failure."""
    from gairbench.commands.data import get_command

    raise typer.Exit(get_command(names, data_root, yes=yes))


@data_app.command("where")
def cli_data_where(
    names: Annotated[list[str], typer.Argument(help="Dataset names, or tasks as --task takes them.")],
    data_root: DataRoot = None,
) -> None:
    """Print the folders of datasets, also of those that are not here yet."""
    from gairbench.commands.data import where_command

    raise typer.Exit(where_command(names, data_root))


@data_app.command("show")
def cli_data_show(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    out: Annotated[Path, typer.Option(help="PNG to write.")],
    split: Annotated[str, typer.Option(help="Split to show [default: the last one].")] = "",
    samples: Annotated[int, typer.Option(min=1, max=50, help="How many samples.")] = 6,
    task_file: TaskFiles = None,
    data_root: DataRoot = None,
) -> None:
    """Draw samples of a dataset with their labels, and a map of its places."""
    from gairbench.commands.data import draw_command

    raise typer.Exit(draw_command(name, task_file or [], data_root, out=out, split=split, samples=samples))


@data_app.command("shard")
def cli_data_shard(
    data: Annotated[Path, typer.Option(help="Manifest: the table of triplets.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards.")],
    rs_unit: Annotated[str, typer.Option(help="Scale of the overhead images: s2_dn, reflectance or uint8.")],
    rs_bands: Annotated[
        str | None, typer.Option(help="Their bands, comma-separated [default: the files' band names].")
    ] = None,
    missing_pixels: MissingPixelsOption = "fill",
    rs_size: Annotated[int, typer.Option(min=1, help="Edge of the tiles that are cut out, in pixels.")] = 96,
    sv_size: Annotated[int, typer.Option(min=1, help="Edge to which photos are resized.")] = 224,
    shard_size: Annotated[int, typer.Option(min=1, help="Triplets per shard.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of where tiles are cut.")] = 0,
    root: Annotated[Path | None, typer.Option(help="What paths are relative to [default: the manifest].")] = None,
    follow_links: Annotated[bool, FOLLOW_LINKS] = False,
    column: ColumnNames = None,
    on_error: OnError = "stop",
) -> None:
    """Cut the tiles of a manifest and pack triplets into WebDataset shards."""
    given = dict(locals())
    from gairbench.commands.data import ShardRequest, shard_command

    raise typer.Exit(shard_command(_request(ShardRequest, given)))


def _request(kind: type[R], given: dict[str, Any]) -> R:
    """Return the request for the options of a command."""
    from gairbench.requests import make_request

    return make_request(kind, given, command=printable(shlex.join(["gairbench", *sys.argv[1:]])))


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        from gairbench import __version__

        typer.echo(f"gairbench {__version__}")
        raise typer.Exit


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning as one line, without the code it comes from, which is not the user's."""
    del category, filename, lineno, file, line
    _complain(f"warning: {message}")


class _EscapedError(BaseException):
    """Carries an exception past typer, which ends the program without a word at some of them."""


_TYPER_SWALLOWS = (KeyboardInterrupt, EOFError, OSError)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error, never a traceback."""
    warnings.showwarning = _show_warning
    make_tolerant()
    watch_signals()
    try:
        app()
    except SystemExit as end:
        # Where a command has not begun, typer ends the program at Ctrl-C without a word.
        sys.exit(_status(end) if as_interrupt(end) is not None else end.code)
    except _EscapedError as escaped:
        sys.exit(_status(escaped.__cause__ or escaped))
    except Exception as error:
        sys.exit(_status(error))
    finally:
        # Memory goes back with the process; looking through it first takes up to a tenth of a second.
        gc.freeze()


def _status(error: BaseException) -> int:
    """Report what ended a command, in one line if it can be, and return the exit status."""
    interrupt = as_interrupt(error)
    if interrupt is not None:
        terminated = isinstance(interrupt, Terminated)
        notes = [*getattr(interrupt, "__notes__", ()), "run the same command again"]
        # Lightning starts this command once more for every further device; one of them says it.
        if os.environ.get("LOCAL_RANK", "0") == "0":
            _complain(f"{'terminated' if terminated else 'interrupted'}; {notes[0]}")
        return 143 if terminated else 130
    if isinstance(error, GairbenchError):
        _complain(f"error: {error}")
        return 2 if isinstance(error, UsageError) else 1
    if isinstance(error, BrokenPipeError):
        mute()
        return 1
    if isinstance(error, OSError) and error.errno in FULL:
        mute()
        _complain(f"error: cannot write {error.filename or 'the output'}: {error.strerror}; free space")
        return 1
    raise error


def _complain(line: str) -> None:
    # Nobody reads it if standard error is closed or full; the exit status stays.
    with contextlib.suppress(OSError):
        typer.echo(f"gairbench: {line}", err=True)
