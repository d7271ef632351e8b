"""Pre-training on triplets of overhead tile, street view and location, by Lightning."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler, Subset, default_collate

from gairbench.conversion import make_converter
from gairbench.data import Sample
from gairbench.errors import DataError, UsageError
from gairbench.protocols import PretrainContext
from gairbench.spec import Input, Modality
from gairbench_models.gair.augmentation import jitter_colours, jitter_coordinates, mirror_photos, mirror_tiles
from gairbench_models.gair.checkpoint import save
from gairbench_models.gair.config import TrainingConfig
from gairbench_models.gair.localization import relative_position
from gairbench_models.gair.losses import CoordinateQueue, gair_loss
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.presets import DATASET, PRESETS

Batch = dict[str, Tensor]
"""Delivered ``image`` and ``street_view``, ``lonlat`` in degrees, and ``position`` of the photo in its tile."""


def pretrain(context: PretrainContext) -> None:
    """Train a preset and write its checkpoint into ``context.output``.

    The same seed, data and machine give the same weights, bit for bit, on a CPU.

    Raises:
        UsageError: The preset has no recipe for the registered data.
        InputMismatchError: The data's declarations do not fit the preset's.
        DataError: There are too few triplets, or one is broken.
        StorageError: The checkpoint cannot be written.
    """
    preset = PRESETS[context.preset]
    if preset.training is None:
        raise UsageError(
            f"preset {context.preset!r} of gair cannot be pre-trained on {DATASET!r}, which lacks its ten Sentinel-2"
            " bands",
            "evaluate a trained one with --checkpoint gair=PATH, or choose --preset tiny or small",
        )
    convert = {modality: _converter(modality, context.delivers, preset.inputs) for modality in Modality}
    split = context.source.split("pretrain")
    n = len(split) if context.limit is None else min(context.limit, len(split))
    if n < 2:
        raise DataError(f"{n} triplet for contrastive pre-training", "give at least 2, with a higher --limit")
    triplets = Subset(cast(Dataset[Sample], split), range(n))
    training = preset.training
    with _seeded(context.seed):
        model = untrained(preset.config, context.seed, sv_patch_drop=training.sv_patch_drop)
        loader = DataLoader(
            triplets,
            batch_size=min(training.batch_size, n),
            sampler=RandomSampler(triplets, generator=torch.Generator().manual_seed(context.seed)),
            drop_last=True,
            collate_fn=_Collate(convert[Modality.LOCATION]),
        )
        steps = training.epochs * len(loader)
        task = ContrastiveTraining(
            model,
            training,
            convert_rs=convert[Modality.RS],
            convert_sv=convert[Modality.SV],
            steps=steps,
            seed=context.seed,
        )
        _fit(task, loader, context, steps)
    save(
        model,
        context.output,
        preset=context.preset,
        provenance={
            "training": asdict(training),
            "seed": context.seed,
            "dataset": DATASET,
            "dataset_fingerprint": context.fingerprint,
            "triplets": n,
            "steps": steps,
        },
    )


class ContrastiveTraining(lightning.LightningModule):
    """GAIR's objectives, optimizer and schedule.

    Args:
        model: What to train.
        training: Hyper-parameters.
        convert_rs: From delivered overhead images to what the model takes.
        convert_sv: From delivered photos to what the model takes.
        steps: Optimizer steps in all, for the schedule.
        seed: Of the augmentations.
    """

    def __init__(
        self,
        model: Gair,
        training: TrainingConfig,
        *,
        convert_rs: Callable[[Tensor], Tensor],
        convert_sv: Callable[[Tensor], Tensor],
        steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.training_config = training
        self.queue = CoordinateQueue(training.queue_size)
        self.convert_rs = convert_rs
        self.convert_sv = convert_sv
        self.steps = steps
        self.seed = seed

    def on_fit_start(self) -> None:
        """Seed the augmentations, differently in each process of a distributed run."""
        self.generator = torch.Generator().manual_seed(self.seed + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002 - Lightning names it
        """Return the batch's ``loss`` and its two parts."""
        config = self.training_config
        images = jitter_colours(batch["image"], config.brightness, config.contrast, self.generator)
        images, position = mirror_tiles(self.convert_rs(images), batch["position"], self.generator)
        photos = jitter_colours(batch["street_view"], config.brightness, config.contrast, self.generator)
        photos = mirror_photos(self.convert_sv(photos), self.generator)
        past = self.queue.stored()
        lonlat = jitter_coordinates(torch.cat([batch["lonlat"], past]), config.coordinate_jitter, self.generator)

        localized = self.model.localizer(self.model.encode_rs_tokens(images), position)
        street_view = self.model.project_sv(photos)
        location = self.model.encode_location(lonlat)
        loss = gair_loss(localized, street_view, location[: len(images)], location[len(images) :], config.temperature)
        self.queue.push(batch["lonlat"])
        return {"loss": loss.total, "incl": loss.incl.detach(), "secl": loss.secl.detach()}

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW, with decay of matrices only, and a cosine schedule with linear warm-up."""
        config = self.training_config
        weights = [p for p in self.model.parameters() if p.requires_grad]
        decayed = _decayed(self.model)
        groups = [
            {"params": [p for p in weights if id(p) in decayed], "weight_decay": config.weight_decay},
            {"params": [p for p in weights if id(p) not in decayed], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
        warmup = max(1, round(config.warmup * self.steps))
        schedule = torch.optim.lr_scheduler.SequentialLR(
            optimizer,
            [
                torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup),
                torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, self.steps - warmup)),
            ],
            milestones=[warmup],
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Collate:
    """Stack samples and place each photo in its tile, in float64 on the CPU, before anything reaches a device."""

    def __init__(self, convert_location: Callable[[Tensor], Tensor]) -> None:
        self.convert_location = convert_location

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        batch: Batch = default_collate([dict(sample) for sample in samples])
        lonlat = self.convert_location(batch["lonlat"])
        try:
            position = relative_position(lonlat, batch["bbox"].double())
        except ValueError as error:
            raise DataError(f"pre-training triplet: {error}", "correct its coordinates or bounding box") from error
        return {
            "image": batch["image"],
            "street_view": batch["street_view"],
            "lonlat": lonlat.float(),
            "position": position.float(),
        }


class _Report(lightning.Callback):
    """Tells the runner how far training is and the mean loss since it last told."""

    def __init__(self, report: Callable[[int, int, str], None], steps: int) -> None:
        self.report = report
        self.steps = steps

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002 - Lightning names them
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Report one step."""
        self.report(
            trainer.global_step,
            self.steps,
            f"loss {outputs['loss']:.2f} (INCL {outputs['incl']:.2f}, SECL {outputs['secl']:.2f})",
        )


def _fit(task: ContrastiveTraining, loader: DataLoader[Sample], context: PretrainContext, steps: int) -> None:
    kind, _, index = context.device.partition(":")
    trainer = lightning.Trainer(
        accelerator="gpu" if kind == "cuda" else kind,
        devices=[int(index)] if index else 1,
        precision="bf16-mixed" if kind == "cuda" else "32-true",
        max_epochs=task.training_config.epochs,
        gradient_clip_val=1.0,
        callbacks=[_Report(context.report, steps)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=context.output,
    )
    trainer.fit(task, loader)


def _converter(modality: Modality, delivers: Sequence[Input], wants: Sequence[Input]) -> Callable[[Tensor], Tensor]:
    delivered = next((i for i in delivers if i.modality is modality), None)
    if delivered is None:
        raise DataError(f"pre-training data deliver no {modality} input", "give triplets of all three modalities")
    return make_converter(delivered, next(i for i in wants if i.modality is modality))


def _decayed(model: nn.Module) -> set[int]:
    """Return the ids of the weights of linear and convolution layers."""
    layers = (module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    return {id(layer.weight) for layer in layers}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed everything inside and leave the process as it was: random state, deterministic mode, Lightning's voice."""
    voices = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [voice.level for voice in voices]
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), warnings.catch_warnings():
        # The embedded data are read faster than they are learnt from.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
        # Between Lightning and PyTorch; nothing that a user of gairbench could mend.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        torch.manual_seed(seed)
        try:
            for voice in voices:
                voice.setLevel(logging.ERROR)
            torch.use_deterministic_algorithms(True)
            yield
        finally:
            torch.use_deterministic_algorithms(was_deterministic)
            for voice, level in zip(voices, levels, strict=True):
                voice.setLevel(level)
