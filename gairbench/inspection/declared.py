"""What a model declares, in full, without loading it."""

from __future__ import annotations

from dataclasses import dataclass

from gairbench.conversion import in_metres
from gairbench.inputs import ANY, EncoderInput, ImageInput, SampleInput
from gairbench.sensors import band, wavelength_problem
from gairbench.spec import ModelSpec, Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBand:
    """A band that an encoder takes.

    Args:
        name: Its name.
        wavelength_um: Its centre wavelength in micrometres, as :mod:`gairbench.sensors` knows it.
        bandwidth_um: Its width.
        unit: The unit of its values; empty: whatever the dataset has.
        mean: By which it is normalized, in the unit.
        std: By which it is normalized, in the unit.
    """

    name: str
    wavelength_um: float | None
    bandwidth_um: float | None
    unit: str
    mean: float | None
    std: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredInput:
    """What an encoder takes under one name.

    Args:
        name: The name.
        takes: Everything but the bands, in words by what it is about.
        bands: Its bands; none: whatever the dataset has, or it is a place.
    """

    name: str
    takes: dict[str, str]
    bands: tuple[DeclaredBand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a model and one of its presets declare.

    Args:
        model: The model's name.
        preset: The preset's name.
        about: What there is to know, in words by what it is about.
        inputs: What its encoders take.
        offers: What it can be asked for.
        suspicions: What cannot be right, one sentence each.
    """

    model: str
    preset: str
    about: dict[str, str]
    inputs: tuple[DeclaredInput, ...]
    offers: tuple[str, ...]
    suspicions: tuple[str, ...]


def declaration_of(spec: ModelSpec, preset: Preset, origin: str) -> Declaration:
    """Return what a model declares.

    Args:
        spec: The model.
        preset: Its preset.
        origin: The plugin that registers it.
    """
    about = {
        "version": spec.version,
        "origin": origin,
        "description": "; ".join(filter(None, [spec.description, preset.description])),
        "licence": spec.licence,
        "citation": spec.citation,
        "trained on": ", ".join(sorted(spec.trained_on)),
        "other presets": ", ".join(other.name for other in spec.presets if other.name != preset.name),
        "aligned": ", ".join(sorted(spec.aligned)),
        "accepts": "; ".join("+".join(one) for one in preset.accepts),
        "must be given": ", ".join(sorted(preset.needs)),
        "is given if known": ", ".join(sorted(preset.wants)),
    }
    return Declaration(
        model=spec.name,
        preset=preset.name,
        about={name: text for name, text in about.items() if text},
        inputs=tuple(_input(wanted, preset) for wanted in preset.inputs),
        offers=tuple(map(str, preset.offered())),
        suspicions=tuple(_suspicions(preset)),
    )


def _input(wanted: EncoderInput, preset: Preset) -> DeclaredInput:
    if isinstance(wanted, SampleInput):
        takes = {"modality": str(wanted.modality), "looked up by": ", ".join(sorted(preset.needs | preset.wants))}
        return DeclaredInput(name=wanted.name, takes=takes, bands=())
    if not isinstance(wanted, ImageInput):
        return DeclaredInput(name=wanted.name, takes={"order": wanted.order, "unit": "degrees"}, bands=())
    frames = wanted.frame_range
    takes = {
        "modality": str(wanted.modality),
        "size": "any" if wanted.size is None else f"{wanted.size} x {wanted.size} pixels",
        "frames": "" if frames is None else "{} to {}".format(*frames),
        "ground": "" if wanted.gsd_m is None else f"{in_metres(wanted.gsd_m)} per pixel",
        "normalization": str(wanted.normalization),
        "resampling": f"by {wanted.resampling}, {wanted.interpolation}{', antialiased' if wanted.antialias else ''}",
        "if it is missing": wanted.missing,
    }
    known = () if wanted.bands == ANY else tuple(map(_band, [wanted] * len(wanted.bands), range(len(wanted.bands))))
    if not known:
        takes["bands"] = "any"
        takes["unit"] = ", ".join(dict.fromkeys(map(str, wanted.units()))) or "any"
    return DeclaredInput(name=wanted.name, takes={name: text for name, text in takes.items() if text}, bands=known)


def _band(wanted: ImageInput, number: int) -> DeclaredBand:
    known = band(wanted.bands[number])
    units = wanted.units()
    return DeclaredBand(
        name=wanted.bands[number],
        wavelength_um=known.wavelength_um,
        bandwidth_um=known.bandwidth_um,
        unit=str(units[number]) if units else "",
        mean=wanted.mean[number] if wanted.mean else None,
        std=wanted.std[number] if wanted.std else None,
    )


def _suspicions(preset: Preset) -> list[str]:
    found = []
    for wanted in preset.inputs:
        if not isinstance(wanted, ImageInput) or wanted.bands == ANY:
            continue
        bands = list(map(band, wanted.bands))
        found += [f"{wanted.name}: {problem}" for problem in map(wavelength_problem, bands) if problem]
        unknown = [one.name for one in bands if one.wavelength_um is None]
        if unknown and "wavelengths" in preset.needs | preset.wants:
            found.append(
                f"{wanted.name}: the wavelength of {', '.join(unknown)} is not known, and the encoder takes it"
            )
    return found
