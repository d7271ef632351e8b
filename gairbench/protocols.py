"""The small interfaces that plugins implement: a model as many as it declares, an executor one.

All methods of models take what the model's :class:`gairbench.inputs.ImageInput` and
:class:`gairbench.inputs.LocationInput` declare (the runner has converted it) and return float tensors on the same
device. They run in ``torch.inference_mode()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from gairbench.batch import Batch
    from gairbench.data import DataSource
    from gairbench.inputs import Input
    from gairbench.representation import Representation
    from gairbench.teacher import Teacher


@runtime_checkable
class Encodes(Protocol):
    """A model that asks for more than values: bands, dates, several images, layers."""

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Compute one of the representations that the model's preset offers.

        Args:
            batch: What the preset accepts, on the model's device; see :class:`gairbench.batch.Batch`.
            wanted: What to compute.

        Returns:
            ``(batch, dim)`` for vectors, of whatever layers; ``(batch, dim, rows, columns)``, north up, for tokens of
            one layer or of where the model ends; ``(batch, layers, dim, rows, columns)`` for tokens of several layers,
            which a backbone of several scales resizes to one grid.
        """
        ...


@runtime_checkable
class EncodesRS(Protocol):
    """A model with an overhead-image encoder."""

    def encode_rs(self, images: Tensor) -> Tensor:
        """Map images ``(batch, band, height, width)`` to embeddings ``(batch, dim)``."""
        ...


@runtime_checkable
class EncodesRSTokens(Protocol):
    """A model with a grid of patch tokens, for dense tasks (``RS_TOKENS``)."""

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Map images ``(batch, band, height, width)`` to a token grid ``(batch, dim, rows, columns)``, north up."""
        ...


@runtime_checkable
class QueriesRS(Protocol):
    """A model whose overhead embedding can be looked up at a point (``RS_QUERY``)."""

    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        """Look the tile's embedding up at one point per image.

        Args:
            images: ``(batch, band, height, width)``.
            lonlat: ``(batch, 2)`` longitude and latitude in degrees, inside the tile.
            bbox: ``(batch, 4)`` as (lon_min, lat_max, lon_max, lat_min) in degrees.

        Returns:
            ``(batch, dim)``, in the space shared with ``project_sv`` if the model is aligned.
        """
        ...


@runtime_checkable
class MapsRS(EncodesRSTokens, Protocol):
    """A model whose overhead embedding is defined at every point of a tile, for ``gairbench map``.

    It is not a representation of its own: its values are those of ``query_rs``. A model with a token grid alone is
    mapped by bilinear interpolation.
    """

    def look_up_rs(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Look token grids up at points.

        Args:
            tokens: ``(batch, dim, rows, columns)`` from ``encode_rs_tokens``.
            position: ``(batch, points, 2)`` float32: x from the tile's west edge (-1) to its east edge (1), y from its
                north edge (-1) to its south edge (1).

        Returns:
            ``(batch, points, dim)``; each point's embedding depends on no other point.
        """
        ...


@runtime_checkable
class EncodesSV(Protocol):
    """A model with a street-view encoder."""

    def encode_sv(self, images: Tensor) -> Tensor:
        """Map photos ``(batch, band, height, width)`` to embeddings ``(batch, dim)``."""
        ...


@runtime_checkable
class ProjectsSV(Protocol):
    """A model whose street-view embedding is projected into the shared space (``SV_PROJECTED``)."""

    def project_sv(self, images: Tensor) -> Tensor:
        """Map photos ``(batch, band, height, width)`` to the space shared with RS and location, ``(batch, dim)``."""
        ...


@runtime_checkable
class EncodesLocation(Protocol):
    """A model with a location encoder."""

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, in the declared order, float64, to ``(batch, dim)``."""
        ...


@runtime_checkable
class LooksUp(Encodes, Protocol):
    """A model of embeddings that exist already, as a table or a raster of them: it encodes nothing.

    Its preset takes :class:`gairbench.inputs.SampleInput`, and its ``needs`` and ``wants`` say by what it looks samples
    up: ``batch.ids``, ``batch.lonlat``, ``batch.bbox``. What :meth:`Encodes.encode` returns of a sample that it does
    not have is not a number: those are counted, and the cell is a visible skip. Nothing is filled in or left out.

    Attributes:
        holds: What it has, for the message that some samples are not among it, as ``"3,000 rows, with ids 'a', 'b'"``.
    """

    holds: str


@runtime_checkable
class KnowsIds(Protocol):
    """What the factory of a model that looks samples up by their ids may be, too: it knows beforehand what is missing.

    A cell that lacks samples is then skipped when it is planned. Without it, that is found when samples are looked up.
    """

    def lacking(self, ids: Sequence[str]) -> tuple[Sequence[str], str]:
        """Return which of some ids the model does not have, and what it has, as :attr:`LooksUp.holds`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A piece of work that an executor runs somewhere.

    Args:
        label: What it does, for logs and names of jobs.
        function: ``function(device: str | None)``, where ``None`` leaves the choice to the run's ``--device``. It can
            be pickled where the executor's workers are other processes, and reports a failure of the work in its
            return value: what it raises is a fault of the machinery.
        accelerated: It runs a model, so that it profits from a GPU.
    """

    label: str
    function: Callable[[str | None], Any]
    accelerated: bool


class Submitted(Protocol):
    """A call that an executor has taken."""

    def done(self) -> bool:
        """Say without waiting whether :meth:`result` will return or raise at once."""
        ...

    def result(self) -> Any:
        """Return what the call returned.

        Raises:
            gairbench.errors.WorkerLostError: The worker died, its node was lost or its time ran out; the runner tries
                again a bounded number of times.
        """
        ...


@runtime_checkable
class Executor(Protocol):
    """A place where jobs run. The runner orders jobs, waits and retries; an executor only runs calls.

    Attributes:
        in_process: Calls run in this process, one at a time, while they are submitted.
        slots: How many calls it works on at once; the runner hands it no more. ``None``: it queues them itself.
    """

    in_process: bool
    slots: int | None

    def submit(self, calls: Sequence[Call]) -> Sequence[Submitted]:
        """Start calls that can run now.

        Args:
            calls: What to run, in the order of importance.

        Returns:
            One object a call, in order.
        """
        ...

    def stop(self) -> None:
        """End everything, running calls included, and free workers; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerOptions:
    """Options of ``gairbench pretrain`` that any recipe on Lightning understands; the first six are Lightning's own.

    Args:
        accelerator: ``"cpu"``, ``"gpu"`` ...; ``None``: from the context's device.
        devices: Processes on each node, one per device: a number, ``"auto"`` or a list such as ``"0,2"``.
        num_nodes: Nodes.
        strategy: ``"auto"``, ``"ddp"``, ``"fsdp"`` ...
        precision: ``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"``; ``None``: bfloat16 autocast on CUDA, else float32.
        accumulate_grad_batches: Batches whose gradients are summed into one optimizer step.
        num_workers: Processes that load data; 0 loads in the training process.
        record: Write logs and resumable checkpoints into ``<output>/training``.
        resume: Continue from ``<output>/training/last.ckpt`` where there is one.
        checkpoint_every: Optimizer steps between checkpoints; ``None``: once an epoch.
        validate_every: Optimizer steps between validations on held-out samples; ``None``: once an epoch; 0: no sample
            is held out.
        balance: Sample every occupied cell alike: ``"grid:5"`` (degrees) or ``"h3:3"`` (H3 resolution).
    """

    accelerator: str | None = None
    devices: str = "1"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str | None = None
    accumulate_grad_batches: int = 1
    num_workers: int = 0
    record: bool = False
    resume: bool = False
    checkpoint_every: int | None = None
    validate_every: int | None = 0
    balance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainContext:
    """What a pre-training recipe is called with.

    Args:
        model: Name of the model to train.
        preset: Name of the preset to train.
        seed: Seed of initial weights, sampling and augmentation.
        dataset: Name of the pre-training dataset, or the path it was opened from.
        source: The pre-training dataset; its only split is called ``"pretrain"``.
        delivers: What its samples hold, one input per modality.
        fingerprint: Hash of the pre-training data, to be kept with the checkpoint.
        output: Folder for the checkpoint; it counts only if the recipe returns.
        device: ``"cpu"``, ``"cuda"``, ``"mps"`` ...
        limit: Use at most this many samples, or ``None``.
        report: Call it as ``report(done, total, note)`` to show progress.
        trainer: Devices, precision, logs, checkpoints, sampling.
        settings: Settings of the recipe to change, by name, as text; a recipe refuses those it does not have.
        teachers: Those that the recipe names under these settings, in its order.
    """

    model: str
    preset: str
    seed: int
    dataset: str
    source: DataSource
    delivers: tuple[Input, ...]
    fingerprint: str
    output: Path
    device: str
    limit: int | None
    report: Callable[[int, int, str], None]
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    settings: Mapping[str, str] = field(default_factory=dict)
    teachers: tuple[Teacher, ...] = ()
