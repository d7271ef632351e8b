"""Pre-training of GAIR and its variants on triplets, pairs of them included."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gairbench.data import SAMPLE_KEYS
from gairbench.errors import UsageError
from gairbench.inputs import ImageInput, Modality
from gairbench.pretraining.augmentation import Augmentation, View, jitter_coordinates
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Batch, Corpus
from gairbench.pretraining.distributed import gather
from gairbench.pretraining.fitting import fit, identify
from gairbench.pretraining.objective import Losses, Objective
from gairbench.protocols import PretrainContext
from gairbench_models.gair.checkpoint import save_gair
from gairbench_models.gair.config import COLDEST, ContrastiveConfig, GairConfig, InitialWeights
from gairbench_models.gair.distillation import Distillation
from gairbench_models.gair.losses import CoordinateQueue, at_the_same_place, gair_losses
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.recipe import Recipe, inputs_of, make_gair_recipe


def pretrain_gair(context: PretrainContext) -> None:
    """Train a variant's preset and write its checkpoint into ``context.output``.

    The same seed, data, machine and number of threads give the same weights, bit for bit, on a CPU.

    Raises:
        UsageError: A setting is unknown or wrong, or an encoder would stay untrained.
        InputMismatchError: The data's declarations do not fit the preset's.
        DataError: There are too few triplets, or one is broken.
        CheckpointError: A start does not fit, or the run cannot be resumed.
        StorageError: The checkpoint cannot be written.
    """
    recipe = make_gair_recipe(context.model, context.preset, context.settings)
    inputs = inputs_of(context.model, context.preset, recipe)
    placed = is_localized(recipe.model) or any(teacher.placed for teacher in context.teachers)
    corpus = Corpus(context, inputs, placed=placed)
    steps = corpus.steps(recipe.budget)
    model = untrained(recipe.model, context.seed, sv_patch_drop=recipe.objective.sv_patch_drop)
    started = _start(model, recipe.start, inputs)
    distillation = _distillation(context, recipe, corpus)
    task = ContrastiveTraining(
        model,
        recipe.objective,
        recipe.budget,
        augmentation=Augmentation(corpus.converters, recipe.budget),
        steps=steps,
        seed=context.seed,
        distillation=distillation,
    )
    identity = identify(context, recipe, corpus, steps) | {"starts": started}
    if distillation is not None:
        identity |= {"teachers": distillation.about}

    def export(state: Mapping[str, Tensor]) -> None:
        save_gair(
            {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")},
            context.output,
            model=context.model,
            preset=context.preset,
            config=recipe.model,
            inputs=inputs,
            provenance=identity,
        )

    fit(task, corpus, context, identity, export)


class _Network(nn.Module):
    """What is trained, and what training must remember; teachers stay outside of it."""

    def __init__(self, model: Gair, config: ContrastiveConfig, seed: int) -> None:
        super().__init__()
        self.model = model
        start = torch.Generator().manual_seed(seed) if config.secl_form == "queue" else None
        self.queue = CoordinateQueue(config.queue_size, start=start)
        self.heads = nn.ModuleDict()
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(config.temperature)), requires_grad=config.learn_temperature
        )


class ContrastiveTraining(Objective):
    """INCL and SECL, as far as the model has the encoders, and distillation of those that have a teacher.

    Args:
        model: What to train.
        config: The objectives.
        budget: Optimizer, schedule and augmentation.
        augmentation: From delivered inputs to what the model takes.
        steps: Optimizer steps in all.
        seed: Of everything random in a step.
        distillation: The encoders' teachers.

    Raises:
        UsageError: An encoder has no part in any objective that is switched on.
    """

    network: _Network

    def __init__(
        self,
        model: Gair,
        config: ContrastiveConfig,
        budget: Budget,
        *,
        augmentation: Augmentation,
        steps: int,
        seed: int,
        distillation: Distillation | None = None,
    ) -> None:
        super().__init__(_Network(model, config, seed), budget, steps=steps, seed=seed)
        self.config = config
        self.distillation = distillation
        if distillation is not None:
            self.network.heads = distillation.heads(model.config, seed)
        self.augmentation = augmentation
        self.has = model.config.modalities
        self.localized = is_localized(model.config)
        contrasted = [
            *([("rs", "sv")] if config.incl else []),
            *([("sv", "location"), ("rs", "location")] if config.secl else []),
        ]
        self.pairs = [(left, right) for left, right in contrasted if {Modality(left), Modality(right)} <= {*self.has}]
        idle = {*self.has} - {Modality(name) for pair in self.pairs for name in pair}
        if idle:
            raise UsageError(
                f"no objective trains the {' and the '.join(sorted(idle))} encoder",
                "switch incl or secl on, or train a variant without it (gair[incl-only])",
            )

    @property
    def temperature(self) -> Tensor | float:
        """The temperature now."""
        if not self.config.learn_temperature:
            return self.config.temperature
        return self.network.log_temperature.exp()

    def after_step(self, progress: float) -> None:
        """Keep a learned temperature from falling below its floor."""
        del progress
        # The parameter is limited, not what is made of it: the gradient of that would be zero for ever at the floor.
        with torch.no_grad():
            self.network.log_temperature.clamp_(min=math.log(COLDEST))

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Return INCL and SECL of an augmented batch."""
        model, queue = self.network.model, self.network.queue
        found: dict[str, Tensor] = {}
        students: dict[Modality, Tensor] = {}
        views: dict[Modality, View] = {}
        if Modality.RS in self.has:
            view = views[Modality.RS] = self.augmentation.view_tiles(batch["image"], generator)
            tokens = model.encode_rs_tokens(view.through(self.augmentation.converters[Modality.RS]))
            # Only the mean token is the same at every point.
            position = view.moved(batch["position"]) if self.localized else tokens.new_zeros(len(tokens), 2)
            found["rs"] = model.localizer(tokens, position)
            students[Modality.RS] = tokens.flatten(2).mean(-1)
        if Modality.SV in self.has:
            view = views[Modality.SV] = self.augmentation.view_photos(batch["street_view"], generator)
            pooled = model.encode_sv(view.through(self.augmentation.converters[Modality.SV]))
            found["sv"] = model.sv_projection(pooled)
            students[Modality.SV] = pooled
        past: Tensor | None = None
        stored = queue.stored()
        if Modality.LOCATION in self.has:
            seen = jitter_coordinates(torch.cat([batch["lonlat"], stored]), self.config.coordinate_jitter, generator)
            encoded = model.encode_location(seen)
            found["location"], past = encoded[: len(batch["lonlat"])], encoded[len(batch["lonlat"]) :]
            students[Modality.LOCATION] = found["location"]
        queued = stored if past is not None else stored[:0]
        parts = gair_losses(
            found.get("rs"),
            found.get("sv"),
            found.get("location"),
            past,
            self.temperature,
            incl=self.config.incl,
            secl=self.config.secl,
            secl_form=self.config.secl_form,
            alike=at_the_same_place(batch["lonlat"], gather(batch["lonlat"]), queued),
        )
        if self.distillation is not None:
            looks = {modality: batch | {SAMPLE_KEYS[modality]: view.delivered()} for modality, view in views.items()}
            if Modality.LOCATION in self.has:
                looks[Modality.LOCATION] = batch | {"lonlat": seen[: len(batch["lonlat"])]}
            parts = {**parts, **self.distillation.losses(students, self.network.heads, looks)}
        if Modality.LOCATION in self.has:
            queue.push(gather(batch["lonlat"]))
        reported = dict(parts)
        if self.config.learn_temperature:
            reported["temperature"] = torch.as_tensor(self.temperature)
        return Losses(total=torch.stack([*parts.values()]).sum(), parts=reported, embeddings=found)

    def embed_pairs(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return embeddings in the shared space, without augmentation."""
        model, converters = self.network.model, self.augmentation.converters
        found: dict[str, Tensor] = {}
        if Modality.RS in self.has:
            tokens = model.encode_rs_tokens(converters[Modality.RS](batch["image"]))
            position = batch["position"] if self.localized else tokens.new_zeros(len(tokens), 2)
            found["rs"] = model.localizer(tokens, position)
        if Modality.SV in self.has:
            found["sv"] = model.project_sv(converters[Modality.SV](batch["street_view"]))
        if Modality.LOCATION in self.has:
            found["location"] = model.encode_location(batch["lonlat"])
        return found


def _distillation(context: PretrainContext, recipe: Recipe, corpus: Corpus) -> Distillation | None:
    named = {modality for modality in Modality if recipe.distillation.of(modality).model is not None}
    if named != {teacher.modality for teacher in context.teachers}:
        raise UsageError(f"the recipe of {context.model} was not given the teachers that it names", "find them first")
    return Distillation(context.teachers, recipe.distillation.weight, corpus.first()) if named else None


def is_localized(config: GairConfig) -> bool:
    """Return whether the tiles are looked up at the photos' points."""
    return Modality.RS in config.modalities and config.localization != "none"


def _start(model: Gair, start: InitialWeights, inputs: tuple[object, ...]) -> dict[str, object]:
    if start == InitialWeights():
        return {}
    from gairbench_models.gair.initial_weights import apply_starts

    bands = next((i.bands for i in inputs if isinstance(i, ImageInput) and i.modality is Modality.RS), ())
    return apply_starts(model, rs=start.rs, sv=start.sv, location=start.location, bands=bands)
