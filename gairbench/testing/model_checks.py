"""What a model must fulfil: its declaration, and its behaviour on generated inputs for every preset."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gairbench import embedding, protocols
from gairbench.errors import PluginWarning
from gairbench.isolation import Isolated, call_factory
from gairbench.spec import VIEW_MODALITY, LocationInput, ModelContext, ModelSpec, Preset, View, resolve
from gairbench.testing import declarations, inputs
from gairbench.testing.declarations import require
from gairbench.testing.elsewhere import elsewhere
from gairbench.weights.loading import model_name

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

BATCH = 5

MISPLACED = math.log(2)
"""A corner's change is in the wrong place if it shows there by this factor (its logarithm) more than where it belongs,
beyond what place and change alone explain. Networks that see the whole image at each token stay far below it, flipped
grids far above."""

PROTOCOLS: dict[View, type] = {
    View.RS: protocols.EncodesRS,
    View.RS_TOKENS: protocols.EncodesRSTokens,
    View.RS_QUERY: protocols.QueriesRS,
    View.SV: protocols.EncodesSV,
    View.SV_PROJECTED: protocols.ProjectsSV,
    View.LOCATION: protocols.EncodesLocation,
}

_BASE = (View.RS, View.SV, View.LOCATION)


def check_name_is_a_slug(spec: ModelSpec) -> None:
    """The name is safe in file names, tables and on the command line."""
    declarations.require_model_name(spec.name)


def check_version_is_stated(spec: ModelSpec) -> None:
    """The version says which code it is, not where to find the newest."""
    require(spec.version not in {"", "main", "master", "latest"}, f"{spec.name}: version {spec.version!r} pins nothing")


def check_licence_and_citation_are_stated(spec: ModelSpec) -> None:
    """Whoever publishes a number learns whose model it is and on what terms."""
    require(bool(spec.licence), f"{spec.name}: no licence")
    require(bool(spec.citation), f"{spec.name}: no citation")


def check_presets_are_unique(spec: ModelSpec) -> None:
    """There is a preset, and ``--preset`` can distinguish them."""
    names = [preset.name for preset in spec.presets]
    require(bool(names), f"{spec.name}: no presets")
    require(len(set(names)) == len(names), f"{spec.name}: a preset twice in {names}")
    for name in names:
        declarations.require_slug(name, f"{spec.name}: preset")


def check_inputs_leave_nothing_to_guess(spec: ModelSpec) -> None:
    """Every preset declares bands, and as many statistics as its normalization needs."""
    for preset in spec.presets:
        declarations.require_inputs(preset.inputs, f"{spec.name}-{preset.name}", encoder=True)


def check_pretraining_takes_the_presets_inputs(spec: ModelSpec) -> None:
    """Without changed settings, pre-training feeds the encoders what the presets declare."""
    if spec.pretraining is None or spec.pretraining.inputs is None:
        return
    inputs = resolve(spec.pretraining.inputs)
    for preset in spec.presets:
        taken = tuple(inputs(spec.name, preset.name, {}))
        require(taken == preset.inputs, f"{spec.name}-{preset.name}: pre-training takes {taken}")


def check_views_have_their_input(spec: ModelSpec) -> None:
    """Every declared view and aligned modality has an encoder in every preset."""
    for preset in spec.presets:
        taken = {i.modality for i in preset.inputs}
        for view in spec.views:
            require(
                VIEW_MODALITY[view] in taken, f"{spec.name}-{preset.name}: view {view} without {VIEW_MODALITY[view]}"
            )
        require(spec.aligned <= taken, f"{spec.name}-{preset.name}: aligns {spec.aligned - taken} but takes no such")
    require(len(spec.aligned) != 1, f"{spec.name}: one aligned modality alone is aligned with nothing")


def check_spec_is_a_value(spec: ModelSpec) -> None:
    """The spec can be hashed, compared and pickled."""
    declarations.require_value_object(spec)


def check_registering_imports_nothing_heavy(spec: ModelSpec) -> None:
    """``gairbench list`` stays instant."""
    declarations.require_cheap(spec)


def check_factories_can_be_imported(spec: ModelSpec) -> None:
    """The lazy addresses of factory and recipe lead somewhere."""
    declarations.require_factories(spec)


def check_views_are_implemented(spec: ModelSpec, preset: Preset) -> None:
    """The model has the methods that it declares."""
    model = _load(spec, preset.name)
    for view in _views(spec, preset):
        require(isinstance(model, PROTOCOLS[view]), f"{type(model).__name__} has no method {view}")


def check_embeddings_have_the_declared_shape(spec: ModelSpec, preset: Preset) -> None:
    """Views return float tensors, ``(batch, dim)`` or ``(batch, dim, rows, columns)``, of one dim for any batch."""
    for view in _views(spec, preset):
        shapes = []
        for batch in (1, BATCH):
            arguments = inputs.generate(preset, view, batch, seed=0)
            output = _call(spec, preset, view, arguments)
            wanted = 4 if view is View.RS_TOKENS else 2
            shape = tuple(output.shape)
            require(len(shape) == wanted and shape[0] == batch, f"{view} returned shape {shape} for batch {batch}")
            require(output.is_floating_point(), f"{view} returned {output.dtype}")
            require(output.device == arguments[0].device, f"{view} moved its output to {output.device}")
            shapes.append(shape[1:])
        require(shapes[0] == shapes[1], f"{view} returned {shapes[0]} for one sample and {shapes[1]} for {BATCH}")


def check_embeddings_are_finite(spec: ModelSpec, preset: Preset) -> None:
    """No input within the declared range, flat images and the poles among them, gives a NaN or infinity."""
    for view in _views(spec, preset):
        for arguments in [inputs.generate(preset, view, BATCH, seed=0), _extremes(preset, view)]:
            # In single precision, which is what the runner stores.
            output = _call(spec, preset, view, arguments).float()
            require(bool(output.isfinite().all()), f"{view} returned values that are not finite")


def check_embeddings_are_deterministic(spec: ModelSpec, preset: Preset) -> None:
    """The same input gives the same embedding, also from a model built again with the same seed."""
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        first = _call(spec, preset, view, arguments)
        require(bool(first.equal(_call(spec, preset, view, arguments))), f"{view} differs between two calls")
        again = _encode(_build(spec, preset.name, seed=0), view, arguments)
        require(bool(first.equal(again)), f"{view} differs between two models of one seed")


def check_nothing_runs_in_training_mode(spec: ModelSpec, preset: Preset) -> None:
    """Dropout is off and batch norm uses its own statistics, once the runner has called ``eval()``."""
    model, _ = _made(spec, preset.name, seed=0)
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        with _running_in_training_mode(model) as running:
            _encode(model, view, arguments)
        require(
            not running,
            f"{view} runs {', '.join(running)} in training mode: let the model's eval() reach it, and call no train()",
        )


def check_the_process_is_left_as_it_was(spec: ModelSpec, preset: Preset) -> None:
    """Neither building nor encoding changes what others compute with: torch's settings, the working folder ..."""
    _, changes = _made(spec, preset.name, seed=0)
    require(not changes, changes)
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        _, changes = _encoded(_load(spec, preset.name), view, arguments, model_name(spec))
        require(not changes, f"{view}: {changes}")


def check_seed_acts_as_declared(spec: ModelSpec, preset: Preset) -> None:
    """Untrained weights depend on the seed if and only if the spec says ``seeded``: records rely on it."""
    other = _build(spec, preset.name, seed=1)
    changed = []
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        if not _call(spec, preset, view, arguments).equal(_encode(other, view, arguments)):
            changed.append(str(view))
    if spec.seeded:
        require(bool(changed), f"{spec.name} is declared seeded, but seeds 0 and 1 embed alike")
    else:
        require(not changed, f"{spec.name} is not declared seeded, but the seed changes {', '.join(changed)}")


def check_embeddings_do_not_depend_on_the_batch(spec: ModelSpec, preset: Preset) -> None:
    """A sample's embedding is its own: alone, in a batch or in another order (so the batch size is not a setting)."""
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        together = _call(spec, preset, view, arguments)
        for i in range(BATCH):
            alone = _call(spec, preset, view, tuple(a[i : i + 1] for a in arguments))
            require(_close(alone[0], together[i]), f"{view} gives a sample another embedding alone than in a batch")
        flipped = _call(spec, preset, view, tuple(a.flip(0) for a in arguments))
        require(_close(flipped.flip(0), together), f"{view} depends on the order of the batch")


def check_batches_of_any_size_embed_alike(spec: ModelSpec, preset: Preset) -> None:
    """A batch may be larger than the runner's are today."""
    import torch

    size = embedding.BATCH + 1
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        few = _call(spec, preset, view, arguments)
        rows = torch.arange(size) % BATCH
        many = _call(spec, preset, view, tuple(a[rows] for a in arguments))
        require(len(many) == size, f"{view} returned {len(many)} embeddings for a batch of {size}")
        for row in range(size):
            require(
                _close(many[row], few[row % BATCH]),
                f"{view} gives sample {row} of a batch of {size} another embedding than in a batch of {BATCH}",
            )


def check_another_process_embeds_alike(spec: ModelSpec, preset: Preset) -> None:
    """Embeddings are the same in a process with another hash seed: nothing depends on the order of a set."""
    import torch

    there = elsewhere(embed_generated, spec, preset)
    for view in _views(spec, preset):
        here = _call(spec, preset, view, inputs.generate(preset, view, BATCH, seed=0)).float()
        require(
            here.shape == there[view].shape and _close(torch.from_numpy(there[view]), here),
            f"{view} differs in another process: does the model use hash(), or the order of a set?",
        )


def embed_generated(spec: ModelSpec, preset: Preset) -> dict[View, NDArray[Any]]:
    """Return the embeddings of the generated inputs by an untrained model."""
    model, _ = _made(spec, preset.name, seed=0)
    return {
        view: _encode(model, view, inputs.generate(preset, view, BATCH, seed=0)).float().numpy()
        for view in _views(spec, preset)
    }


def check_embeddings_tell_inputs_apart(spec: ModelSpec, preset: Preset) -> None:
    """Different inputs have different embeddings."""
    for view in _views(spec, preset):
        output = _call(spec, preset, view, inputs.generate(preset, view, BATCH, seed=0))
        distinct = _distinct(output.flatten(1))
        require(distinct == BATCH, f"{view} gives {BATCH} different samples {distinct} different embeddings")


def check_inputs_are_left_as_they_were(spec: ModelSpec, preset: Preset) -> None:
    """A batch is not written to: the runner may use it again."""
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        copies = [a.clone() for a in arguments]
        _call(spec, preset, view, arguments)
        same = all(a.equal(copy) for a, copy in zip(arguments, copies, strict=True))
        require(same, f"{view} writes into its input")


def check_token_grid_is_north_up(spec: ModelSpec, preset: Preset) -> None:
    """A change in one corner of the image shows most in that corner of the grid: not mirrored, not transposed."""
    if View.RS_TOKENS not in spec.views:
        return
    before = inputs.generate(preset, View.RS_TOKENS, 2, seed=0)[0]
    plain = _call(spec, preset, View.RS_TOKENS, (before,))
    rows, columns = plain.shape[2:]
    require(rows > 1 and columns > 1, f"a grid of {rows} x {columns} tokens locates nothing")
    changes = []
    for south, east in _CORNERS:
        after = _with_other_corner(preset, before, south=south, east=east)
        change = (_call(spec, preset, View.RS_TOKENS, (after,)) - plain).norm(dim=1).mean(dim=0)
        changes.append([float(_quarter(change, south=s, east=e).mean()) for s, e in _CORNERS])
    if found := _misplaced(changes):
        corner, place = found
        raise AssertionError(f"a change in the {corner} of the image shows in the {place} of the grid")


def check_query_follows_the_point(spec: ModelSpec, preset: Preset) -> None:
    """A tile looked up at two points gives two embeddings, each most sensitive to what lies around its point."""
    if View.RS_QUERY not in spec.views:
        return
    import torch

    (image,) = inputs.generate(preset, View.RS_TOKENS, 1, seed=0)
    inside = torch.tensor([[0.85 if e else 0.15, 0.85 if s else 0.15] for s, e in _CORNERS], dtype=torch.float64)
    lonlat, bbox = inputs.place(torch.tensor([[10.0, 50.0]] * 4, dtype=torch.float64), inside)
    before = _call(spec, preset, View.RS_QUERY, (image.repeat(4, 1, 1, 1), lonlat, bbox))
    require(_distinct(before) == len(_CORNERS), "query_rs returns the same for different points of a tile")
    changes = []
    for south, east in _CORNERS:
        other = _with_other_corner(preset, image, south=south, east=east)
        after = _call(spec, preset, View.RS_QUERY, (other.repeat(4, 1, 1, 1), lonlat, bbox))
        changes.append((after - before).norm(dim=1).tolist())
    if found := _misplaced(changes):
        corner, place = found
        raise AssertionError(f"a change in the {corner} of the tile shows most at the {place} point")


DECLARATION: tuple[Callable[[ModelSpec], None], ...] = (
    check_name_is_a_slug,
    check_version_is_stated,
    check_licence_and_citation_are_stated,
    check_presets_are_unique,
    check_inputs_leave_nothing_to_guess,
    check_pretraining_takes_the_presets_inputs,
    check_views_have_their_input,
    check_spec_is_a_value,
    check_registering_imports_nothing_heavy,
    check_factories_can_be_imported,
)

BEHAVIOUR: tuple[Callable[[ModelSpec, Preset], None], ...] = (
    check_views_are_implemented,
    check_embeddings_have_the_declared_shape,
    check_embeddings_are_finite,
    check_nothing_runs_in_training_mode,
    check_the_process_is_left_as_it_was,
    check_embeddings_are_deterministic,
    check_another_process_embeds_alike,
    check_seed_acts_as_declared,
    check_embeddings_do_not_depend_on_the_batch,
    check_batches_of_any_size_embed_alike,
    check_embeddings_tell_inputs_apart,
    check_inputs_are_left_as_they_were,
    check_token_grid_is_north_up,
    check_query_follows_the_point,
)


def _views(spec: ModelSpec, preset: Preset) -> list[View]:
    taken = {i.modality for i in preset.inputs}
    return [view for view in View if view in spec.views or (view in _BASE and VIEW_MODALITY[view] in taken)]


def _made(spec: ModelSpec, preset: str, seed: int) -> tuple[Any, str]:
    """Build an untrained model as the runner does; return what that changed in the process, too."""
    from torch import nn

    context = ModelContext(preset=preset, seed=seed, model=spec.name)
    with _unreported():
        model, changes = call_factory(model_name(spec), spec.factory, context, seed=seed)
        return model.requires_grad_(False).eval() if isinstance(model, nn.Module) else model, changes


def _build(spec: ModelSpec, preset: str, seed: int) -> Any:
    return _made(spec, preset, seed)[0]


@contextmanager
def _unreported() -> Iterator[None]:
    """Report changes of the process in the one check that is for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        yield


# One model at a time: a preset's checks run in a row.
@lru_cache(maxsize=1)
def _load(spec: ModelSpec, preset: str) -> Any:
    return _build(spec, preset, seed=0)


# Random numbers differ from call to call, so that embeddings which depend on them do.
_SEEDS = itertools.count()


def _encode(model: Any, view: View, arguments: tuple[Tensor, ...]) -> Tensor:
    return _encoded(model, view, arguments, type(model).__name__)[0]


def _encoded(model: Any, view: View, arguments: tuple[Tensor, ...], who: str) -> tuple[Tensor, str]:
    """Return embeddings, and what computing them changed in the process."""
    import torch

    with _unreported(), Isolated(who, seed=next(_SEEDS)) as call, torch.inference_mode():
        output: Tensor = getattr(model, view.value)(*arguments)
    require(isinstance(output, torch.Tensor), f"{view} returned {type(output).__name__}, not a tensor")
    return output, call.changes


def _call(spec: ModelSpec, preset: Preset, view: View, arguments: tuple[Tensor, ...]) -> Tensor:
    return _encode(_load(spec, preset.name), view, arguments)


def _extremes(preset: Preset, view: View) -> tuple[Tensor, ...]:
    declared = inputs.declared_input(preset, VIEW_MODALITY[view])
    if isinstance(declared, LocationInput):
        return (inputs.edge_locations(declared),)
    images = inputs.convert(declared, inputs.flat_images(declared))
    if view is not View.RS_QUERY:
        return (images,)
    import torch

    # The tile's corners: points exactly on its border are inside.
    corners = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    return (images, *inputs.place(torch.tensor([[10.0, 50.0]] * 2, dtype=torch.float64), corners))


def _close(a: Tensor, b: Tensor) -> bool:
    # Kernels for other batch sizes add in another order: single precision, relative to the embedding's scale.
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max().clamp(min=1e-12))


def _distinct(rows: Tensor) -> int:
    return len({tuple(row) for row in rows.tolist()})


def _with_other_corner(preset: Preset, images: Tensor, *, south: bool, east: bool) -> Tensor:
    (other,) = inputs.generate(preset, View.RS_TOKENS, len(images), seed=1)
    changed = images.clone()
    # All of the quarter: a network that takes few tokens may look at few of its pixels.
    half = images.shape[-1] // 2
    band = slice(-half, None) if south else slice(None, half)
    across = slice(-half, None) if east else slice(None, half)
    changed[..., band, across] = other[..., band, across]
    return changed


def _quarter(grid: Tensor, *, south: bool, east: bool) -> Tensor:
    rows, columns = grid.shape[0] // 2, grid.shape[1] // 2
    half = grid[-rows:] if south else grid[:rows]
    return half[:, -columns:] if east else half[:, :columns]


_CORNERS = tuple((south, east) for south in (False, True) for east in (False, True))


def _misplaced(changes: Sequence[Sequence[float]]) -> tuple[str, str] | None:
    """Find a corner whose change shows elsewhere.

    Args:
        changes: For each corner that was changed, how much each corner of the output did.

    Returns:
        The corner of the input and that of the output; ``None`` where everything is in its place, or nothing has one:
        each token of some networks depends on the whole image.
    """
    least = max(map(max, changes)) * 1e-6
    if not least:
        return _corner(*_CORNERS[0]), "no corner"
    logs = [[math.log(max(value, least)) for value in row] for row in changes]
    # Some corners change more than others, and some places react more than others; neither says where a change belongs.
    rows = [sum(row) / len(row) for row in logs]
    columns = [sum(column) / len(logs) for column in zip(*logs, strict=True)]
    mean = sum(rows) / len(rows)
    for here, row in enumerate(logs):
        beyond = [value - rows[here] - columns[there] + mean for there, value in enumerate(row)]
        there = max(range(len(beyond)), key=lambda place: beyond[place])
        if beyond[there] - beyond[here] > MISPLACED:
            return _corner(*_CORNERS[here]), _corner(*_CORNERS[there])
    return None


def _corner(south: bool, east: bool) -> str:
    return f"{'south' if south else 'north'}-{'east' if east else 'west'}"


def _networks(model: object) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules of a model, also of one that only holds modules, each with its name and type."""
    from torch import nn

    if isinstance(model, nn.Module):
        for name, module in model.named_modules():
            yield name, module
        return
    for attribute, value in getattr(model, "__dict__", {}).items():
        if isinstance(value, nn.Module):
            for name, module in value.named_modules(prefix=attribute):
                yield name, module


def _acts_in_training(module: nn.Module) -> bool:
    """Whether a module computes otherwise in training mode."""
    from torch import nn

    if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
        return module.dropout > 0
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return module.track_running_stats
    # Dropout, and what timm and others call DropPath, DropBlock or PatchDropout, whatever they name the probability.
    if "drop" not in type(module).__name__.lower():
        return False
    return next((bool(getattr(module, p)) for p in ("p", "drop_prob", "prob") if hasattr(module, p)), True)


@contextmanager
def _running_in_training_mode(model: object) -> Iterator[dict[str, None]]:
    """Note the modules that run in training mode while the block runs and compute otherwise in it."""
    running: dict[str, None] = {}

    def note(name: str) -> Callable[[nn.Module, object], None]:
        def before(module: nn.Module, arguments: object) -> None:
            del arguments
            if module.training and _acts_in_training(module):
                running[f"{name or 'itself'} ({type(module).__name__})"] = None

        return before

    hooks = [module.register_forward_pre_hook(note(name)) for name, module in _networks(model)]
    try:
        yield running
    finally:
        for hook in hooks:
            hook.remove()
