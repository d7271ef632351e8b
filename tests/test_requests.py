"""What users give becomes a request by the types of its fields, and what does not fit is refused in one line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le

from gairbench.errors import UsageError
from gairbench.inputs import Unit
from gairbench.requests import WHOLE, Named, Pairs, command_line, keyword_error, make_request

HERE = Named("here")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    name: str
    file: Path | None = None
    names: tuple[str, ...] | None = None
    texts: tuple[Annotated[str, WHOLE], ...] = ()
    files: tuple[Path, ...] = ()
    seeds: tuple[Annotated[int, Ge(0)], ...] = (0,)
    rs_unit: Unit | None = None
    on_error: Literal["stop", "skip"] = "stop"
    share: Annotated[float, Gt(0), Le(0.9)] = 0.5
    fresh: bool = False
    pairs: Annotated[dict[str, str], Pairs("NAME=VALUE", "epochs=10")] = field(default_factory=dict)
    paths: Annotated[dict[str, Path], Pairs("MODEL=PATH", "gair=model.safetensors")] = field(default_factory=dict)
    place: Named = HERE
    command: str = ""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"names": "a, b"}, ("a", "b")),
        ({"names": ["a,b", "c"]}, ("a", "b", "c")),
        ({"names": ()}, None),
        ({"names": r"a\, b, c"}, ("a, b", "c")),
        ({"texts": "a, b"}, ("a", "b")),
        ({"texts": r"a\, b, c"}, ("a, b", "c")),
        ({"texts": ["a, b", " c "]}, ("a, b", "c")),
        ({"texts": ("a, b",)}, ("a, b",)),
        ({"files": "a,b.yaml"}, (Path("a,b.yaml"),)),
        ({"files": [Path("a"), "b"]}, (Path("a"), Path("b"))),
        ({"seeds": 3}, (3,)),
        ({"seeds": range(2)}, (0, 1)),
        ({"rs_unit": "s2_dn"}, Unit.S2_DN),
        ({"rs_unit": Unit.UINT8}, Unit.UINT8),
        ({"share": 0.9}, 0.9),
        ({"pairs": ["epochs=10", "name=a=b", "empty="]}, {"epochs": "10", "name": "a=b", "empty": ""}),
        ({"pairs": {"epochs": 10, "flag": True, "sizes": [1, 2]}}, {"epochs": "10", "flag": "true", "sizes": "1,2"}),
        ({"paths": "gair=a=b.safetensors"}, {"gair": Path("a=b.safetensors")}),
        ({"paths": {"gair": "x"}}, {"gair": Path("x")}),
        ({"place": "ray"}, Named("ray")),
        ({"place": {"name": "local", "workers": 2}}, Named("local", {"workers": 2})),
    ],
)
def test_natural_values_are_accepted(given: dict[str, Any], expected: object) -> None:
    request = make_request(Wanted, {"name": "x", **given})
    assert getattr(request, next(iter(given))) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": None}, "--name is missing; add it"),
        ({"name": " "}, "--name is empty"),
        ({"names": ["a", 3]}, r"--names \['a', 3\] is not a list of words"),
        ({"names": " , "}, "--names is empty"),
        ({"texts": " , "}, "--texts is empty"),
        ({"texts": [" "]}, "--texts is empty"),
        ({"texts": ["a", 3]}, r"--texts \['a', 3\] is not a list of words"),
        ({"file": ""}, "--file is empty; write a path"),
        ({"file": 3}, "--file 3 is not a path"),
        ({"seeds": [0, -1]}, "--seeds -1 is less than 0; write 0 or more"),
        ({"seeds": [True]}, "--seeds True is not a whole number"),
        ({"seeds": 1.0}, "--seeds 1.0 is not a whole number"),
        ({"rs_unit": "reflectence"}, "--rs-unit 'reflectence' is not known; did you mean reflectance?"),
        ({"on_error": "skipp"}, "--on-error 'skipp' is not known; did you mean skip?"),
        ({"share": 0}, "--share 0 is not more than 0"),
        ({"share": 1}, "--share 1 is more than 0.9; write 0.9 or less"),
        ({"share": float("nan")}, "--share nan is not a finite number"),
        ({"fresh": 1}, "--fresh 1 is not true or false"),
        ({"pairs": ["epochs"]}, "--pairs 'epochs' is not NAME=VALUE; write for instance epochs=10"),
        ({"pairs": ["a=1", "a = 2"]}, "--pairs a is given twice"),
        ({"paths": ["gair="]}, "--paths 'gair=' is not MODEL=PATH; write for instance gair=model.safetensors"),
        ({"paths": 3}, "--paths 3 is not MODEL=PATH"),
        ({"pairs": {"a": {"b": "c"}}}, "--pairs a mapping is not a word"),
        ({"nmae": "x"}, "--nmae is not known; did you mean name?"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_the_option(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make_request(Wanted, {"name": "x", **given})
    assert "\n" not in str(caught.value)


def test_python_names_the_keyword() -> None:
    with pytest.raises(UsageError, match=r"^rs_unit 's2' is not known"):
        make_request(Wanted, {"name": "x", "rs_unit": "s2"}, keyword_error)


def test_the_command_line_of_a_request_says_what_differs_from_the_defaults() -> None:
    given = {"name": "a b", "names": "x,y", "rs_unit": "uint8", "fresh": True, "pairs": {"p": "1"}, "seeds": [0]}
    line = command_line("data shard", make_request(Wanted, given))
    words = ["gairbench", "data", "shard", "--name", "a b", "--names", "x", "--names", "y", "--rs-unit", "uint8"]
    assert shlex.split(line) == [*words, "--fresh", "--pairs", "p=1"]


def test_the_command_line_of_a_request_asks_for_texts_with_commas() -> None:
    request = make_request(Wanted, {"name": "x", "texts": ["Korea, South", "b"]})
    words = shlex.split(command_line("run", request))
    options = [after for before, after in pairwise(words) if before == "--texts"]
    assert make_request(Wanted, {"name": "x", "texts": ",".join(options)}) == request
