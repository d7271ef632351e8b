"""What a model can be asked for: vectors, token grids, and looked-up points, of one or several named inputs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Form = Literal["pooled", "tokens", "query"]


@dataclass(frozen=True, slots=True)
class Representation:
    """One way a model turns samples into numbers; each is embedded and cached on its own.

    Args:
        form: ``"pooled"``: a vector a sample. ``"tokens"``: a grid of patch tokens, north up. ``"query"``: a vector,
            looked up at the sample's point in its overhead image.
        of: Names of the model's inputs that it is computed from, in the order of the preset.
        layers: Blocks of the backbone that it is taken from, counted from 0; several are several grids. Empty: where
            the model ends.
        pooling: How tokens become a vector, where a model offers more than one way, as ``"cls"`` or ``"mean"``.
        projected: It is in the space that the model's aligned modalities share.

    Example:
        >>> str(Representation("tokens", ("s2", "s1"), layers=(3, 5)))
        's2+s1:tokens@3,5'
        >>> Representation.parse("rs:query")
        Representation(form='query', of=('rs',), layers=(), pooling='', projected=False)
    """

    form: Form = "pooled"
    of: tuple[str, ...] = ("rs",)
    layers: tuple[int, ...] = ()
    pooling: str = ""
    projected: bool = False

    def __str__(self) -> str:
        """Return it as text, which :meth:`parse` reads."""
        text = "+".join(self.of)
        if self.form != "pooled":
            text += f":{self.form}"
        if self.pooling:
            text += f":{self.pooling}"
        if self.projected:
            text += ":projected"
        return text + (f"@{','.join(map(str, self.layers))}" if self.layers else "")

    @classmethod
    def parse(cls, text: str) -> Representation:
        """Read what :meth:`__str__` writes.

        Raises:
            ValueError: It is not such a text.
        """
        found = re.fullmatch(r"([\w.-]+(?:\+[\w.-]+)*)((?::[\w-]+)*)(?:@(\d+(?:,\d+)*))?", text)
        if found is None:
            raise ValueError(f"{text!r} is not a representation such as 'rs', 'rs:tokens' or 'rs:tokens@3,5,8,11'")
        inputs, words, layers = found.groups()
        form: Form = "pooled"
        pooling, projected = "", False
        for word in words.split(":")[1:]:
            if word in {"tokens", "query"}:
                form = "tokens" if word == "tokens" else "query"
            elif word == "projected":
                projected = True
            else:
                pooling = word
        blocks = tuple(map(int, layers.split(","))) if layers else ()
        return cls(form, tuple(inputs.split("+")), blocks, pooling, projected)


RS = Representation("pooled", ("rs",))
RS_TOKENS = Representation("tokens", ("rs",))
RS_QUERY = Representation("query", ("rs",))
SV = Representation("pooled", ("sv",))
SV_PROJECTED = Representation("pooled", ("sv",), projected=True)
LOCATION = Representation("pooled", ("location",))

METHODS = {
    RS: "encode_rs",
    RS_TOKENS: "encode_rs_tokens",
    RS_QUERY: "query_rs",
    SV: "encode_sv",
    SV_PROJECTED: "project_sv",
    LOCATION: "encode_location",
}
"""The methods of models that need no more than the values themselves, by what they compute."""
