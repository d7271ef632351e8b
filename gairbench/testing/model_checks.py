"""What a model must do on generated inputs, for every preset."""

from __future__ import annotations

import itertools
import unittest
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench import embedding
from gairbench.batch import Batch, concatenate
from gairbench.embedding import compute
from gairbench.errors import PluginError
from gairbench.inputs import ImageInput
from gairbench.isolation import Isolated, call_factory
from gairbench.memo import default_cache
from gairbench.representation import METHODS, Representation
from gairbench.spec import ModelContext, ModelSpec, Preset, Pretraining, resolve
from gairbench.testing import inputs
from gairbench.testing.corners import CORNERS, misplaced
from gairbench.testing.declarations import require
from gairbench.testing.elsewhere import elsewhere
from gairbench.testing.isolated import unreported
from gairbench.testing.known_answers import known_answer_problem
from gairbench.testing.offline import offline
from gairbench.testing.training_mode import running_in_training_mode
from gairbench.weights.loading import model_name
from gairbench.weights.sources import find_file, how_to_get

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

BATCH = 5

LONG = 24
"""Images of a long series, where a model takes so many."""


def check_network_is_left_alone(spec: ModelSpec, preset: Preset) -> None:
    """The factory fetches nothing: weights come from the preset's ``weights``, and only with consent."""
    with offline() as asked:
        try:
            _build(spec, preset.name, seed=0)
        except Exception as error:
            require(not asked, f"the factory asks the network for {', '.join(asked)} ({type(error).__name__}: {error})")
            raise
    require(not asked, f"the factory asks the network for {', '.join(asked)}")


def check_offers_are_implemented(spec: ModelSpec, preset: Preset) -> None:
    """The model has ``encode``, or the small method of everything that it offers."""
    model = _load(spec, preset.name)
    for view in preset.offered():
        method = METHODS.get(view, "encode")
        require(
            callable(getattr(model, method, None)) or callable(getattr(model, "encode", None)),
            f"{type(model).__name__} has no method {method}, and offers {view}",
        )


def check_embeddings_have_the_declared_shape(spec: ModelSpec, preset: Preset) -> None:
    """Float tensors, ``(batch, dim)`` or ``(batch, [layers,] dim, rows, columns)``, of one shape for any batch."""
    for view in preset.offered():
        shapes = []
        for count in (1, BATCH):
            batch = inputs.generate(preset, view, count, seed=0)
            output = _first(spec, preset, view).output if count == BATCH else _call(spec, preset, view, batch)
            shape = tuple(output.shape)
            _require_shape(view, shape, count)
            require(output.is_floating_point(), f"{_name(view)} returned {output.dtype}")
            require(output.device.type == "cpu", f"{_name(view)} moved its output to {output.device}")
            shapes.append(shape[1:])
        require(
            shapes[0] == shapes[1], f"{_name(view)} returned {shapes[0]} for one sample and {shapes[1]} for {BATCH}"
        )


def _require_shape(view: Representation, shape: tuple[int, ...], count: int) -> None:
    several = view.form == "tokens" and len(view.layers) > 1
    wanted = {"tokens": 4 + several}.get(view.form, 2)
    require(len(shape) == wanted and shape[0] == count, f"{_name(view)} returned shape {shape} for batch {count}")
    if several:
        layers = len(view.layers)
        require(shape[1] == layers, f"{_name(view)} returned shape {shape}, wanted (batch, {layers} layers, ...)")


def check_embeddings_are_finite(spec: ModelSpec, preset: Preset) -> None:
    """No input within the declared range, flat images and the poles among them, gives a NaN or infinity."""
    for view in _one_of_each(preset):
        for output in (_first(spec, preset, view).output, _call(spec, preset, view, inputs.extremes(preset, view))):
            # In single precision, which is what the runner stores.
            finite = bool(output.float().isfinite().all())
            require(finite, f"{_name(view)} returned values that are not finite")


def check_embeddings_are_deterministic(spec: ModelSpec, preset: Preset) -> None:
    """The same input gives the same embedding, also from a model built again with the same seed."""
    for view in _one_of_each(preset):
        batch = inputs.generate(preset, view, BATCH, seed=0)
        first = _first(spec, preset, view).output
        require(bool(first.equal(_call(spec, preset, view, batch))), f"{_name(view)} differs between two calls")
        again = _encode(_build(spec, preset.name, seed=0), view, batch)
        require(bool(first.equal(again)), f"{_name(view)} differs between two models of one seed")


def check_nothing_runs_in_training_mode(spec: ModelSpec, preset: Preset) -> None:
    """Dropout is off and batch norm uses its own statistics, once the runner has called ``eval()``."""
    model, _ = _made(spec, preset.name, seed=0)
    for view in _one_of_each(preset):
        batch = inputs.generate(preset, view, BATCH, seed=0)
        with running_in_training_mode(model) as running:
            _encode(model, view, batch)
        require(
            not running,
            f"{_name(view)} runs {', '.join(running)} in training mode: let the model's eval() reach it, and call no"
            " train()",
        )


def check_the_process_is_left_as_it_was(spec: ModelSpec, preset: Preset) -> None:
    """Neither building nor encoding changes what others compute with: torch's settings, the working folder ..."""
    _, changes = _made(spec, preset.name, seed=0)
    require(not changes, changes)
    for view in _one_of_each(preset):
        changes = _first(spec, preset, view).changes
        require(not changes, f"{_name(view)}: {changes}")


def check_seed_acts_as_declared(spec: ModelSpec, preset: Preset) -> None:
    """Untrained weights depend on the seed if and only if the spec says ``seeded``: records rely on it."""
    if preset.weights is not None and preset.recipe is None:
        return  # nothing of it is untrained
    other = _build(spec, preset.name, seed=1)
    changed = []
    for view in _one_of_each(preset):
        batch = inputs.generate(preset, view, BATCH, seed=0)
        if not _first(spec, preset, view).output.equal(_encode(other, view, batch)):
            changed.append(_name(view))
    if spec.seeded:
        require(bool(changed), f"{spec.name} is declared seeded, but seeds 0 and 1 embed alike")
    else:
        require(not changed, f"{spec.name} is not declared seeded, but the seed changes {', '.join(changed)}")


def check_embeddings_do_not_depend_on_the_batch(spec: ModelSpec, preset: Preset) -> None:
    """A sample's embedding is its own: alone, in a batch or in another order (so the batch size is not a setting)."""
    for view in _one_of_each(preset):
        batch = inputs.generate(preset, view, BATCH, seed=0)
        together = _first(spec, preset, view).output
        for i in range(BATCH):
            alone = _call(spec, preset, view, batch[i : i + 1])
            require(
                _close(alone[0], together[i]), f"{_name(view)} gives a sample another embedding alone than in a batch"
            )
        flipped = _call(spec, preset, view, batch.map(lambda tensor: tensor.flip(0)))
        require(_close(flipped.flip(0), together), f"{_name(view)} depends on the order of the batch")


def check_batches_of_any_size_embed_alike(spec: ModelSpec, preset: Preset) -> None:
    """A batch may be larger than the runner's are today."""
    import torch

    size = embedding.BATCH + 1
    rows = torch.arange(size) % BATCH
    for view in _one_of_each(preset):
        batch = inputs.generate(preset, view, BATCH, seed=0)
        few = _first(spec, preset, view).output
        many = _call(spec, preset, view, batch.map(lambda tensor: tensor[rows]))
        require(len(many) == size, f"{_name(view)} returned {len(many)} embeddings for a batch of {size}")
        for row in range(size):
            require(
                _close(many[row], few[row % BATCH]),
                f"{_name(view)} gives sample {row} of a batch of {size} another embedding than in a batch of {BATCH}",
            )


def check_padding_of_series_does_not_count(spec: ModelSpec, preset: Preset) -> None:
    """A short series embeds alike alone and padded in a batch with the longest that the model takes."""
    for view in _one_of_each(preset):
        taken = [preset.input(name) for name in view.of]
        if not any(isinstance(i, ImageInput) and len({*(i.frame_range or ())}) > 1 for i in taken):
            continue
        short = inputs.generate(preset, view, 2, seed=0, frames=0)
        long = inputs.generate(preset, view, 2, seed=1, frames=LONG)
        alone, together = _call(spec, preset, view, short), _call(spec, preset, view, concatenate([short, long]))
        require(
            together.shape == (4, *alone.shape[1:]) and _close(together[:2], alone),
            f"{_name(view)} gives a short series another embedding in a batch with a longer one: leave out the images"
            " that are not 'valid'",
        )


def check_another_process_embeds_alike(spec: ModelSpec, preset: Preset) -> None:
    """Embeddings are the same in a process with another hash seed: nothing depends on the order of a set."""
    import torch

    embedded = {view: _first(spec, preset, view).output.float() for view in _one_of_each(preset)}
    there = elsewhere(embed_generated, spec, preset)
    for view, here in embedded.items():
        require(
            here.shape == there[view].shape and _close(torch.from_numpy(there[view]), here),
            f"{_name(view)} differs in another process: does the model use hash(), or the order of a set?",
        )


def embed_generated(spec: ModelSpec, preset: Preset) -> dict[Representation, NDArray[Any]]:
    """Return the embeddings of the generated inputs by an untrained model."""
    model, _ = _made(spec, preset.name, seed=0)
    return {
        view: _encode(model, view, inputs.generate(preset, view, BATCH, seed=0)).float().numpy()
        for view in _one_of_each(preset)
    }


def check_embeddings_tell_inputs_apart(spec: ModelSpec, preset: Preset) -> None:
    """Different inputs have different embeddings."""
    for view in _one_of_each(preset):
        output = _first(spec, preset, view).output
        distinct = _distinct(output.flatten(1))
        require(distinct == BATCH, f"{_name(view)} gives {BATCH} different samples {distinct} different embeddings")


def check_layers_differ(spec: ModelSpec, preset: Preset) -> None:
    """Each layer has tokens of its own, and of several layers each is what it is alone."""
    alike: dict[Representation, dict[tuple[int, ...], Tensor]] = {}
    for view in preset.offered():
        if view.layers:
            output = _call(spec, preset, view, inputs.generate(preset, view, 2, seed=0))
            _require_shape(view, tuple(output.shape), 2)
            alike.setdefault(replace(view, layers=()), {})[view.layers] = output
    for view, found in alike.items():
        for (first, one), (second, other) in itertools.combinations(found.items(), 2):
            require(
                not _identical(one, other),
                f"{_name(view)} is the same of layers {_numbers(first)} and {_numbers(second)}: does the model use"
                " wanted.layers?",
            )
        for layers, grids in found.items() if view.form == "tokens" else ():
            for place, layer in enumerate(layers) if len(layers) > 1 else ():
                alone = found.get((layer,))
                require(
                    alone is None or (alone.shape == grids[:, place].shape and _close(grids[:, place], alone)),
                    f"{_name(view)} of layers {_numbers(layers)} is not that of layer {layer} at place {place}",
                )


def _numbers(layers: tuple[int, ...]) -> str:
    return ", ".join(map(str, layers))


def check_inputs_are_left_as_they_were(spec: ModelSpec, preset: Preset) -> None:
    """A batch is not written to: the runner may use it again."""
    for view in _one_of_each(preset):
        require(not _first(spec, preset, view).written, f"{_name(view)} writes into its input")


def check_token_grid_is_north_up(spec: ModelSpec, preset: Preset) -> None:
    """A change in one corner of the image shows most in that corner of the grid: not mirrored, not transposed."""
    for view in _one_of_each(preset):
        if view.form != "tokens":
            continue
        before, other = (inputs.generate(preset, view, 2, seed=seed) for seed in (0, 1))
        plain = _call(spec, preset, view, before).flatten(0, -4)
        rows, columns = plain.shape[-2:]
        require(rows > 1 and columns > 1, f"a grid of {rows} x {columns} tokens locates nothing")
        changes = []
        for south, east in CORNERS:
            after = _with_other_corner(before, other, south=south, east=east)
            # Layers of several grids are one after the other.
            change = (_call(spec, preset, view, after).flatten(0, -4) - plain).norm(dim=-3).mean(dim=0)
            changes.append([float(_quarter(change, south=s, east=e).mean()) for s, e in CORNERS])
        if found := misplaced(changes):
            corner, place = found
            raise AssertionError(f"a change in the {corner} of the image shows in the {place} of the grid")


def check_query_follows_the_point(spec: ModelSpec, preset: Preset) -> None:
    """A tile looked up at two points gives two embeddings, each most sensitive to what lies around its point."""
    import torch

    for view in _one_of_each(preset):
        if view.form != "query":
            continue
        inside = torch.tensor([[0.85 if e else 0.15, 0.85 if s else 0.15] for s, e in CORNERS], dtype=torch.float64)
        places = inputs.place(torch.tensor([[10.0, 50.0]] * 4, dtype=torch.float64), inside)

        def tiles(seed: int, view: Representation = view, places: tuple[Tensor, Tensor] = places) -> Batch:
            return inputs.made_of(
                preset,
                view,
                lambda declared, number: inputs.raw_images(declared, 1, seed + 1_000 * number).repeat(4, 1, 1, 1),
                places=places,
                lonlat=places[0],
            )

        image, other = tiles(0), tiles(1)
        before = _call(spec, preset, view, image)
        require(_distinct(before) == len(CORNERS), f"{_name(view)} is the same for different points of a tile")
        changes = []
        for south, east in CORNERS:
            changed = _with_other_corner(image, other, south=south, east=east)
            changes.append((_call(spec, preset, view, changed) - before).norm(dim=1).tolist())
        if found := misplaced(changes):
            corner, place = found
            raise AssertionError(f"a change in the {corner} of the tile shows most at the {place} point")


def check_known_answers(spec: ModelSpec, preset: Preset) -> None:
    """Declared samples have the declared embeddings, whatever the order of their bands: see ``ModelSpec.golden``."""
    if spec.golden is None:
        return
    for answer in resolve(spec.golden)(spec.name, preset.name):
        problem = known_answer_problem(spec.name, preset, answer, partial(_call, spec, preset))
        require(not problem, f"{spec.name}-{preset.name}, known answer {answer.name!r}: {problem}")


BEHAVIOUR: tuple[Callable[[ModelSpec, Preset], None], ...] = (
    check_network_is_left_alone,
    check_offers_are_implemented,
    check_embeddings_have_the_declared_shape,
    check_embeddings_are_finite,
    check_nothing_runs_in_training_mode,
    check_the_process_is_left_as_it_was,
    check_embeddings_are_deterministic,
    check_padding_of_series_does_not_count,
    check_another_process_embeds_alike,
    check_seed_acts_as_declared,
    check_embeddings_do_not_depend_on_the_batch,
    check_batches_of_any_size_embed_alike,
    check_embeddings_tell_inputs_apart,
    check_layers_differ,
    check_inputs_are_left_as_they_were,
    check_token_grid_is_north_up,
    check_query_follows_the_point,
    check_known_answers,
)


def _one_of_each(preset: Preset) -> list[Representation]:
    """Return what is offered, of single layers alone the first of each kind: the code of all of them is the same."""
    kinds: dict[tuple[Representation, int], Representation] = {}
    for view in preset.offered():
        kinds.setdefault((replace(view, layers=()), min(len(view.layers), 2)), view)
    return list(kinds.values())


def _name(view: Representation) -> str:
    """Return what an author calls it: the method, where it has one of its own."""
    return METHODS.get(view, str(view))


def _made(spec: ModelSpec, preset: str, seed: int) -> tuple[Any, str]:
    """Build a model as the runner does; return what that changed in the process, too.

    It has its published weights, or is untrained where gairbench trains it.

    Raises:
        unittest.SkipTest: Its published weights are not here.
    """
    from torch import nn

    checkpoint = _published(spec.preset(preset))
    context = ModelContext(preset=preset, seed=seed, model=spec.name, checkpoint=checkpoint)
    with unreported():
        model, changes = call_factory(model_name(spec), spec.factory, context, seed=seed)
        return model.requires_grad_(False).eval() if isinstance(model, nn.Module) else model, changes


def _build(spec: ModelSpec, preset: str, seed: int) -> Any:
    return _made(spec, preset, seed)[0]


def _published(preset: Preset) -> Path | None:
    if preset.weights is None or isinstance(preset.weights, Pretraining):
        return None
    cache = default_cache()
    path = find_file(preset.weights, cache)
    if path is None:
        # Of the standard library, and understood by pytest too.
        raise unittest.SkipTest(f"its weights are not here; {how_to_get(preset.weights, cache)}")
    return path


# One model at a time: a preset's checks run in a row.
@lru_cache(maxsize=1)
def _load(spec: ModelSpec, preset: str) -> Any:
    return _build(spec, preset, seed=0)


# Random numbers differ from call to call, so that embeddings which depend on them do.
_SEEDS = itertools.count()


def _encode(model: Any, view: Representation, batch: Batch) -> Tensor:
    return _encoded(model, view, batch, type(model).__name__)[0]


def _encoded(model: Any, view: Representation, batch: Batch, who: str) -> tuple[Tensor, str]:
    """Return embeddings, and what computing them changed in the process."""
    import torch

    with unreported(), Isolated(who, seed=next(_SEEDS)) as call, torch.inference_mode():
        try:
            output = compute(model, view, batch)
        except PluginError as error:
            raise AssertionError(str(error)) from error
    require(isinstance(output, torch.Tensor), f"{_name(view)} returned {type(output).__name__}, not a tensor")
    return output, call.changes


def _call(spec: ModelSpec, preset: Preset, view: Representation, batch: Batch) -> Tensor:
    return _encode(_load(spec, preset.name), view, batch)


@dataclass(frozen=True, slots=True)
class _Embedded:
    """What a call returned, what it changed in the process, and whether it wrote into its input."""

    output: Tensor
    changes: str
    written: bool


# Most checks look at one call: the first one on generated samples.
@lru_cache(maxsize=64)
def _first(spec: ModelSpec, preset: Preset, view: Representation) -> _Embedded:
    batch = inputs.generate(preset, view, BATCH, seed=0)
    before = _tensors(batch.map(lambda tensor: tensor.clone()))
    output, changes = _encoded(_load(spec, preset.name), view, batch, model_name(spec))
    same = all(_identical(one, other) for one, other in zip(_tensors(batch), before, strict=True))
    return _Embedded(output, changes, written=not same)


def _tensors(batch: Batch) -> list[Tensor]:
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    batch.map(note)
    return found


def _identical(one: Tensor, other: Tensor) -> bool:
    import torch

    return one.shape == other.shape and bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))


def _close(a: Tensor, b: Tensor) -> bool:
    # Kernels for other batch sizes add in another order: single precision, relative to the embedding's scale.
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max().clamp(min=1e-12))


def _distinct(rows: Tensor) -> int:
    return len({tuple(row) for row in rows.tolist()})


def _with_other_corner(batch: Batch, other: Batch, *, south: bool, east: bool) -> Batch:
    """Return a batch in which a quarter of every image is another batch's."""
    images = {}
    for name, image in batch.images.items():
        changed = image.values.clone()
        # All of the quarter: a network that takes few tokens may look at few of its pixels.
        half = changed.shape[-1] // 2
        band = slice(-half, None) if south else slice(None, half)
        across = slice(-half, None) if east else slice(None, half)
        changed[..., band, across] = other.images[name].values[..., band, across]
        images[name] = replace(image, values=changed)
    return replace(batch, images=images)


def _quarter(grid: Tensor, *, south: bool, east: bool) -> Tensor:
    rows, columns = grid.shape[0] // 2, grid.shape[1] // 2
    half = grid[-rows:] if south else grid[:rows]
    return half[:, -columns:] if east else half[:, :columns]
