"""Whether a model gives a known answer, and what would have to be otherwise if it does not."""

from __future__ import annotations

from gairbench.errors import GairbenchError
from gairbench.golden import Golden, GoldenImage
from gairbench.inputs import Unit
from gairbench.spec import Preset
from gairbench.testing.question import Encode, Question, frames_of, mask_of, unit_of, values_of
from gairbench.testing.suspects import suspects
from gairbench.units import range_problem


def blind_spot(answer: Golden) -> str:
    """Return which mistake a sample could not reveal, or what is wrong with it; empty if nothing is."""
    if not answer.images and answer.lonlat is None:
        return "it has neither images nor a place"
    if answer.lonlat is not None and answer.lonlat[0] == answer.lonlat[1]:
        return "longitude and latitude are equal, so that their exchange would not show"
    problems = (_blind_spot_of_image(name, image) for name, image in answer.images.items())
    return next(filter(None, problems), "")


def _blind_spot_of_image(name: str, image: GoldenImage) -> str:
    bands = tuple(image.bands)
    if not bands or len({tuple(value.shape) for value in (values_of(image, (band,)) for band in bands)}) > 1:
        return f"{name}: its bands have no common shape"
    if mask_of(image).shape != values_of(image, bands[:1]).shape:
        return f"{name}: its mask has another shape than its bands"
    if not isinstance(image.unit, Unit) and (missing := [band for band in bands if band not in image.unit]):
        return f"{name}: no unit of band {', '.join(missing)}"
    for band in bands:
        values = values_of(image, (band,))
        if problem := range_problem(float(values.min()), float(values.max()), unit_of(image, band)):
            return f"{name}: band {band} {problem}"
    for number, band in enumerate(bands):
        for other in bands[:number]:
            if values_of(image, (band,)).equal(values_of(image, (other,))):
                return f"{name}: bands {other} and {band} are equal, so that their exchange would not show"
    values = values_of(image, bands)
    frames = frames_of(image)
    if frames not in {None, 1} and values.equal(values.flip(0)):
        return f"{name}: the series is the same backwards, so that another order of its images would not show"
    grid = values.shape[-2:] if values.dim() > 2 else (1, 1)
    if grid != (1, 1) and any(values.equal(turned) for turned in (values.mT, values.flip(-1), values.flip(-2))):
        return f"{name}: it is symmetric, so that exchanged axes would not show"
    return ""


def known_answer_problem(model: str, preset: Preset, answer: Golden, encode: Encode) -> str:
    """Return in which way a model does not give a known answer; empty if it does.

    Args:
        model: The model's name.
        preset: What the model takes.
        answer: The known answer.
        encode: Computes embeddings.
    """
    if problem := blind_spot(answer):
        return problem
    if answer.representation is not None and answer.representation not in preset.offered():
        return f"it is of {answer.representation}, which the preset does not offer"
    question = Question(model, preset, answer)
    try:
        fed = {converter.delivered.name for converter in question.feed().images.values()}
        if unused := answer.images.keys() - fed:
            return f"its image {', '.join(sorted(unused))} is not one that the model is fed with"
        difference = question.difference(encode)
    except GairbenchError as error:
        return f"the model cannot be fed with it: {error}"
    except AssertionError as error:
        return str(error)
    if difference <= answer.tolerance:
        return ""
    found = [says for says, other in suspects(question) if _right(other, encode)]
    hint = (
        f"it would be right if {', or if '.join(found)}"
        if found
        else ("compare bands, units, normalization, resizing, axes and weights with the code that the answer is from")
    )
    return f"the embedding differs by {difference:.2g} of the largest value, allowed {answer.tolerance:g}; {hint}"


def _right(question: Question, encode: Encode) -> bool:
    try:
        return question.difference(encode) <= question.answer.tolerance
    except (GairbenchError, AssertionError):
        return False
