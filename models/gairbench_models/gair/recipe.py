"""GAIR's recipe: a preset's settings, changed by ``--set``; light enough to read before torch is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gairbench.errors import UsageError
from gairbench.field_types import ADDED_LATER
from gairbench.inputs import Input, Modality
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.overrides import override
from gairbench.teacher import TeacherChoice
from gairbench_models.gair.config import ContrastiveConfig, DistillationConfig, GairConfig, InitialWeights
from gairbench_models.gair.inputs import TileInput, adapted, tile_input
from gairbench_models.gair.presets import PRESETS, config_of
from gairbench_models.gair.variants import VARIANTS, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything about a run that ``--set`` can change.

    Args:
        budget: Passes, batch, optimizer and augmentation.
        objective: What is minimized.
        start: Weights to start from.
        model: The model.
        input: What the overhead encoder takes.
        distillation: The encoders' teachers.
    """

    budget: Budget
    objective: ContrastiveConfig
    start: InitialWeights
    model: GairConfig
    input: TileInput
    distillation: DistillationConfig = field(default=DistillationConfig(), metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        for modality in Modality:
            teacher = self.distillation.of(modality)
            if teacher.preset is not None and teacher.model is None:
                raise ValueError(f"a preset of the {modality} teacher, whose model is not named")


def make_gair_recipe(model: str, preset: str, settings: Mapping[str, str]) -> Recipe:
    """Return a variant's recipe.

    Args:
        model: The variant's name.
        preset: The preset's.
        settings: What ``--set`` changes, as text.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    chosen, variant = PRESETS[preset], VARIANTS[model]
    unchanged = Recipe(
        budget=(variant.authors and chosen.authors_budget) or chosen.budget,
        objective=replace(
            chosen.objective,
            incl=variant.incl,
            secl=variant.secl,
            secl_form="queue" if variant.authors else chosen.objective.secl_form,
        ),
        start=InitialWeights(),
        model=config_of(model, preset),
        input=tile_input(chosen.inputs),
        distillation=chosen.distillation if variant.distilled else DistillationConfig(),
    )
    recipe = override(unchanged, settings)
    _check_used(model, variant, recipe, unchanged)
    rs = replace(recipe.model.rs, bands=len(recipe.input.bands))
    return replace(recipe, model=replace(recipe.model, rs=rs))


def gair_configuration(model: str, preset: str) -> Recipe:
    """Return all that a variant's preset stands for; named by ``ModelSpec.configuration``."""
    return make_gair_recipe(model, preset, {})


def _check_used(model: str, variant: Variant, recipe: Recipe, unchanged: Recipe) -> None:
    """Refuse to change an encoder that the variant does not have."""
    changed = {
        (Modality.RS, "model.rs.*"): recipe.model.rs != unchanged.model.rs,
        (Modality.RS, "input.*"): recipe.input != unchanged.input,
        (Modality.SV, "model.sv.*"): recipe.model.sv != unchanged.model.sv,
        (Modality.LOCATION, "model.location.*"): recipe.model.location != unchanged.model.location,
    } | {
        (modality, f"distillation.{modality}.*"): recipe.distillation.of(modality).model is not None
        for modality in Modality
    }
    for (modality, names), is_changed in changed.items():
        if is_changed and modality not in variant.modalities:
            raise UsageError(
                f"{model} has no {modality} encoder, which {names} are settings of", f"remove --set {names}"
            )


def teachers_of(model: str, preset: str, settings: Mapping[str, str]) -> tuple[TeacherChoice, ...]:
    """Return the teachers under these settings; named by ``Pretraining.teachers``.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    distillation = make_gair_recipe(model, preset, settings).distillation
    chosen = ((modality, distillation.of(modality)) for modality in Modality)
    return tuple(
        TeacherChoice(modality=modality, model=teacher.model, preset=teacher.preset)
        for modality, teacher in chosen
        if teacher.model is not None
    )


def encoder_inputs(model: str, preset: str, settings: Mapping[str, str]) -> tuple[Input, ...]:
    """Return what the encoders take under these settings, one input per modality.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    return inputs_of(model, preset, make_gair_recipe(model, preset, settings))


def inputs_of(model: str, preset: str, recipe: Recipe) -> tuple[Input, ...]:
    """Return what the encoders of a recipe take, one input per modality that the variant has."""
    inputs = [i for i in PRESETS[preset].inputs if i.modality in VARIANTS[model].modalities]
    return adapted(inputs, recipe.input, recipe.model.rs, recipe.model.sv)
