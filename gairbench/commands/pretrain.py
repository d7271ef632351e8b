"""Carry out ``gairbench pretrain``: one model, one dataset, one folder."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.data import DataSource
from gairbench.errors import DataError, StorageError, UsageError
from gairbench.plugins import Registry
from gairbench.protocols import PretrainContext, TrainerOptions
from gairbench.selection import unknown
from gairbench.spec import DataContext, ImageInput, Input, Modality, ModelSpec, Preset, resolve

if TYPE_CHECKING:
    from rich.console import Console

    from gairbench.triplets.options import TripletOptions

CARD_FILES = ("model.safetensors", "checkpoint.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainRequest:
    """What a user asks for, complete.

    Args:
        model: Name of the model.
        data: Name of a registered dataset, a manifest, or a folder of shards.
        out: Folder of the checkpoint, the logs and what a resumed run needs.
        preset: Its preset; ``None``: the first.
        seed: Seed of initial weights, sampling, crops and augmentation.
        device: As torch names it, or ``"auto"``.
        limit: Use at most this many samples.
        data_root: Folder of registered datasets that are not embedded.
        triplets: How a manifest is read; sizes are filled in from the model's inputs.
        trainer: Devices, precision, logs, checkpoints, sampling.
        settings: Settings of the recipe to change.
    """

    model: str
    data: str
    out: Path
    preset: str | None = None
    seed: int = 0
    device: str = "auto"
    limit: int | None = None
    data_root: Path | None = None
    triplets: Mapping[str, object] = field(default_factory=dict)
    trainer: TrainerOptions = field(default_factory=lambda: TrainerOptions(record=True, validate_every=None))
    settings: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def _errors_of_loaders() -> Iterator[None]:
    """Tell a mistake in the data in one line also where a process that loads data finds it.

    Raises:
        DataError: In place of the ``RuntimeError`` with the process's traceback that torch makes of it.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        told = re.search(r"^gairbench\.[\w.]+Error: (.+)\Z", text.strip(), re.MULTILINE)
        if told is None or "in DataLoader worker process" not in text.partition("\n")[0]:
            raise
        what, _, hint = told[1].rpartition("; ")
        raise DataError(what, hint) from error


@dataclass(frozen=True, slots=True)
class _Corpus:
    name: str
    source: DataSource
    delivers: tuple[Input, ...]


@_errors_of_loaders()
def pretrain_command(request: PretrainRequest, registry: Registry) -> int:
    """Train a model and write its checkpoint.

    Returns:
        0.

    Raises:
        GairbenchError: The request, the data or an earlier run in the folder do not allow it.
    """
    if request.model not in registry.models:
        raise unknown("model", request.model, registry.models)
    spec = registry.models[request.model]
    if spec.pretraining is None:
        able = ", ".join(name for name, model in registry.models.items() if model.pretraining)
        raise UsageError(f"model {spec.name!r} has no pre-training", f"choose one of {able}")
    preset = _preset(spec, request.preset)
    _check_folder(request)

    from lightning.fabric.utilities.rank_zero import rank_zero_only
    from rich.console import Console

    from gairbench.environment import choose_device
    from gairbench.progress import Progress

    # Lightning starts this command once more for every further device.
    console = Console(stderr=True, quiet=getattr(rank_zero_only, "rank", 0) != 0)
    device = choose_device(request.device)
    inputs = preset.inputs
    if spec.pretraining.inputs is not None:
        inputs = tuple(resolve(spec.pretraining.inputs)(spec.name, preset.name, request.settings))
    corpus = _open(request, inputs, registry, console)
    with Progress(console).step(f"pretrain {spec.name} ({preset.name})") as step:
        resolve(spec.pretraining.recipe)(
            PretrainContext(
                model=spec.name,
                preset=preset.name,
                seed=request.seed,
                dataset=corpus.name,
                source=corpus.source,
                delivers=corpus.delivers,
                fingerprint=corpus.source.fingerprint(),
                output=request.out,
                device=str(device),
                limit=request.limit,
                report=step,
                trainer=request.trainer,
                settings=request.settings,
            )
        )
    console.print(
        f"checkpoint in {request.out}; evaluate it: gairbench run --model {spec.name!r} --checkpoint"
        f" '{spec.name}={request.out}'",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 0


def _preset(spec: ModelSpec, name: str | None) -> Preset:
    names = [preset.name for preset in spec.presets]
    if name is not None and name not in names:
        raise unknown(f"preset of {spec.name}", name, names)
    return spec.preset(name)


def _check_folder(request: PretrainRequest) -> None:
    """Refuse to touch a finished checkpoint, and find out now that nothing can be written."""
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=request.out):
            pass
    except OSError as error:
        raise StorageError(f"cannot write to {request.out}: {error.strerror}", "choose another --out") from error
    finished = [name for name in CARD_FILES if (request.out / name).exists()]
    if finished:
        raise UsageError(f"{request.out} holds a finished checkpoint ({', '.join(finished)})", "choose another --out")


def _open(request: PretrainRequest, inputs: Sequence[Input], registry: Registry, console: Console) -> _Corpus:
    from gairbench.triplets.options import TripletOptions, refuse_manifest_options
    from gairbench.triplets.source import open_triplets

    spec = registry.datasets.get(request.data)
    path = Path(request.data)
    if spec is not None:
        if "pretrain" not in spec.splits:
            able = [name for name, dataset in registry.datasets.items() if "pretrain" in dataset.splits]
            raise UsageError(
                f"dataset {spec.name!r} is no pre-training dataset", f"name one of {', '.join(able)}, or a manifest"
            )
        refuse_manifest_options(
            TripletOptions(**dict(request.triplets)),  # type: ignore[arg-type]
            f"the registered dataset {spec.name}",
        )
        return _Corpus(spec.name, resolve(spec.factory)(DataContext(root=request.data_root)), spec.delivers)
    if not path.exists():
        able = [name for name, dataset in registry.datasets.items() if "pretrain" in dataset.splits]
        raise UsageError(
            f"--data {request.data!r} is no dataset and no file",
            f"name one of {', '.join(able)}, a manifest (.csv, .parquet) or a folder of shards",
        )
    source = open_triplets(path, _triplet_options(request, inputs))
    if source.report.total:
        console.print(source.report.render(), highlight=False, markup=False, soft_wrap=True)
    return _Corpus(str(path), source, source.delivers)


def _triplet_options(request: PretrainRequest, inputs: Sequence[Input]) -> TripletOptions:
    from gairbench.triplets.options import TripletOptions

    sizes = {i.modality: i.size for i in inputs if isinstance(i, ImageInput)}
    given = {"rs_size": sizes.get(Modality.RS), "sv_size": sizes.get(Modality.SV), "seed": request.seed}
    return TripletOptions(**(given | dict(request.triplets)))  # type: ignore[arg-type]
