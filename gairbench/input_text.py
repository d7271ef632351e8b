"""An input in words, as listings and cards show it."""

from __future__ import annotations

from gairbench.inputs import ANY, EncoderInput, ImageInput, SampleInput


def input_text(declared: EncoderInput) -> str:
    """Return an input in a few words: of images bands, units, size, ground sample distance and dates.

    Args:
        declared: What a dataset delivers or an encoder takes.

    Example:
        >>> from gairbench import Modality
        >>> input_text(ImageInput(modality=Modality.RS, size=256, gsd_m=0.3))
        'rs (red,green,blue; uint8; 256x256; 0.3 m)'
    """
    if isinstance(declared, SampleInput):
        return f"{declared.modality} (looked up)"
    if not isinstance(declared, ImageInput):
        return f"{declared.modality} ({declared.order})"
    size = f"{declared.size}x{declared.size}" if declared.size else "any size"
    bands = "any bands" if declared.bands == ANY else ",".join(declared.bands)
    units = [str(unit) for unit in dict.fromkeys(declared.units())] or ["any unit"]
    parts = [bands, ",".join(units), size]
    if declared.gsd_m:
        parts.append(f"{declared.gsd_m:g} m")
    if declared.frame_range is not None:
        parts.append("{} to {} frames".format(*declared.frame_range))
    if declared.synthetic:
        parts.append("synthetic")
    name = declared.modality if declared.name == declared.modality else f"{declared.modality} {declared.name}"
    return f"{name} ({'; '.join(parts)})"
