"""Dataclasses of arrays that all have one entry per photo."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class PhotoArrays:
    """Base of dataclasses whose fields are arrays with photos along the first axis."""

    __slots__ = ()

    def take(self, photos: NDArray[np.int64] | slice) -> Self:
        """Return the entries of some photos."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # every subclass is a dataclass
        chosen: dict[str, Any] = {field.name: getattr(self, field.name)[photos] for field in fields}
        return type(self)(**chosen)
