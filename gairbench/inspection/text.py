"""Reports as text for a terminal, and as plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from gairbench.inspection.declared import Declaration, DeclaredInput
from gairbench.inspection.fed import FedBand, FedImage
from gairbench.inspection.health import EmbeddingHealth
from gairbench.inspection.model_report import LoadedFacts, ModelReport
from gairbench.inspection.task_report import InputReport, TaskReport
from gairbench.inspection.values import ValueSummary

BLOCKS = "▁▂▃▄▅▆▇█"
"""Heights of a histogram's bins."""

LETTERS = ".:-=+*#@"
"""The same where the terminal has no blocks."""


def declaration_text(declared: Declaration) -> str:
    """Return what a model declares."""
    parts = [
        _pairs({"model": declared.model, "preset": declared.preset, **declared.about}),
        *map(_declared_input, declared.inputs),
    ]
    return "\n\n".join(parts)


def model_text(report: ModelReport) -> str:
    """Return what is seen of a model without a task."""
    rows = [
        {
            "representation": output.representation,
            "a sample": " x ".join(map(str, output.shape)),
            "dtype": output.dtype,
            "FLOPs a sample": _many(output.flops) if output.shape else "",
            "state": "looked up" if output.looked_up else "suspicious" if output.problem else "ok",
        }
        for output in report.outputs
    ]
    answers = [[answer.name, "wrong" if answer.problem else "right"] for answer in report.answers]
    known = _table(answers, ["known answer", "state"]) if answers else f"known answers: not asked, {report.unasked}"
    return "\n\n".join([_pairs(_loaded(report.loaded)), _table(rows, "keys"), known])


def task_text(
    model: str, preset: str, loaded: LoadedFacts, report: TaskReport, pictures: Mapping[str, str], *, unicode: bool
) -> str:
    """Return what is seen of a model on a task.

    Args:
        model: The model's name.
        preset: The preset's name.
        loaded: What was loaded.
        report: What is seen.
        pictures: By entry and encoder's input, as ``"rs: rs"``, where its picture is.
        unicode: The terminal has blocks.
    """
    head = {
        "model": model,
        "preset": preset,
        **_loaded(loaded),
        "task": report.task,
        "dataset": f"{report.dataset}, {report.samples} samples of {report.split}",
        "evaluator": report.evaluator,
    }
    return "\n\n".join(
        [_pairs(head), *(_input_text(one, pictures, BLOCKS if unicode else LETTERS) for one in report.inputs)]
    )


def suspicions_text(suspicions: Sequence[str]) -> str:
    """Return what is suspicious, a line each."""
    if not suspicions:
        return "suspicious: nothing"
    return "\n".join(["suspicious:", *(f"- {said}" for said in suspicions)])


def plain_values(report: Any) -> Any:
    """Return a report's dataclasses as what JSON holds: a number that is not finite becomes ``None``."""
    return _finite(asdict(report))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _loaded(loaded: LoadedFacts) -> dict[str, str]:
    parameters = "not an nn.Module" if loaded.parameters is None else f"{loaded.parameters:,}"
    untrained = " (untrained: gairbench run trains it first; give --checkpoint for trained ones)"
    return {
        "weights": loaded.identity + (untrained if loaded.untrained else ""),
        "file": loaded.path,
        "loaded": loaded.sha256 and f"sha256 {loaded.sha256}",
        "parameters": parameters,
        "device": loaded.device,
    }


def _declared_input(declared: DeclaredInput) -> str:
    takes = _pairs({"input": declared.name, **declared.takes})
    rows = [
        {
            "band": one.name,
            "wavelength (um)": _number(one.wavelength_um),
            "width (um)": _number(one.bandwidth_um),
            "unit": one.unit or "any",
            **({} if one.mean is None else {"mean": _number(one.mean)}),
            **({} if one.std is None else {"std": _number(one.std)}),
        }
        for one in declared.bands
    ]
    return f"{takes}\n\n{_table(rows, 'keys')}" if rows else takes


def _input_text(report: InputReport, pictures: Mapping[str, str], blocks: str) -> str:
    fed = report.fed
    parts = [_pairs({"input": report.entry, "representation": fed.representation, **fed.places})]
    for image in fed.images:
        parts += [_pairs(_image(image) | {"picture": pictures.get(f"{report.entry}: {image.name}", "")})]
        parts += [_table(list(_bands(image.bands, blocks)), "keys")]
    if fed.absent:
        parts.append(_pairs({"not in the data": f"{', '.join(fed.absent)}, which is zero"}))
    parts.append(_embedding(report))
    return "\n\n".join(parts)


def _image(image: FedImage) -> dict[str, str]:
    done = image.conversion
    have, want = done["unit"]
    bands = {"dropped": done["dropped"], "filled with zero": done["filled"], "left out": done["lacking"]}
    return {
        "image": f"{done['input']} of the dataset -> {image.name} of the encoder",
        "unit": f"{_said(have)} -> {_said(want)}",
        "rendering": _rendering(done["rendering"]),
        "normalization": done["normalization"],
        **{name: ", ".join(names) for name, names in bands.items()},
        **image.about,
    }


def _rendering(done: Mapping[str, Any] | None) -> str:
    return (
        "" if done is None else "{} from {low:g} to {high:g}, gamma {gamma:g}".format(", ".join(done["bands"]), **done)
    )


def _said(unit: str | list[str]) -> str:
    return unit if isinstance(unit, str) else ", ".join(dict.fromkeys(unit))


def _bands(bands: Iterable[FedBand], blocks: str) -> Iterable[dict[str, Any]]:
    for one in bands:
        name = one.name if one.wavelength_um is None else f"{one.name} ({one.wavelength_um:.3g} um)"
        if one.before is not None:
            yield {"band": name, "values": f"before ({one.source})", **_numbers(one.before, blocks)}
        yield {
            "band": "" if one.before is not None else name,
            "values": "after" if one.source else "filled",
            **_numbers(one.after, blocks),
        }


def _numbers(values: ValueSummary, blocks: str) -> dict[str, str]:
    numbers = {
        "min": values.least,
        "2 %": values.low,
        "median": values.median,
        "98 %": values.high,
        "max": values.most,
        "mean": values.mean,
        "std": values.std,
    }
    drawn = "equal" if values.all_equal else _bars(values.histogram, blocks)
    broken = "" if values.finite == 1 else f" {1 - values.finite:.1%} not finite"
    return {**{name: f"{number:.4g}" for name, number in numbers.items()}, "histogram": drawn + broken}


def _bars(histogram: Sequence[int], blocks: str) -> str:
    most = max(histogram, default=0)
    # What is there is visible, however little it is.
    return "".join(
        " " if not count else blocks[min(len(blocks) - 1, count * len(blocks) // most)] for count in histogram
    )


def _embedding(report: InputReport) -> str:
    about = {"embedding": " x ".join(map(str, report.shape)), "dtype": report.dtype, "FLOPs": _many(report.flops)}
    rows = [_health(one) for one in report.health]
    if len(rows) > 1:
        return f"{_pairs(about)}\n\n{_table(rows, 'keys')}"
    return _pairs(about | rows[0])


def _health(health: EmbeddingHealth) -> dict[str, str]:
    return {
        "finite": f"{health.finite:.0%}",
        "different": str(health.distinct),
        "constant dimensions": f"{health.constant:.0%}",
        "effective rank": f"{health.effective_rank:.1f} of at most {health.most_rank}",
        "mean norm": f"{health.mean_norm:.4g}",
        "mean cosine": f"{health.mean_cosine:.4f}",
    }


def _number(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.6g}"


def _many(count: int) -> str:
    if not count:
        return "none counted"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return str(count)


def _pairs(pairs: Mapping[str, str]) -> str:
    rows = [[name, text] for name, text in pairs.items() if text]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def _table(rows: Sequence[Any], headers: str | Sequence[str]) -> str:
    return tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)
