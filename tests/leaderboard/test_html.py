"""Records as HTML tables: marks as in the leaderboard, a reason in every gap, and nothing that is not escaped."""

from __future__ import annotations

from pathlib import Path

from records import make_result, measured_result

from gairbench.backbone import TRAINED
from gairbench.commands.outcomes import RunResults
from gairbench.results import write_result
from gairbench_leaderboard.html import render_tables


def test_best_is_bold_and_ties_are_marked() -> None:
    page = render_tables(
        [
            measured_result("gair", scores=0.5),
            measured_result("random", scores=0.4999),
            measured_result("lonlat", scores=0.2),
        ]
    )
    assert page.count("<b>") == 1
    assert "<b>0.500" in page
    assert page.count("†") == 1
    assert "<th>earth-rs-koeppen (accuracy ↑)</th>" in page
    assert "<tr><th>trivial predictor</th><td>0.100</td></tr>" in page


def test_columns_with_too_few_samples_or_groups_are_grey_and_say_how_many() -> None:
    few = {"n": {"test": 2500}, "grouping": "block", "groups": {"test": 9}}
    page = render_tables([measured_result("gair", scores=0.5, **few), measured_result("random", scores=0.2, **few)])
    assert "<th>earth-rs-koeppen (accuracy ↑, n = 2,500 in 9 blocks)</th>" in page
    assert page.count('<span style="color:gray">') == 3
    assert "<b>" not in page


def test_seeds_are_counted_and_never_rows_of_their_own() -> None:
    page = render_tables([make_result(value=0.5), make_result(value=0.6, seed=1), make_result("lonlat", value=0.2)])
    assert "<tr><th>gair</th><th>2</th><td>0.550" in page
    assert "<tr><th>lonlat</th><th>1</th><td>0.200" in page


def test_a_single_row_is_never_bold() -> None:
    page = render_tables([make_result(task="a"), make_result(task="b")])
    assert page.count("<tr>") == 2
    assert "<b>" not in page


def test_what_a_record_holds_is_escaped() -> None:
    reason = "<script>alert('x')</script>"
    page = render_tables([make_result("a<b>", "t&t"), make_result("c", "t&t", status="failed", reason=reason)])
    assert "<script>" not in page
    assert "a&lt;b&gt;" in page
    assert "t&amp;t" in page
    assert "failed: &lt;script&gt;" in page


def test_settings_and_kinds_of_data_are_never_in_one_table() -> None:
    results = [
        make_result(),
        make_result(limit=5),
        make_result(labels="10%"),
        make_result(split="blocks:5"),
        make_result(readout="cls@5"),
        make_result(covered_by="table:own", subset="a", n={"test": 900}, n_whole={"test": 2500}),
        make_result(task="b", synthetic=True),
    ]
    page = render_tables(results)
    assert page.count("<table>") == 7
    assert "at most 5 samples a split" in page
    assert "labels 10%" in page
    assert "split blocks:5" in page
    assert "readout cls@5" in page
    assert "samples covered by table:own" in page
    assert page.count("↑, n = 900 of 2,500)") == 1
    assert "Remote sensing, synthetic data" in page


def test_tasks_that_nothing_was_computed_for_are_listed_with_their_reasons() -> None:
    results = [make_result(model, "a", value) for model, value in (("gair", 0.4), ("lonlat", 0.3))]
    for task, reason in (("b", "no folder <b>"), ("c", "no folder <b>"), ("d", "no weights")):
        results += [make_result(model, task, status="skipped", reason=reason) for model in ("gair", "lonlat")]
    page = render_tables(results)
    assert "<th>b (" not in page
    listed = "<li>b, c: no folder &lt;b&gt;</li>\n<li>d: no weights</li>"
    assert f"<p>Tasks without any number:</p>\n<ul>\n{listed}\n</ul>" in page
    assert "Tasks without" not in render_tables(results[:2])


def test_other_probes_are_left_to_the_frame() -> None:
    results = [make_result(), make_result(probe="knn", headline=False, value=0.9)]
    assert "0.900" not in render_tables(results)
    assert sorted(RunResults(tuple(results), Path("r"), 0).to_pandas().value) == [0.5, 0.9]


def test_a_run_tells_failures_from_skips(tmp_path: Path) -> None:
    records = (
        make_result("gair"),
        make_result("random", status="failed", reason="broken"),
        make_result("lonlat", status="skipped", reason="no rs"),
    )
    for record in records:
        write_result(record, tmp_path)
    results = RunResults(records, tmp_path, 1)
    assert [record.model for record in results.failed] == ["random"]
    assert [record.model for record in results.skipped] == ["lonlat"]
    assert not results.ok
    assert RunResults(records[:1], tmp_path, 0).ok
    assert not RunResults(records[2:], tmp_path, 0).ok
    assert "1 ok (1 of them reused), 1 skipped, 1 failed" in results.summary()
    page = results._repr_html_()
    assert "failed: broken" in page
    assert "skipped: no rs" in page
    assert "broken" in results.leaderboard()


def test_what_was_trained_on_the_task_has_a_table_of_its_own_and_is_never_bold() -> None:
    trained = {"probe": "end_to_end", "caveats": (TRAINED,), "headline": False}
    results = [
        measured_result("gair", scores=0.5),
        measured_result("mae", scores=0.4),
        make_result("unet", value=0.9, **trained),
        make_result("vit", value=0.8, **trained),
    ]
    ranking, _, beside = render_tables(results).partition("<p>Trained on the task, not ranked:</p>")
    assert "<b>0.500" in ranking
    assert "unet" not in ranking
    assert "<tr><th>unet</th><th>end_to_end</th>" in beside
    assert "0.900" in beside
    assert "<b>" not in beside
    elsewhere = make_result("cnn", "places", category="location", status="skipped", **trained)
    alone = render_tables([make_result("unet", **trained), elsewhere])
    assert alone.count("<table>") == alone.count("<h4>") == 1
