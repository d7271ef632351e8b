"""The command line. Nothing heavy is imported before a command needs it: ``--help`` and ``list`` must be instant."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated, TextIO

import typer

from gairbench.errors import GairbenchError, UsageError
from gairbench.spec import Unit

app = typer.Typer(
    name="gairbench",
    help="Benchmark geo-foundation models with identical frozen-feature probes.",
    no_args_is_help=True,
    add_completion=False,
    # rich's help formatting alone would cost half of the time that --help may take.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
list_app = typer.Typer(help="List what is installed, with its origin.", no_args_is_help=True, rich_markup_mode=None)
data_app = typer.Typer(help="List and check datasets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(list_app, name="list")
app.add_typer(data_app, name="data")

Results = Annotated[Path | None, typer.Option("--results", help="Folder of the result records [default: results].")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Folder of datasets that are not embedded.")]
TaskFiles = Annotated[
    list[Path] | None, typer.Option("--task-file", help="YAML file that declares tasks over your data; repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
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
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of everything random [default: 0].")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use at most N samples per split; for smoke tests.")] = None,
    fresh: Annotated[bool | None, typer.Option("--fresh", help="Reuse nothing of earlier runs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Pre-train what needs it, evaluate every model-task pair, and print and write the leaderboard.

    Exit status: 0 if every cell is ok or knowingly skipped and at least one is ok; 1 if any failed or nothing ran;
    2 for a usage error.
    """
    from gairbench.commands import run_command
    from gairbench.config import Settings

    given = Settings(
        model=model,
        task=task,
        task_file=task_file,
        preset=preset,
        checkpoint=checkpoint,
        data_root=data_root,
        results=results,
        device=device,
        seed=seed,
        limit=limit,
        fresh=fresh,
    )
    raise typer.Exit(run_command(given, config, dry_run=dry_run))


@app.command()
def leaderboard(
    results: Results = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write LEADERBOARD.md and leaderboard.csv to.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the files in --out are current.")] = False,
) -> None:
    """Print the leaderboard of a results folder, and write it with --out."""
    from gairbench.commands import leaderboard_command

    raise typer.Exit(leaderboard_command(results, out, check=check))


@app.command("map")
def map_(
    image: Annotated[Path, typer.Option(help="GeoTIFF (or whatever GDAL reads): georeferenced, north up.")],
    out: Annotated[Path, typer.Option(help="File to write: .tif or .zarr.")],
    unit: Annotated[Unit, typer.Option(help="Scale of the image's values; never guessed.")],
    model: Annotated[str, typer.Option(help="Model with a grid of patch tokens.")] = "gair",
    preset: Annotated[str | None, typer.Option(help="Preset of the model [default: its first].")] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="PATH", help="File or folder of its weights.")] = None,
    bands: Annotated[
        str | None, typer.Option(help="The image's bands in order, e.g. 'red,green,blue' [default: as the file says].")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option(min=0, help="Edge of an output pixel in units of the CRS [default: one token].")
    ] = None,
    overlap: Annotated[float, typer.Option(min=0, max=0.9, help="Share of a tile that its neighbour covers.")] = 0.5,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
    quicklook: Annotated[Path | None, typer.Option(help="PNG to draw [default: beside --out].")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Tiles per call of the model.")] = 16,
) -> None:
    """Make a dense, georeferenced embedding map of an overhead image of any size."""
    from gairbench.maps.command import MapRequest, map_command
    from gairbench.selection import split_names

    request = MapRequest(
        model=model,
        image=image,
        out=out,
        unit=unit,
        preset=preset,
        checkpoint=checkpoint,
        bands=split_names([bands]) if bands else None,
        resolution=resolution,
        overlap=overlap,
        device=device,
        quicklook=quicklook,
        batch=batch,
    )
    raise typer.Exit(map_command(request))


@list_app.command("models")
def list_models(json: AsJson = False) -> None:
    """List models: presets, inputs, origin."""
    from gairbench.listing import list_models as show

    show(as_json=json)


@list_app.command("tasks")
def list_tasks(json: AsJson = False, task_file: TaskFiles = None) -> None:
    """List tasks: category, kind, metric, dataset, origin."""
    from gairbench.listing import list_tasks as show

    show(as_json=json, task_files=task_file or [])


@list_app.command("plugins")
def list_plugins(json: AsJson = False) -> None:
    """List plugins, the broken ones with the reason."""
    from gairbench.listing import list_plugins as show

    show(as_json=json)


@data_app.command("list")
def data_list(json: AsJson = False, task_file: TaskFiles = None, data_root: DataRoot = None) -> None:
    """List datasets: what they deliver, licence, whether they are here."""
    from gairbench.listing import list_datasets

    list_datasets(as_json=json, task_files=task_file or [], data_root=data_root)


@data_app.command("check")
def data_check(
    names: Annotated[list[str] | None, typer.Argument(help="Dataset names [default: all that are here].")] = None,
    task_file: TaskFiles = None,
    data_root: DataRoot = None,
) -> None:
    """Read every sample of a dataset and report what is broken, duplicated or not as declared."""
    from gairbench.commands import check_command

    raise typer.Exit(check_command(names or [], task_file or [], data_root))


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
    typer.echo(f"gairbench: warning: {message}", err=True)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error, never a traceback."""
    warnings.showwarning = _show_warning
    try:
        app()
    except GairbenchError as error:
        typer.echo(f"gairbench: error: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        typer.echo("gairbench: interrupted; run the same command again to continue", err=True)
        sys.exit(130)
