"""What a model must declare."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from gairbench.download import SCHEMES
from gairbench.errors import CheckpointError, UsageError
from gairbench.published import FileWeights, PackageWeights, TimmWeights, UrlWeights
from gairbench.readout import RESERVED, Readout
from gairbench.spec import ModelSpec, resolve
from gairbench.testing import declarations
from gairbench.testing.declarations import require
from gairbench.weights.local import local_place


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


def check_offers_have_their_inputs(spec: ModelSpec) -> None:
    """Everything that a preset accepts or offers is computed from its inputs, and aligned modalities have encoders."""
    for preset in spec.presets:
        where = f"{spec.name}-{preset.name}"
        names = {wanted.name for wanted in preset.inputs}
        unknown = sorted(preset.static - names)
        require(not unknown, f"{where}: static names {', '.join(unknown)}, and its inputs are {names}")
        for one in preset.accepts:
            require(bool(one) and set(one) <= names, f"{where}: accepts {'+'.join(one)}, and its inputs are {names}")
            kinds = {preset.input(name).modality for name in one}
            require(len(kinds) == 1, f"{where}: accepts {'+'.join(one)}, which are of several modalities")
        sets = {one for modality in preset.modalities for one in preset.accepted(modality)}
        for offer in preset.offers:
            require(offer.of in sets, f"{where}: offers {offer}, and accepts no such inputs")
        taken = preset.modalities
        require(spec.aligned <= taken, f"{where}: aligns {spec.aligned - taken} but takes no such")
    require(len(spec.aligned) != 1, f"{spec.name}: one aligned modality alone is aligned with nothing")


def check_offers_can_be_asked_for(spec: ModelSpec) -> None:
    """Every offer has a name of its own, by which ``--readout`` and ``--views`` can ask for it."""
    for preset in spec.presets:
        where = f"{spec.name}-{preset.name}"
        require(len(set(preset.offers)) == len(preset.offers), f"{where}: an offer twice")
        for offer in preset.offers:
            require(offer.form != "tokens" or not offer.pooling, f"{where}: {offer} is a grid, and has a pooling")
            require(list(offer.layers) == sorted({*offer.layers}), f"{where}: the layers of {offer} do not ascend")
            try:
                same = Readout.of(str(Readout.from_offer(offer))) == Readout.from_offer(offer)
            except UsageError:
                same = False
            require(
                same, f"{where}: pooling {offer.pooling!r} is not one word, or is one of {', '.join(sorted(RESERVED))}"
            )


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
    """Published weights state a licence and, where it is of one file, its whole SHA-256; those in a file, a place."""
    for preset in spec.presets:
        if preset.weights is None or preset.recipe is not None:
            continue
        name, source = f"{spec.name}-{preset.name}", preset.weights
        licence = getattr(source, "licence", "")
        require(bool(licence) or isinstance(source, FileWeights | TimmWeights), f"{name}: weights without a licence")
        sha256 = getattr(source, "sha256", "")
        if sha256 or isinstance(source, PackageWeights | UrlWeights):
            require(re.fullmatch("[0-9a-f]{64}", sha256) is not None, f"{name}: {sha256!r} is not a SHA-256")
        if isinstance(source, UrlWeights):
            require(source.size > 0, f"{name}: weights of {source.size} bytes")
            require(source.url.startswith(SCHEMES), f"{name}: {source.url} is not an address that can be fetched")
            plain = Path(source.filename).name == source.filename
            require(plain, f"{name}: {source.filename!r} is a path, and filename= is a name without folders")
        if isinstance(source, FileWeights):
            try:
                local_place(source)
            except CheckpointError as error:
                raise AssertionError(f"{name}: {error}") from error


DECLARATION: tuple[Callable[[ModelSpec], None], ...] = (
    check_name_is_a_slug,
    check_version_is_stated,
    check_licence_and_citation_are_stated,
    check_presets_are_unique,
    check_inputs_leave_nothing_to_guess,
    check_pretraining_takes_the_presets_inputs,
    check_offers_have_their_inputs,
    check_offers_can_be_asked_for,
    check_weights_are_declared_whole,
    check_spec_is_a_value,
    check_registering_imports_nothing_heavy,
    check_factories_can_be_imported,
)
