"""Models compared over seeds: what is claimed, what is not, and what is refused."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from records import make_result
from scipy import stats

from gairbench import Category, results
from gairbench.backbone import TRAINED
from gairbench.bundles import bundled
from gairbench.commands.config import load_config
from gairbench.commands.run import RunRequest
from gairbench.errors import DataError, UsageError
from gairbench.intervals import interval, jackknife_variance
from gairbench.metrics import load_metric
from gairbench.plugins import load_registry
from gairbench.requests import make_request
from gairbench.results import Result
from gairbench.selection import select_models, select_tasks
from gairbench_leaderboard.comparison import Comparison, compare_models
from gairbench_leaderboard.comparison_page import comparison_csv, render_comparison, write_comparison
from gairbench_leaderboard.ranking import RankingRow
from gairbench_leaderboard.sweeps import find_sweeps
from gairbench_leaderboard.uncertainty import Runs, change, difference, holm, mean, runs_of

METRICS = load_registry().metrics

N = 400
SAMPLES = tuple(f"sample-{i}" for i in range(N))
GAIR, RIVAL = RankingRow("gair", "default", ""), RankingRow("rival", "default", "")


def add(folder: Path, model: str, right: Sequence[bool], *, seed: int = 0, **changes: object) -> Result:
    """Write a classification record whose predictions are right where asked."""
    target = np.zeros(len(right), dtype=np.int64)
    prediction = np.where(right, 0, 1)
    units = bundled(SAMPLES[: len(right)])
    record = make_result(model, seed=seed, value=float(np.mean(right)), **changes)  # type: ignore[arg-type]
    without_each = load_metric(METRICS["accuracy"]).without_each(target, prediction, units)
    record = replace(
        record,
        n={**record.n, "test": len(right)},
        samples=f"{len(right)} samples",
        jackknife=tuple(without_each.tolist()),
    )
    if record.headline_value is not None:
        bounded = {record.metric: replace(record.headline_value, least=0.0, most=1.0)}
        record = replace(record, metrics={**record.metrics, **bounded})
    results.write_result(record, folder)
    return record


def answers(share: float, seed: int, n: int = N) -> list[bool]:
    return [bool(x) for x in np.random.default_rng(seed).random(n) < share]


def only(made: Iterable[Comparison]) -> Comparison:
    (comparison,) = made
    return comparison


def test_a_rival_that_is_right_less_often_is_worse_and_a_copy_is_undecided(tmp_path: Path) -> None:
    records = []
    for seed in range(3):
        good = answers(0.8, seed)
        records.append(add(tmp_path, "gair", good, seed=seed))
        records.append(add(tmp_path, "copy", good, seed=seed))
        records.append(add(tmp_path, "rival", answers(0.5, 10 + seed), seed=seed))
    made = only(compare_models(records, "gair"))
    verdicts = {row.model: made.contrasts[row, "earth-rs-koeppen"].verdict for row in made.rows[1:]}
    assert verdicts == {"copy": "undecided", "rival": "worse"}
    assert made.contrasts[RankingRow("copy", "default", ""), "earth-rs-koeppen"].estimate.value == 0
    assert made.rows[0] == GAIR
    assert (GAIR, "earth-rs-koeppen") not in made.contrasts


def test_the_reference_may_be_any_model_and_directions_turn_round(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(0.9, 0)), add(tmp_path, "rival", answers(0.5, 1))]
    made = only(compare_models(records, "rival"))
    assert made.contrasts[GAIR, "earth-rs-koeppen"].verdict == "better"


def test_less_is_better_for_metrics_that_say_so(tmp_path: Path) -> None:
    records = []
    for model, share in (("gair", 0.9), ("rival", 0.5)):
        record = add(tmp_path, model, answers(share, 0))
        told = record.metrics["accuracy"]
        records.append(replace(record, metrics={"accuracy": replace(told, higher_is_better=False)}))
    assert only(compare_models(records, "gair")).contrasts[RIVAL, "earth-rs-koeppen"].verdict == "better"


def test_pairing_finds_a_difference_that_separate_intervals_hide(tmp_path: Path) -> None:
    """The rival fails where gair fails, and on twelve samples more."""
    good = answers(0.5, 0)
    lost = set([i for i, right in enumerate(good) if right][:12])
    records = [
        add(tmp_path, "gair", good),
        add(tmp_path, "rival", [right and i not in lost for i, right in enumerate(good)]),
    ]
    made = only(compare_models(records, "gair"))
    gair, rival = made.mean(GAIR, "earth-rs-koeppen"), made.mean(RIVAL, "earth-rs-koeppen")
    assert gair is not None
    assert rival is not None
    assert rival.high > gair.low
    contrast = made.contrasts[RIVAL, "earth-rs-koeppen"]
    assert contrast.verdict == "worse"
    assert contrast.estimate.high < 0


def test_seeds_that_disagree_widen_the_interval_and_leave_the_question_open(tmp_path: Path) -> None:
    steady, unsteady = tmp_path / "steady", tmp_path / "unsteady"
    found = {}
    for folder, shares in ((steady, (0.7, 0.7, 0.7)), (unsteady, (0.5, 0.7, 0.9))):
        records = [add(folder, "gair", answers(0.8, 5), seed=seed) for seed in range(3)]
        records += [
            add(folder, "rival", [i < share * N for i in range(N)], seed=seed) for seed, share in enumerate(shares)
        ]
        found[folder] = only(compare_models(records, "gair")).contrasts[RIVAL, "earth-rs-koeppen"]
    assert found[steady].estimate.value == pytest.approx(found[unsteady].estimate.value)
    assert found[steady].verdict == "worse"
    assert found[unsteady].verdict == "undecided"


def runs(values: Sequence[float], jackknife: np.ndarray | None = None, samples: str = "same", **more: float) -> Runs:
    """Return runs of seeds 0, 1 ... that no unit changes, unless it is said what they change."""
    found = np.array(values)
    still = np.repeat(found[:, None], 1000, axis=1)
    seeds = tuple(range(len(values)))
    return Runs(seeds, found, still if jackknife is None else jackknife, samples, 1000, 1000, **more)


def test_the_interval_of_seeds_alone_is_students() -> None:
    values = np.array([0.4, 0.5, 0.7])
    expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    found = mean(runs(values))
    assert (found.low, found.high) == pytest.approx(expected)
    bounded = mean(runs(values, least=0.0, most=1.0))
    assert 0 < bounded.low < found.value < bounded.high < 1


def test_the_interval_of_one_seed_is_that_of_the_record() -> None:
    target, prediction = np.zeros(N, dtype=int), np.array(answers(0.3, 3), dtype=int)
    metric = load_metric(METRICS["accuracy"])
    without_each = metric.without_each(target, prediction, bundled(SAMPLES))
    value = metric(target, prediction)
    found = mean(Runs((0,), np.array([value]), without_each[None], "same", N, N, 0.0, 1.0))
    error = math.sqrt(jackknife_variance(without_each))
    assert (found.low, found.high) == interval(value, error, 199, units=N, least=0.0, most=1.0)


def test_records_give_their_runs_by_seed_and_refuse_what_is_not_the_same(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(share, 0), seed=seed) for seed, share in ((2, 0.5), (0, 0.7))]
    found = runs_of(records)
    assert found.seeds == (0, 2)
    assert found.values.tolist() == [records[1].metrics["accuracy"].value, records[0].metrics["accuracy"].value]
    assert found.jackknife.shape == (2, 200)
    assert (found.samples, found.n, found.units, found.least, found.most) == ("400 samples", N, N, 0.0, 1.0)
    grouped = [replace(record, groups={"train": 50, "test": 9}) for record in records]
    assert runs_of(grouped).units == 9
    with pytest.raises(DataError, match="was tested on other samples than the record of gair"):
        runs_of([records[0], replace(records[1], samples="others")])
    with pytest.raises(DataError, match=r"the record of gair \(default-seed0\) .* has no accuracy without each unit"):
        runs_of([records[0], replace(records[1], jackknife=())])
    with pytest.raises(DataError, match="does not say how many test samples it has"):
        runs_of([records[0], replace(records[1], n={"train": 9})])


def test_independent_seeds_are_compared_as_welch_does() -> None:
    left, right = np.array([0.41, 0.50, 0.72]), np.array([0.30, 0.31, 0.33])
    assert difference(runs(left), runs(right)).p == pytest.approx(stats.ttest_ind(left, right, equal_var=False).pvalue)


def test_units_are_paired_between_models() -> None:
    """The jackknife of a mean of differences is the paired t-test."""
    rng = np.random.default_rng(0)
    one = rng.normal(0, 1, 30)
    other = one + rng.normal(0.1, 0.3, 30)
    left, right = (runs([float(x.mean())], jackknife=((x.sum() - x) / (len(x) - 1))[None]) for x in (one, other))
    assert difference(left, right).p == pytest.approx(stats.ttest_rel(one, other).pvalue)


def test_the_same_weights_on_two_tasks_are_paired_over_seeds() -> None:
    before, after = np.array([0.41, 0.50, 0.72]), np.array([0.40, 0.48, 0.69])
    assert change(runs(after), runs(before)).p == pytest.approx(stats.ttest_rel(after, before).pvalue)
    other = runs(after, samples="other")
    with pytest.raises(ValueError, match="other ones"):
        change(other, runs(before))
    with pytest.raises(ValueError, match="other ones"):
        difference(other, runs(before))
    with pytest.raises(ValueError, match="seeds"):
        change(runs(after[:2]), runs(before))


def test_what_no_unit_and_no_seed_changes_is_judged_by_the_signs_of_the_units() -> None:
    """All right against all wrong: the jackknife has no spread at all."""

    def both(units: int) -> list[Runs]:
        return [
            Runs((0, 1, 2), np.full(3, value), np.full((3, units), value), "same", units, units, 0.0, 1.0)
            for value in (1.0, 0.0)
        ]

    for units in (4, 60):
        right, wrong = both(units)
        assert difference(right, wrong).p == change(wrong, right).p
        assert difference(right, wrong).p == pytest.approx(stats.binomtest(units, units).pvalue)
    assert difference(right, right).p == 1.0
    assert mean(both(4)[0]).low < 0.6


def test_a_p_value_that_is_no_number_decides_nothing() -> None:
    unknown = runs([0.1], jackknife=np.full((1, 1000), np.nan))
    assert difference(unknown, runs([0.9])).p == 1.0


def test_holms_adjustment_follows_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_many_comparisons_raise_the_bar(tmp_path: Path) -> None:
    good = answers(0.6, 0)
    lost = set([i for i, right in enumerate(good) if right][:6])
    rival = [right and i not in lost for i, right in enumerate(good)]

    def verdict(folder: Path, more: int) -> str:
        records = [add(folder, "gair", good), add(folder, "rival", rival)]
        records += [add(folder, f"copy{i}", good) for i in range(more)]
        return only(compare_models(records, "gair")).contrasts[RIVAL, "earth-rs-koeppen"].verdict

    assert verdict(tmp_path / "alone", 0) == "worse"
    assert verdict(tmp_path / "crowd", 8) == "undecided"


def test_real_synthetic_and_diagnostic_results_have_tables_of_their_own(tmp_path: Path) -> None:
    records = []
    for model in ("gair", "rival"):
        records += [
            add(tmp_path, model, answers(0.5, 0), task="a", category="sv", synthetic=True),
            add(tmp_path, model, answers(0.5, 0), task="b"),
            add(tmp_path, model, answers(0.5, 0), task="c", diagnostic=True),
        ]
    made = compare_models(records, "gair")
    assert [(c.title, c.diagnostic, [column.task for column in c.columns]) for c in made] == [
        ("Remote sensing, real data", False, ["b"]),
        ("Street view, synthetic data", False, ["a"]),
        ("Remote sensing, real data", True, ["c"]),
    ]


def test_limited_secondary_stale_and_failed_records_take_no_part(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(0.5, 0)), add(tmp_path, "rival", answers(0.5, 0))]
    records += [
        add(tmp_path, "limited", answers(0.5, 0), limit=10),
        add(tmp_path, "few", answers(0.5, 0), labels="10%"),
        add(tmp_path, "elsewhere", answers(0.5, 0), split="blocks:5"),
        add(tmp_path, "inner", answers(0.5, 0), readout="@0"),
        add(tmp_path, "partly", answers(0.5, 0), covered_by="table:own"),
        add(tmp_path, "secondary", answers(0.5, 0), headline=False, probe="knn"),
        add(tmp_path, "old", answers(0.5, 0), probe_version=0),
        make_result("failed", status="failed", reason="broken"),
    ]
    assert only(compare_models(records, "gair")).rows == [GAIR, RIVAL]


def test_a_model_without_a_number_for_a_task_is_shown_without_one(tmp_path: Path) -> None:
    records = [
        add(tmp_path, "gair", answers(0.5, 0), task="a"),
        add(tmp_path, "gair", answers(0.5, 0), task="b"),
        add(tmp_path, "rival", answers(0.5, 0), task="a"),
    ]
    made = only(compare_models(records, "gair"))
    assert made.mean(RIVAL, "b") is None
    assert (RIVAL, "b") not in made.contrasts
    row = next(
        line for line in render_comparison([made], records, []).splitlines() if line.startswith("| rival<br>1 seed")
    )
    assert row.split("|")[3].strip() == "—"


def test_unknown_and_ambiguous_references_are_told_with_the_choice(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(0.5, 0), preset=preset) for preset in ("tiny", "small")]
    with pytest.raises(
        UsageError, match=r"several rows; choose one with --reference: 'gair \(small\)', 'gair \(tiny\)'"
    ):
        compare_models(records, "gair")
    with pytest.raises(UsageError, match="no 'gari' to compare with"):
        compare_models(records, "gari")
    assert only(compare_models(records, "gair (tiny)")).reference.preset == "tiny"


def test_one_model_alone_or_limited_runs_alone_are_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"for 1 model: nothing to compare; run two or more"):
        compare_models([add(tmp_path, "gair", answers(0.5, 0))], "gair")
    with pytest.raises(UsageError, match="without --limit"):
        compare_models([add(tmp_path, name, answers(0.5, 0), limit=9) for name in ("gair", "rival")], "gair")


def test_records_of_other_samples_are_refused(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(0.5, 0)), add(tmp_path, "rival", answers(0.5, 0, n=N - 1))]
    with pytest.raises(DataError, match="was tested on other samples of earth-rs-koeppen"):
        compare_models(records, "gair")


def test_records_that_hold_no_jackknife_are_left_out_and_named(tmp_path: Path) -> None:
    records = [add(tmp_path, model, answers(0.5, 0)) for model in ("gair", "rival", "old")]
    records[2] = replace(records[2], jackknife=())
    made = only(compare_models(records, "gair"))
    assert made.rows == [GAIR, RIVAL]
    page = render_comparison([made], records, [])
    assert "the record does not hold its metric without each unit of the test samples" in page


def test_lopsided_intervals_have_both_ends_and_never_leave_the_metric_s_bounds(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", [True] * 40), add(tmp_path, "rival", answers(0.5, 0, 40))]
    made = only(compare_models(records, "gair"))
    gair = made.mean(GAIR, "earth-rs-koeppen")
    assert gair is not None
    page = render_comparison([made], records, []).replace("\N{NO-BREAK SPACE}", " ")
    assert f"1.000 [{gair.low:.3f}, 1.000]" in page
    assert "1.000 ±" not in page


def test_what_is_left_out_is_listed_with_the_reason(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(0.5, 0)), add(tmp_path, "rival", answers(0.5, 0))]
    others = [
        add(tmp_path, "old", answers(0.5, 0), probe_version=0, command="gairbench run --model old"),
        make_result("failed", status="failed", reason="it broke"),
        make_result("blind", status="skipped", reason="has no encoder"),
        add(tmp_path, "limited", answers(0.5, 0), limit=9),
    ]
    text = render_comparison(compare_models([*records, *others], "gair"), [*records, *others], [])
    left_out = text.split("## Left out", 1)[1].split("##", 1)[0]
    assert "| failed, seed 0 " in left_out
    assert "it broke" in left_out
    assert "probe linear version 0, now 1" in left_out
    assert "blind" not in text
    assert "limited" not in text
    assert "gairbench run --model old" not in text
    assert "gairbench compare --reference gair" in text


def test_a_difference_of_single_seeds_is_marked_as_one_of_weights(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(0.9, 0), seed=seed) for seed in range(2)]
    records.append(add(tmp_path, "rival", answers(0.4, 1)))
    text = render_comparison(compare_models(records, "gair"), records, [])
    assert "**(▼)**" in text
    assert " 1 : 2 |" in text


def test_a_row_named_like_its_model_can_be_chosen(tmp_path: Path) -> None:
    records = [
        add(tmp_path, "gair", answers(0.5, 0)),
        add(tmp_path, "gair", answers(0.5, 0), checkpoint="file:abcd1234"),
    ]
    assert only(compare_models(records, "gair")).reference == GAIR


def test_the_report_marks_what_is_decided_and_counts_it(tmp_path: Path) -> None:
    records = []
    for seed in range(2):
        records.append(add(tmp_path, "gair", answers(0.8, seed), seed=seed))
        records.append(add(tmp_path, "rival", answers(0.4, 7 + seed), seed=seed))
        records.append(add(tmp_path, "same", answers(0.8, seed), seed=seed))
    text = render_comparison(compare_models(records, "gair"), records, [])
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "▼" in rows["rival<br>2 seeds"]
    assert "▼" not in rows["same<br>2 seeds"]
    assert "▲" not in rows["same<br>2 seeds"]
    assert rows["rival"].split("|")[2].strip() == "0 / 0 / 1"
    assert "gairbench run --model gair --task all" in text


def test_the_table_for_programs_holds_what_the_page_says(tmp_path: Path) -> None:
    records = [
        add(tmp_path, model, answers(share, seed), seed=seed)
        for model, share in (("gair", 0.8), ("rival", 0.4))
        for seed in range(3)
    ]
    made = only(compare_models(records, "gair"))
    lines = {line["model"]: line for line in csv.DictReader(io.StringIO(comparison_csv([made])))}
    contrast = made.contrasts[RIVAL, "earth-rs-koeppen"]
    assert lines["rival"]["verdict"] == contrast.verdict == "worse"
    assert float(lines["rival"]["difference"]) == pytest.approx(contrast.estimate.value, abs=1e-6)
    assert float(lines["rival"]["mean"]) == pytest.approx(
        np.mean([r.metrics["accuracy"].value for r in records if r.model == "rival"]), abs=1e-6
    )
    assert (lines["gair"]["verdict"], lines["gair"]["seeds"], lines["gair"]["n_test"]) == ("", "3", str(N))


def test_caveats_stand_beside_their_numbers_and_the_page_says_where_a_model_was_trained(tmp_path: Path) -> None:
    records = [add(tmp_path, "gair", answers(0.8, seed), seed=seed) for seed in range(2)]
    records.append(add(tmp_path, "rival", answers(0.4, 0), caveats=("another distance",)))
    plain = compare_models(records, "gair")
    page = render_comparison(plain, records, [])
    assert "\nEvery model is frozen, and the same probe" in page
    records.append(add(tmp_path, "tuned", answers(0.9, 0), caveats=(TRAINED, "another distance")))
    made = compare_models(records, "gair")
    page = render_comparison(made, records, [])
    assert "\nEvery model is frozen, but where a note says that it was trained on the task," in page
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("|")}
    assert rows["rival<br>1 seed"].rstrip(" |").endswith("[1]")
    assert rows["tuned<br>1 seed"].rstrip(" |").endswith("[2]\N{NO-BREAK SPACE}[1]")
    assert not re.search(r"\[\d+\]", rows["gair<br>2 seeds"])
    assert f"\n- [1] another distance\n- [2] {TRAINED}\n" in page
    lines = {line["model"]: line for line in csv.DictReader(io.StringIO(comparison_csv(made)))}
    assert (lines["gair"]["caveats"], lines["tuned"]["caveats"]) == ("", f"{TRAINED}; another distance")


def test_offsets_are_drawn_and_their_changes_tabulated(tmp_path: Path) -> None:
    tasks = load_registry().tasks
    records = []
    for model, falls in (("gair", 0.1), ("rival", 0.0)):
        for seed in range(2):
            for step, offset in enumerate(("0", "1-2", "2")):
                records.append(
                    add(
                        tmp_path,
                        model,
                        answers(0.8 - falls * step, seed),
                        seed=seed,
                        task=f"earth-offset-{offset}-land-cover",
                        family="registration offset",
                        synthetic=True,
                        diagnostic=True,
                    )
                )
    made = compare_models(records, "gair")
    (sweep,) = find_sweeps(made, tasks)
    assert [value for value, _ in sweep.points] == [0.0, 0.5, 2.0]
    fallen = sweep.change(GAIR, "earth-offset-2-land-cover")
    assert fallen is not None
    assert fallen.value == pytest.approx(-0.2, abs=0.05)
    assert fallen.high < 0
    files = write_comparison(render_comparison(made, records, [sweep]), made, [sweep], tmp_path / "out")
    assert [file.name for file in files] == ["COMPARISON.md", "comparison.csv", "registration-offset.png"]
    assert "![registration offset](registration-offset.png)" in files[0].read_text()
    with Image.open(files[2]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    # The rival's curve is drawn in its own colour, not only named.
    assert (pixels == (0x00, 0x72, 0xB2)).all(axis=2).sum() > 100


def test_a_single_point_makes_no_curve(tmp_path: Path) -> None:
    records = [
        add(tmp_path, model, answers(0.5, 0), task="earth-offset-0-land-cover", diagnostic=True)
        for model in ("gair", "rival")
    ]
    assert find_sweeps(compare_models(records, "gair"), load_registry().tasks) == []


def test_the_papers_study_has_every_model_task_and_seed_that_it_promises() -> None:
    registry = load_registry()
    study = Path(__file__).parents[2] / "examples" / "paper_study.yaml"
    settings = make_request(RunRequest, load_config(RunRequest, study))
    models = {spec.name for spec in select_models(settings.model, registry.models)}
    tasks = select_tasks(settings.task or [], registry.tasks)
    variants = {"gair", "gair[no-inr]", "gair[bilinear]", "gair[bicubic]"}
    rivals = {"mocov3", "mae"}
    assert models == variants | rivals | {f"{name}[equal-compute]" for name in rivals} | {
        "random",
        "pixel-stats",
        "lonlat",
    }
    assert {task.category for task in tasks if not task.diagnostic} == set(Category)
    assert sorted({task.sweep[1] for task in tasks if task.sweep}) == [0, 1 / 8, 1 / 4, 1 / 2, 1, 2]
    assert settings.seed == (0, 1, 2)
