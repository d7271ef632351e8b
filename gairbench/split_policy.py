"""What a split policy is given and what it returns; importing this module imports neither torch nor numpy.

A split policy is a function that divides the samples of a dataset anew::

    import numpy as np

    from gairbench.split_policy import SplitInput


    def divide(data: SplitInput):
        north = data.lonlat[:, 1] > float(data.parameter)
        return np.where(north, "test", np.where(data.published == "val", "val", "train"))

Its :class:`gairbench.spec.SplitPolicySpec` names it, and the hook ``register_split_policies`` makes it known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gairbench.read_only import read_only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gairbench.spec import Kind

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInput:
    """What a split policy divides: all samples of train, val and test. The arrays are read-only.

    What it returns, one name per sample, must depend on samples and seed, and not on their order.

    Args:
        ids: Identifiers, unique.
        published: ``(samples,)``, the name of the split that each sample was published in.
        kind: What the task asks for.
        target: As :meth:`gairbench.data.Split.target` returns it, for all samples; ``None`` for segmentation and dense
            regression, whose targets are images.
        lonlat: ``(samples, 2)`` degrees, longitude first; ``None`` where the policy does not need it.
        groups: The groupings that the policy needs, by name: the group of every sample ``(samples,)``.
        parameter: What stands after the colon; empty where the policy has no parameter.
        seed: The run's seed, for whatever is drawn.
    """

    ids: Sequence[str]
    published: NDArray[Any]
    kind: Kind
    target: NDArray[Any] | None
    lonlat: NDArray[Any] | None
    groups: Mapping[str, NDArray[Any]]
    parameter: str
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        for name in ("published", "target", "lonlat"):
            array = getattr(self, name)
            object.__setattr__(self, name, None if array is None else read_only(array))
        groups = {name: read_only(array) for name, array in self.groups.items()}
        object.__setattr__(self, "groups", groups)

    @property
    def shares(self) -> tuple[float, float, float]:
        """The published sizes of train, val and test as shares, which sum to 1."""
        train, val, test = (float((self.published == name).mean()) for name in SPLITS)
        return train, val, test
