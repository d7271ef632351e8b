"""What a model must fulfil: its declaration, and its behaviour on generated inputs for every preset."""

from __future__ import annotations

import re
import unittest
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench import protocols
from gairbench.download import SCHEMES
from gairbench.memo import default_cache
from gairbench.spec import (
    VIEW_MODALITY,
    LocationInput,
    ModelContext,
    ModelSpec,
    PackageWeights,
    Preset,
    Pretraining,
    TimmWeights,
    UrlWeights,
    View,
    resolve,
)
from gairbench.testing import declarations, inputs
from gairbench.testing.declarations import require
from gairbench.testing.offline import offline
from gairbench.weights.sources import find_file, how_to_get

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 5

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
    for preset in spec.presets:
        if preset.recipe is None or preset.recipe.inputs is None:
            continue
        taken = tuple(resolve(preset.recipe.inputs)(spec.name, preset.name, {}))
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


def check_weights_are_declared_whole(spec: ModelSpec) -> None:
    """Published weights state a licence and, where the declaration is of one file, its whole SHA-256."""
    for preset in spec.presets:
        if preset.weights is None or preset.recipe is not None:
            continue
        name, source = f"{spec.name}-{preset.name}", preset.weights
        licence = getattr(source, "licence", "")
        require(bool(licence) or isinstance(source, TimmWeights), f"{name}: weights without a licence")
        sha256 = getattr(source, "sha256", "")
        if sha256 or isinstance(source, PackageWeights | UrlWeights):
            require(re.fullmatch("[0-9a-f]{64}", sha256) is not None, f"{name}: {sha256!r} is not a SHA-256")
        if isinstance(source, UrlWeights):
            require(source.size > 0, f"{name}: weights of {source.size} bytes")
            require(source.url.startswith(SCHEMES), f"{name}: {source.url} is not an address that can be fetched")


def check_network_is_left_alone(spec: ModelSpec, preset: Preset) -> None:
    """The factory fetches nothing: weights come from the preset's ``weights``, and only with consent."""
    with offline() as asked:
        try:
            _build(spec, preset.name, seed=0)
        except Exception as error:
            require(not asked, f"the factory asks the network for {', '.join(asked)} ({type(error).__name__}: {error})")
            raise
    require(not asked, f"the factory asks the network for {', '.join(asked)}")


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
            output = _call(spec, preset, view, arguments)
            require(bool(output.isfinite().all()), f"{view} returned values that are not finite")


def check_embeddings_are_deterministic(spec: ModelSpec, preset: Preset) -> None:
    """The same input gives the same embedding, also from a model built again with the same seed."""
    for view in _views(spec, preset):
        arguments = inputs.generate(preset, view, BATCH, seed=0)
        first = _call(spec, preset, view, arguments)
        require(bool(first.equal(_call(spec, preset, view, arguments))), f"{view} differs between two calls")
        again = _encode(_build(spec, preset.name, seed=0), view, arguments)
        require(bool(first.equal(again)), f"{view} differs between two models of one seed")


def check_seed_acts_as_declared(spec: ModelSpec, preset: Preset) -> None:
    """Untrained weights depend on the seed if and only if the spec says ``seeded``: records rely on it."""
    if preset.weights is not None and preset.recipe is None:
        return  # nothing of it is untrained
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
    (before,) = inputs.generate(preset, View.RS_TOKENS, 1, seed=0)
    plain = _call(spec, preset, View.RS_TOKENS, (before,))
    rows, columns = plain.shape[2:]
    require(rows > 1 and columns > 1, f"a grid of {rows} x {columns} tokens locates nothing")
    for south in (False, True):
        for east in (False, True):
            after = _with_other_corner(preset, before, south=south, east=east)
            change = (_call(spec, preset, View.RS_TOKENS, (after,)) - plain).norm(dim=1)[0]
            quarters = {
                (s, e): float(_quarter(change, south=s, east=e).mean()) for s in (False, True) for e in (False, True)
            }
            largest = max(quarters, key=lambda quarter: quarters[quarter])
            require(
                largest == (south, east),
                f"a change in the {_corner(south, east)} of the image shows in the {_corner(*largest)} of the grid",
            )


def check_query_follows_the_point(spec: ModelSpec, preset: Preset) -> None:
    """A tile looked up at two points gives two embeddings, each most sensitive to what lies around its point."""
    if View.RS_QUERY not in spec.views:
        return
    import torch

    (image,) = inputs.generate(preset, View.RS_TOKENS, 1, seed=0)
    corners = [(south, east) for south in (False, True) for east in (False, True)]
    inside = torch.tensor([[0.85 if e else 0.15, 0.85 if s else 0.15] for s, e in corners], dtype=torch.float64)
    lonlat, bbox = inputs.place(torch.tensor([[10.0, 50.0]] * 4, dtype=torch.float64), inside)
    before = _call(spec, preset, View.RS_QUERY, (image.repeat(4, 1, 1, 1), lonlat, bbox))
    require(_distinct(before) == len(corners), "query_rs returns the same for different points of a tile")
    for i, (south, east) in enumerate(corners):
        other = _with_other_corner(preset, image, south=south, east=east)
        change = (_call(spec, preset, View.RS_QUERY, (other.repeat(4, 1, 1, 1), lonlat, bbox)) - before).norm(dim=1)
        largest = int(change.argmax())
        require(
            largest == i,
            f"a change in the {_corner(south, east)} of the tile shows most at the {_corner(*corners[largest])} point",
        )


DECLARATION: tuple[Callable[[ModelSpec], None], ...] = (
    check_name_is_a_slug,
    check_version_is_stated,
    check_licence_and_citation_are_stated,
    check_presets_are_unique,
    check_inputs_leave_nothing_to_guess,
    check_pretraining_takes_the_presets_inputs,
    check_views_have_their_input,
    check_weights_are_declared_whole,
    check_spec_is_a_value,
    check_registering_imports_nothing_heavy,
    check_factories_can_be_imported,
)

BEHAVIOUR: tuple[Callable[[ModelSpec, Preset], None], ...] = (
    check_network_is_left_alone,
    check_views_are_implemented,
    check_embeddings_have_the_declared_shape,
    check_embeddings_are_finite,
    check_embeddings_are_deterministic,
    check_seed_acts_as_declared,
    check_embeddings_do_not_depend_on_the_batch,
    check_embeddings_tell_inputs_apart,
    check_inputs_are_left_as_they_were,
    check_token_grid_is_north_up,
    check_query_follows_the_point,
)


def _views(spec: ModelSpec, preset: Preset) -> list[View]:
    taken = {i.modality for i in preset.inputs}
    return [view for view in View if view in spec.views or (view in _BASE and VIEW_MODALITY[view] in taken)]


def _build(spec: ModelSpec, preset: str, seed: int) -> Any:
    """Build a model as the runner does: with its published weights, or untrained where gairbench trains it.

    Raises:
        unittest.SkipTest: Its published weights are not here.
    """
    import torch
    from torch import nn

    torch.manual_seed(seed)
    checkpoint = _published(spec.preset(preset))
    model = resolve(spec.factory)(ModelContext(preset=preset, seed=seed, model=spec.name, checkpoint=checkpoint))
    return model.requires_grad_(False).eval() if isinstance(model, nn.Module) else model


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


def _encode(model: Any, view: View, arguments: tuple[Tensor, ...]) -> Tensor:
    import torch

    with torch.inference_mode():
        output: Tensor = getattr(model, view.value)(*arguments)
    require(isinstance(output, torch.Tensor), f"{view} returned {type(output).__name__}, not a tensor")
    return output


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
    (other,) = inputs.generate(preset, View.RS_TOKENS, 1, seed=1)
    changed = images.clone()
    third = images.shape[-1] // 3
    band = slice(-third, None) if south else slice(None, third)
    across = slice(-third, None) if east else slice(None, third)
    changed[..., band, across] = other[..., band, across]
    return changed


def _quarter(grid: Tensor, *, south: bool, east: bool) -> Tensor:
    rows, columns = grid.shape[0] // 2, grid.shape[1] // 2
    half = grid[-rows:] if south else grid[:rows]
    return half[:, -columns:] if east else half[:, :columns]


def _corner(south: bool, east: bool) -> str:
    return f"{'south' if south else 'north'}-{'east' if east else 'west'}"
