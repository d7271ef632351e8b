"""Models with weights that a test saved in the published layout, in place of the published ones."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from gairbench.published import FileWeights, UrlWeights
from gairbench.spec import ModelSpec


def at_a_path(spec: ModelSpec, path: Path) -> ModelSpec:
    """Return a model whose weights are in a file; known answers are of the published weights, and are left out."""
    weights = FileWeights(path=path)
    return replace(spec, golden=None, presets=tuple(replace(preset, weights=weights) for preset in spec.presets))


def at_its_address(spec: ModelSpec, path: Path) -> ModelSpec:
    """Return a model that finds its file where it finds the published one, of which the content alone is another."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    presets = []
    for preset in spec.presets:
        assert isinstance(preset.weights, UrlWeights)
        weights = replace(preset.weights, sha256=sha256, size=path.stat().st_size)
        presets.append(replace(preset, weights=weights))
    return replace(spec, presets=tuple(presets))
