"""Carry out ``gairbench pretrain``: one model, one dataset, one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from rich.console import Console

from gairbench.commands.interrupts import if_interrupted
from gairbench.commands.options import check_checkpoint, check_device_name, check_writable, find_model
from gairbench.data import DataSource
from gairbench.errors import UsageError
from gairbench.inputs import ImageInput, Input, MissingPixels, Modality, SampleInput, Unit
from gairbench.isolation import call_factory, named
from gairbench.locks import exclusive, lock_beside
from gairbench.memo import default_cache
from gairbench.model_names import known_model
from gairbench.plugins import Registry, load_registry
from gairbench.pretraining.earlier_run import LAST, TRAINING, refuse_other_settings
from gairbench.pretraining.processes import check_ranks, is_first_process, on_one_device
from gairbench.pretraining.teachers import chosen_teachers, fetch_teachers, find_teachers
from gairbench.progress import Progress
from gairbench.protocols import PretrainContext, TrainerOptions
from gairbench.requests import Pairs
from gairbench.spec import DataContext, ModelSpec, Pretraining
from gairbench.teacher import TeacherChoice

if TYPE_CHECKING:
    from gairbench.triplets.options import TripletOptions

CARD_FILES = ("model.safetensors", "checkpoint.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainRequest:
    """What a user asks for: the options of ``gairbench pretrain``.

    Args:
        model: Name of the model.
        data: Name of a registered dataset, a manifest, or a folder of shards.
        out: Folder of the checkpoint, the logs and what a resumed run needs.
        preset: Its preset; ``None``: the first.
        set: Settings of the recipe to change.
        checkpoint: Checkpoint files or folders of teachers, by model name.
        download: Fetch published weights of teachers that are not here.
        seed: Seed of initial weights, sampling, crops and augmentation.
        limit: Use at most this many samples.
        resume: Continue the run in ``out`` where it stopped.
        device: As torch names it, or ``"auto"``.
        accelerator: Lightning's accelerator; ``None``: the device's.
        devices: Lightning's devices on each node: a number, ``"auto"`` or a list such as ``"0,2"``.
        num_nodes: Nodes.
        strategy: Lightning's strategy.
        precision: Lightning's precision; ``None``: ``bf16-mixed`` on CUDA, else ``32-true``.
        accumulate_grad_batches: Batches per optimizer step.
        num_workers: Processes per device that load data.
        checkpoint_every: Steps between checkpoints to resume from; ``None``: an epoch.
        validate_every: Steps between validations, 0 for none; ``None``: an epoch.
        balance: Sample cells of the Earth alike: ``"grid:DEGREES"`` or ``"h3:RESOLUTION"``.
        rs_unit: Scale of a manifest's overhead images.
        rs_bands: Their bands in order; ``None``: as the files say.
        missing_pixels: ``"fill"`` missing pixels with the mean of the tile's others, or ``"refuse"`` such tiles.
        root: What a manifest's paths are relative to; ``None``: its folder.
        follow_links: Accept paths in the manifest that are links to files outside of ``root``.
        column: The manifest's own names of its columns, by ours.
        on_error: ``"stop"`` at rows of a manifest that cannot be used, or ``"skip"`` and report them.
        data_root: Folder of registered datasets that are not embedded.
    """

    model: str
    data: str
    out: Path
    preset: str | None = None
    set: Annotated[Mapping[str, str], Pairs("NAME=VALUE", "epochs=10")] = field(default_factory=dict)
    checkpoint: Annotated[Mapping[str, Path], Pairs("MODEL=PATH", "croma=croma.pt")] = field(default_factory=dict)
    download: bool = False
    seed: Annotated[int, Ge(0)] = 0
    limit: Annotated[int | None, Ge(2)] = None
    resume: bool = False
    device: str = "auto"
    accelerator: str | None = None
    devices: str = "1"
    num_nodes: Annotated[int, Ge(1)] = 1
    strategy: str = "auto"
    precision: str | None = None
    accumulate_grad_batches: Annotated[int, Ge(1)] = 1
    num_workers: Annotated[int, Ge(0)] = 0
    checkpoint_every: Annotated[int | None, Ge(1)] = None
    validate_every: Annotated[int | None, Ge(0)] = None
    balance: str | None = None
    rs_unit: Unit | None = None
    rs_bands: tuple[str, ...] | None = None
    missing_pixels: MissingPixels = "fill"
    root: Path | None = None
    follow_links: bool = False
    column: Annotated[Mapping[str, str], Pairs("NAME=COLUMN", "rs=image_path")] = field(default_factory=dict)
    on_error: Literal["stop", "skip"] = "stop"
    data_root: Path | None = None

    def trainer(self) -> TrainerOptions:
        """Return the options that a recipe's trainer takes."""
        return TrainerOptions(
            accelerator=self.accelerator,
            devices=self.devices,
            num_nodes=self.num_nodes,
            strategy=self.strategy,
            precision=self.precision,
            accumulate_grad_batches=self.accumulate_grad_batches,
            num_workers=self.num_workers,
            record=True,
            resume=self.resume,
            checkpoint_every=self.checkpoint_every,
            validate_every=self.validate_every,
            balance=self.balance,
        )


@dataclass(frozen=True, slots=True)
class _Corpus:
    name: str
    source: DataSource
    delivers: tuple[Input, ...]


def pretrain_command(request: PretrainRequest) -> int:
    """Carry out ``gairbench pretrain``.

    Returns:
        0.

    Raises:
        GairbenchError: As for :func:`pretrain_model`.
    """
    pretrain_model(request, load_registry(), Progress(Console(stderr=True, quiet=not _leads(request))))
    return 0


def pretrain_model(request: PretrainRequest, registry: Registry, progress: Progress) -> Path:
    """Train a model and write its checkpoint.

    Args:
        request: What is asked for.
        registry: What is installed.
        progress: Where to show it.

    Returns:
        The folder of the checkpoint.

    Raises:
        GairbenchError: The request, the data or an earlier run in the folder do not allow it.
    """
    with if_interrupted(partial(_what_is_safe, request)):
        spec = find_model(request.model, registry, request.preset)
        recipe = spec.preset(request.preset).recipe
        if recipe is None:
            able = ", ".join(n for n, model in registry.models.items() if any(p.recipe for p in model.presets))
            raise UsageError(f"model {spec.name!r} has no pre-training", f"choose one of {able}")
        check_device_name(request.device)
        check_ranks()
        _check_data(request, registry)
        _check_folder(request)
        if request.resume and (request.out / TRAINING / LAST).is_file():
            refuse_other_settings(request.out / TRAINING, request.set)
        with _alone_in_folder(request):
            # Another process may have finished between the first look and the lock.
            _check_folder(request)
            _pretrain(request, spec, recipe, registry, progress)
        progress.say(
            f"checkpoint in {request.out}; evaluate it: gairbench run --model {spec.name!r} --checkpoint"
            f" '{spec.name}={request.out}'"
        )
        return request.out


def _leads(request: PretrainRequest) -> bool:
    """Whether this process reports and holds the folder: Lightning, srun and torchrun start one for every device."""
    alone = on_one_device(
        device=request.device, accelerator=request.accelerator, devices=request.devices, num_nodes=request.num_nodes
    )
    return alone or is_first_process()


def _alone_in_folder(request: PretrainRequest) -> AbstractContextManager[None]:
    """Refuse a second training into one folder: the later one would overwrite the other's checkpoints and logs."""
    if not _leads(request):
        return nullcontext()
    # In the folder itself, whatever name it is reached by, and whoever may write beside it.
    return exclusive(
        lock_beside(request.out / TRAINING / LAST),
        taken=f"another process pre-trains into {request.out}",
        hint="wait until it has finished (--resume continues one that was stopped), or choose another --out",
    )


def _what_is_safe(request: PretrainRequest) -> str:
    if (request.out / TRAINING / LAST).is_file():
        again = "" if request.resume else " with --resume"
        return f"a checkpoint of the run is in {request.out}; run the same command again{again} to continue from it"
    return "no checkpoint to continue from was written yet; run the same command again to start over"


def _pretrain(
    request: PretrainRequest, spec: ModelSpec, recipe: Pretraining, registry: Registry, progress: Progress
) -> None:
    from gairbench.environment import choose_device
    from gairbench.weights.environment_file import write_training_environment

    preset = spec.preset(request.preset)
    device = choose_device(request.device)
    inputs = tuple(wanted for wanted in preset.inputs if not isinstance(wanted, SampleInput))
    if recipe.inputs is not None:
        wanted, _ = call_factory(
            named("model", spec.name, recipe.inputs), recipe.inputs, spec.name, preset.name, request.set
        )
        inputs = tuple(wanted)
    choices = chosen_teachers(spec, preset, request.set)
    checkpoints = _checkpoints(request, choices, registry)
    if request.download:
        fetch_teachers(choices, registry, checkpoints, default_cache())
    corpus = _open(request, inputs, registry, progress)
    teachers = find_teachers(
        choices,
        registry,
        of=spec.name,
        dataset=corpus.name,
        delivers=corpus.delivers,
        checkpoints=checkpoints,
        seed=request.seed,
        cache=default_cache(),
    )
    with progress.step(f"pretrain {spec.name} ({preset.name})") as step:
        context = PretrainContext(
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
            trainer=request.trainer(),
            settings=request.set,
            teachers=teachers,
        )
        call_factory(named("model", spec.name, recipe.recipe), recipe.recipe, context, seed=request.seed)
    if _leads(request):
        write_training_environment(request.out, device, request.trainer())
    # Processes that load data (--num-workers) count their own.
    filled = getattr(corpus.source, "filled", None)
    if filled is not None and (sentence := filled.sentence()):
        progress.say(sentence)


def _checkpoints(request: PretrainRequest, choices: Sequence[TeacherChoice], registry: Registry) -> dict[str, Path]:
    """Return the checkpoints of teachers by the models' own names."""
    names = {known_model(choice.model, registry) for choice in choices}
    found = {known_model(given, registry): path for given, path in request.checkpoint.items()}
    for name, path in found.items():
        if name not in names:
            known = f"the teachers are {', '.join(sorted(names))}" if names else f"{request.model} learns from none"
            raise UsageError(f"--checkpoint names {name!r}, which is not a teacher", known)
        check_checkpoint(path)
    return found


def _check_data(request: PretrainRequest, registry: Registry) -> None:
    """Refuse data that are neither registered for pre-training nor a file or folder."""
    able = ", ".join(name for name, dataset in registry.datasets.items() if "pretrain" in dataset.splits)
    spec = registry.datasets.get(request.data)
    if spec is not None and "pretrain" not in spec.splits:
        raise UsageError(f"dataset {spec.name!r} is not for pre-training", f"name one of {able}, or a manifest")
    if spec is None and not Path(request.data).exists():
        raise UsageError(
            f"--data {request.data!r} is neither a registered dataset nor a file",
            f"name one of {able}, a manifest (a table of triplets) or a folder of shards",
        )


def _check_folder(request: PretrainRequest) -> None:
    """Refuse to touch a finished checkpoint, and find out now that nothing can be written."""
    check_writable("out", request.out)
    finished = [name for name in CARD_FILES if (request.out / name).exists()]
    if finished:
        raise UsageError(f"{request.out} holds a finished checkpoint ({', '.join(finished)})", "choose another --out")


def _open(request: PretrainRequest, inputs: Sequence[Input], registry: Registry, progress: Progress) -> _Corpus:
    from gairbench.triplets.options import refuse_manifest_options
    from gairbench.triplets.source import open_triplets

    spec = registry.datasets.get(request.data)
    options = _triplet_options(request, inputs)
    if spec is not None:
        refuse_manifest_options(options, f"the registered dataset {spec.name}")
        dataset = named("dataset", spec.name, spec.factory)
        context = DataContext(root=request.data_root, dataset=spec)
        registered, _ = call_factory(dataset, spec.factory, context)
        return _Corpus(spec.name, registered, spec.delivers)
    source = open_triplets(Path(request.data), options)
    if source.report.total:
        progress.say(source.report.render())
    return _Corpus(request.data, source, source.delivers)


def _triplet_options(request: PretrainRequest, inputs: Sequence[Input]) -> TripletOptions:
    from gairbench.triplets.options import TripletOptions

    sizes = {i.modality: i.size for i in inputs if isinstance(i, ImageInput)}
    return TripletOptions(
        rs_unit=request.rs_unit,
        rs_bands=request.rs_bands,
        missing_pixels=request.missing_pixels,
        rs_size=sizes.get(Modality.RS),
        sv_size=sizes.get(Modality.SV),
        seed=request.seed,
        root=request.root,
        columns=request.column,
        follow_links=request.follow_links,
        on_error=request.on_error,
    )
