"""Simulated human ratings of street photos: a documented function of what is in them, and the raters' disagreement.

The weights follow the signs that street-view studies report (Dubey et al. 2016, arXiv 1608.01769; Zhang et al. 2018,
doi:10.1016/j.landurbplan.2018.08.020): greenery makes places look beautiful and safe, people and traffic lively, bare,
grey and neglected ones depressing. They are not measurements: the tasks are synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import randomness
from gairbench_tasks.earth.street.scene import CLEAR, TUNNEL, Scenes

WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "safe": {"green": 0.8, "built": 0.7, "people": 0.8, "litter": -1.2, "wear": -0.9, "dark": -1.0},
    "lively": {"people": 1.8, "traffic": 1.3, "built": 0.9, "dark": -0.4},
    "beautiful": {"green": 1.4, "mountains": 1.3, "clear": 0.5, "traffic": -0.6, "litter": -1.1, "wear": -0.5},
    "depressing": {"green": -1.0, "clear": -0.7, "people": -0.7, "litter": 1.0, "wear": 0.9, "dark": 1.2},
}
"""Weight of each property, 0-1, in a score."""

DISAGREEMENT = 0.35
"""Standard deviation of the raters' noise on the scale of the weighted sums, which a model cannot predict."""


def score(name: str, scenes: Scenes) -> NDArray[np.float64]:
    """Rate photos.

    Args:
        name: A key of :data:`WEIGHTS`.
        scenes: What the photos show.

    Returns:
        ``(n,)`` scores; higher is more of the named quality. Inside a tunnel only people, traffic and neglect count.
    """
    outside = scenes.platform != TUNNEL
    properties = {
        "green": outside * (0.6 * scenes.trees + 0.4 * scenes.greenness * scenes.foliage) * (1 - 0.5 * scenes.snow),
        "built": outside * scenes.built,
        "mountains": outside * np.clip(scenes.relief / 400, 0, 1),
        "people": scenes.people,
        "traffic": scenes.traffic,
        "litter": scenes.litter,
        "wear": scenes.wear,
        "clear": outside * (scenes.weather == CLEAR) * np.clip(scenes.sun_elevation / 10, 0, 1),
        "dark": np.where(outside, np.clip(1 - scenes.sun_elevation / 6, 0, 1), 0.6),
    }
    total = np.zeros(len(scenes))
    for part, weight in WEIGHTS[name].items():
        total += weight * properties[part]
    return total + DISAGREEMENT * randomness.normal(scenes.key, f"raters {name}")
