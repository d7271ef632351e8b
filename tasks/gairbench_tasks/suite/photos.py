"""What street-level photos show, and how they look to people; the classes are ours, in ``classes/``."""

from __future__ import annotations

from gairbench import Category, DatasetSpec, ImageInput, Kind, LocationInput, Modality, TaskSpec
from gairbench_tasks.suite.entries import OURS, ask
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, TorchGeoSource

_EDGE = 224
"""To which the published protocol resizes photos, panoramas too."""

_ATTRIBUTES = {
    "view_direction": ("view-direction", "view direction classification", "Whether the camera looks along the road"),
    "platform": ("platform", "imaging platform classification", "What the camera stands or moves on, six kinds"),
    "weather": ("weather", "photo conditions", "Which of five kinds of weather"),
    "lighting_condition": ("lighting", "photo conditions", "Day, night, or dusk and dawn"),
    "pano_status": ("panorama", "photo conditions", "Whether it is a panorama"),
    "quality": ("quality", "photo conditions", "Good, slightly poor or very poor"),
    "glare": ("glare", "photo conditions", "Whether the sun blinds the camera"),
    "reflection": ("reflection", "photo conditions", "Whether a window reflects"),
}


def _streetscapes(attribute: str, what: str) -> DatasetSpec:
    return DatasetSpec(
        name=f"global-streetscapes-{what}",
        version=1,
        folder="global_streetscapes",
        factory=TorchGeoSource(
            f"{OURS}global_streetscapes:GlobalStreetscapes",
            {"label": Label(".labels.label", kind=Kind.CLASSIFICATION)},
            options={"attribute": attribute, "size": _EDGE},
            inputs={"street_view": "image"},
            ids=".labels.uuid",
            page="https://huggingface.co/datasets/NUS-UAL/global-streetscapes",
        ),
        delivers=(ImageInput(modality=Modality.SV, size=_EDGE),),
        description=f"Photos of Mapillary and KartaView whose {attribute} people labelled; published splits",
        licence="CC-BY-SA-4.0",
        citation="doi:10.1016/j.isprsjprs.2024.06.023",
    )


_STUDIES = ("safe", "lively", "beautiful", "wealthy", "depressing", "boring")


def _place_pulse(study: str) -> DatasetSpec:
    return DatasetSpec(
        name=f"place-pulse-{study}",
        version=1,
        folder="place_pulse",
        factory=TorchGeoSource(
            f"{OURS}place_pulse:PlacePulse",
            {"score": Label(".table.score", kind=Kind.REGRESSION)},
            options={"study": study},
            splits={"all": {"split": "all"}},
            draw=Draw("all", by="group"),
            inputs={"street_view": "image"},
            ids=".files",
            groups=".table.city",
            lonlat=(".table.lon", ".table.lat"),
            page="http://pulse.media.mit.edu/data/",
        ),
        delivers=(ImageInput(modality=Modality.SV), LocationInput()),
        description=f"Photos of 56 cities that were compared by how {study} they look; whole cities drawn 60/20/20",
        licence="terms of Google's imagery",
        citation="arXiv:1608.01769",
    )


PHOTOS: tuple[TaskSpec, ...] = (
    *(
        ask(
            _streetscapes(name, what), "class", family, description,
            inputs=(Modality.SV,), category=Category.SV,
        )
        for name, (what, family, description) in _ATTRIBUTES.items()
    ),
    *(
        ask(
            _place_pulse(study), "score", "human perception regression", f"How {study} it looks, TrueSkill score",
            kind=Kind.REGRESSION, target="score", inputs=(Modality.SV,), category=Category.SV, group=GROUP,
        )
        for study in _STUDIES
    ),
)  # fmt: skip
