"""Models that nobody registers: those of a plugin's pattern, and classes in files."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
import unittest
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from generated import SHADES, TASKS
from typer.testing import CliRunner

import gairbench as gb
from gairbench import LocationInput, ModelPattern, ModelSpec, Preset, hookimpl
from gairbench.cli import app
from gairbench.commands.run import RunRequest
from gairbench.errors import CheckpointError, PluginError, UsageError
from gairbench.file_models import FileFactory, model_in_file
from gairbench.isolation import named
from gairbench.model_names import known_models
from gairbench.plugin_code import code_digest, is_third_party
from gairbench.plugins import Origin, Registry, load_registry, register
from gairbench.requests import make_request
from gairbench.results import Result, read_results
from gairbench.spec import ModelContext, resolve
from gairbench.testing.declarations import require_cheap, require_model_name

OWN = '''
import torch

from gairbench import ImageInput, Modality


class Mean(torch.nn.Module):
    """Means of the bands."""

    inputs = (ImageInput(modality=Modality.RS, size=8),)

    def __init__(self, context):
        super().__init__()

    def encode_rs(self, images):
        return images.mean((2, 3))
'''


def made(rest: str) -> ModelSpec:
    if rest == "none":
        raise UsageError("no zoo model 'none'", "did you mean one?")
    if rest == "broken":
        raise RuntimeError("out of order")
    spec = ModelSpec(
        name=f"zoo:{rest}",
        version="1",
        factory="nowhere:load",
        presets=(Preset(name="default", inputs=(LocationInput(),)),),
    )
    if rest == "mistyped":
        return replace(spec, presets=(replace(spec.presets[0], offers="rs"),))
    return replace(spec, name="other") if rest == "renamed" else spec


PATTERN = ModelPattern(prefix="zoo", factory=made, rest="NAME", description="animals")


class Zoo:
    @hookimpl
    def register_model_patterns(self) -> list[ModelPattern]:
        return [PATTERN]


@pytest.fixture
def registry() -> Registry:
    found = Registry()
    register(found, Zoo(), Origin("zoo-plugin", "zoo-dist", "2.0"))
    found.add(Origin("generated", "generated-dist", "1.0"), models=[SHADES])
    return found


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return path


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


# --- patterns ---------------------------------------------------------------------------------------------------------


def test_a_pattern_of_users_files_names_its_models_itself(registry: Registry) -> None:
    def of_file(rest: str) -> ModelSpec:
        names = {"a/b.x": "own:b", "a,c/b.x": "own:b", "plain": "b", "unsafe": "own:a/b"}
        return replace(made("one"), name=names[rest])

    pattern = ModelPattern(prefix="own", factory=of_file, rest="PATH", files=True)
    registry.add(Origin("own-plugin", "own-dist", "1"), model_patterns=[pattern])
    assert known_models(["own:a/b.x"], registry) == ["own:b"]
    # A comma of a path stays where it is: options are split at commas once, where they are given.
    assert known_models(make_request(RunRequest, {"model": r"own:a\,c/b.x, shades"}).model, registry) == [
        "own:b",
        "shades",
    ]
    with pytest.raises(PluginError, match="made 'b' of the name 'own:NAME'"):
        known_models(["own:plain"], registry)
    with pytest.raises(PluginError, match="model name 'own:a/b' has other characters"):
        known_models(["own:unsafe"], registry)


def test_a_name_of_a_pattern_is_registered_with_the_pattern_s_origin(registry: Registry) -> None:
    assert known_models(["zoo:owl", "shades", "zoo:owl", "all"], registry) == ["zoo:owl", "shades", "zoo:owl", "all"]
    assert str(registry.model_origins["zoo:owl"]) == "zoo-plugin (zoo-dist 2.0)"
    assert registry.models["zoo:owl"] == made("owl")


def test_a_glob_stands_for_the_registered_names_that_it_matches() -> None:
    registry = load_registry()
    variants = ["gair[no-inr]", "gair[bilinear]", "gair[bicubic]"]
    found = known_models(["gair[*", "random"], registry)
    assert found[-1] == "random"
    assert set(variants) < set(found[:-1])
    assert found[:-1] == [name for name in registry.models if name.startswith("gair[")]
    assert known_models(["torchspatial-xyz-????"], registry) == ["torchspatial-xyz-fmow", "torchspatial-xyz-yfcc"]
    with pytest.raises(UsageError, match=r"no model 'resnet\*'"):
        known_models(["resnet*"], registry)


def test_a_prefix_belongs_to_one_plugin(registry: Registry) -> None:
    with pytest.raises(PluginError, match=r"model pattern 'zoo' is already provided by zoo-plugin"):
        registry.add(Origin("b", "b", "1"), model_patterns=[PATTERN])


def test_a_pattern_s_own_error_is_passed_on(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"no zoo model 'none'; did you mean one\?"):
        known_models(["zoo:none"], registry)


def test_what_a_pattern_raises_or_makes_wrongly_is_named(registry: Registry) -> None:
    with pytest.raises(PluginError, match=r"'zoo:broken' of plugin zoo-plugin .*: RuntimeError: out of order"):
        known_models(["zoo:broken"], registry)
    with pytest.raises(PluginError, match=r"ModelSpec 'zoo:mistyped', presets: offers='rs' is not a tuple"):
        known_models(["zoo:mistyped"], registry)
    with pytest.raises(PluginError, match=r"plugin zoo-plugin .* made 'other' of the name 'zoo:renamed'"):
        known_models(["zoo:renamed"], registry)


def test_an_unknown_model_names_near_ones_and_every_other_way(registry: Registry) -> None:
    with pytest.raises(UsageError) as caught:
        known_models(["shade"], registry)
    for part in ("no model 'shade'", "did you mean shades", "zoo:NAME", "path/to/file.py:Class", "docs/plugins.md"):
        assert part in str(caught.value)


def test_the_command_line_names_all_ways() -> None:
    error = str(CliRunner().invoke(app, ["run", "--model", "resnet18"]).exception)
    for part in ("no model 'resnet18'", "timm:NAME[.TAG]", "torchgeo:WEIGHTS", "file.py:Class", "docs/plugins.md"):
        assert part in error


def test_listings_show_patterns() -> None:
    rows = {row["model"]: row for row in json.loads(call("list", "models", "--json"))}
    assert rows["timm:NAME[.TAG]"]["origin"].startswith("gairbench-models (gairbench ")
    assert "untrained" in rows["timm:NAME[.TAG]"]["description"]
    assert "torchgeo:WEIGHTS" in call("list", "models")


@pytest.mark.parametrize("name", ["zoo:owl", "timm:resnet18.a1_in1k", "torchgeo:ResNet18_Weights.SENTINEL2_ALL_MOCO"])
def test_a_name_of_a_pattern_is_a_model_s_name(name: str) -> None:
    require_model_name(name)


@pytest.mark.parametrize("name", ["zoo:", ":owl", "zoo:a/b", "zoo:a b", "Zoo:a", "zoo:.."])
def test_a_name_that_is_unsafe_in_paths_is_refused(name: str) -> None:
    with pytest.raises(AssertionError):
        require_model_name(name)


# --- classes in files -------------------------------------------------------------------------------------------------


def test_a_class_declares_itself_by_its_attributes(tmp_path: Path) -> None:
    path = tmp_path / "my model.py"
    path.write_text(
        OWN.replace(
            "    def __init__",
            "    offers = [RS_TOKENS]\n    needs = {'gsd'}\n    seeded = True\n    licence = 'MIT'\n"
            "    aligned = [Modality.RS]\n\n    def __init__",
        ).replace("import torch\n", "import torch\nfrom gairbench.representation import RS_TOKENS\n", 1)
    )
    spec = model_in_file(path, "Mean")
    preset = spec.presets[0]
    assert (spec.name, spec.seeded, spec.licence, spec.description) == (
        "my-model:Mean",
        True,
        "MIT",
        "Means of the bands.",
    )
    assert spec.aligned == {gb.Modality.RS}
    assert [image.size for image in preset.inputs if isinstance(image, gb.ImageInput)] == [8]
    assert [str(offer) for offer in preset.offers] == ["rs:tokens"]
    assert preset.needs == {"gsd"}
    require_model_name(spec.name.lower())


def test_a_class_may_hold_a_whole_preset_and_a_name(own: Path) -> None:
    own.write_text(
        OWN.replace("    inputs = ", "    name = 'bands'\n    preset = Preset(name='small', inputs=")
        .replace("size=8),)", "size=8),))")
        .replace("import ImageInput, Modality", "import ImageInput, Modality, Preset")
    )
    spec = model_in_file(own, "Mean")
    assert (spec.name, spec.presets[0].name) == ("bands", "small")


def test_what_a_class_needs_is_one_of_what_there_is(own: Path, registry: Registry) -> None:
    own.write_text(OWN.replace("    inputs = ", "    needs = 'gsd'\n    accepts = ['rs']\n    inputs = "))
    preset = model_in_file(own, "Mean").presets[0]
    assert (preset.needs, preset.accepts) == ({"gsd"}, (("rs",),))
    own.write_text(OWN.replace("    inputs = ", "    wants = ['gds']\n    inputs = "))
    with pytest.raises(PluginError, match=r"'mine:Mean', presets: wants has 'gds', which is not 'lonlat' or 'bbox' or"):
        known_models([f"{own}:Mean"], registry)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("offers = 'rs_tokens'", r"'mine:Mean', presets: offers has 'rs_tokens', which is not a Representation"),
        ("offers = 3", r"'mine:Mean', presets: offers=3 is not a tuple"),
        ("accepts = 3", r"'mine:Mean', presets: accepts=3 is not a tuple"),
        ("needs = 3", r"'mine:Mean', presets: needs=3 is not a frozenset"),
        ("aligned = ['rs']", r"'mine:Mean': aligned has 'rs', which is not a Modality; write Modality\.RS"),
        ("seeded = 'yes'", r"'mine:Mean': seeded='yes' is not a bool"),
        ("trained_on = [['earth']]", r"'mine:Mean': trained_on=\[\['earth'\]\] is not a frozenset"),
    ],
)
def test_an_attribute_of_another_type_is_refused_by_name(own: Path, registry: Registry, line: str, why: str) -> None:
    own.write_text(OWN.replace("    inputs = ", f"    {line}\n    inputs = "))
    with pytest.raises(PluginError, match=why):
        known_models([f"{own}:Mean"], registry)
    assert "mine:Mean" not in registry.models


def test_an_input_that_no_plan_could_serve_is_refused_in_one_line(own: Path) -> None:
    own.write_text(
        OWN.replace("    inputs = ", "    other = ImageInput(modality=Modality.RS, gsd_m='10')\n    inputs = ")
    )
    with pytest.raises(PluginError) as refused:
        model_in_file(own, "Mean")
    assert str(refused.value).endswith("ValueError: image 'rs': gsd_m='10' is not a number or None; it is float | None")


def test_a_class_without_inputs_is_refused_with_the_line_to_add(own: Path) -> None:
    own.write_text(OWN.replace("    inputs = ", "    other = "))
    with pytest.raises(PluginError, match=r"mine\.py:Mean does not say what it takes; add .*inputs = \(ImageInput\("):
        model_in_file(own, "Mean")


def test_a_missing_class_or_file_is_named(own: Path) -> None:
    with pytest.raises(PluginError, match=r"mine\.py has no class 'Meen'; its classes are Mean"):
        model_in_file(own, "Meen")
    with pytest.raises(UsageError, match=r"no file .*other\.py"):
        model_in_file(own.with_name("other.py"), "Mean")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("raise RuntimeError('boo')", "RuntimeError: boo"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("x =", "Syntax"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named(own: Path, line: str, error: str) -> None:
    own.write_text(OWN + line + "\n")
    with pytest.raises(PluginError, match=rf"mine\.py cannot be loaded: {error}"):
        model_in_file(own, "Mean")


def test_loading_a_file_leaves_the_search_path_and_the_folder_as_they_are(own: Path) -> None:
    before = list(sys.path)
    model_in_file(own, "Mean")
    assert sys.path == before
    assert [path.name for path in own.parent.iterdir()] == ["mine.py"]


def test_two_files_of_one_name_are_not_mixed_up(own: Path, tmp_path: Path, registry: Registry) -> None:
    other = tmp_path / "b" / "mine.py"
    other.parent.mkdir()
    other.write_text(OWN)
    with pytest.raises(PluginError, match=r"model 'mine:Mean' is already provided by file \(mine\.py"):
        known_models([f"{own}:Mean", f"{other}:Mean"], registry)


def test_a_factory_can_be_pickled_and_refuses_a_changed_file(own: Path) -> None:
    factory = model_in_file(own, "Mean").factory
    assert isinstance(factory, FileFactory)
    copy = pickle.loads(pickle.dumps(factory))
    assert copy == factory
    context = ModelContext(preset="default", seed=0)
    assert type(resolve(copy)(context)).__name__ == "Mean"
    own.write_text(OWN + "# changed\n")
    unknown_here = replace(factory, path=str(own.with_name("." + own.name)))
    own.rename(unknown_here.path)
    with pytest.raises(PluginError, match="was changed while it was in use"):
        unknown_here(context)


def test_a_file_runs_like_a_registered_model_and_a_changed_one_is_computed_again(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    task = next(task for task in TASKS if task.name == "world-zone")
    arguments = {"model": f"{own}:Mean", "results": tmp_path / "results", "quiet": True, "device": "cpu"}

    def number() -> tuple[float, str]:
        done = gb.run(task=task, **arguments)
        (record,) = [r for r in read_results(tmp_path / "results") if r.headline]
        assert record.model == "mine:Mean"
        assert not done.failed, done.failed
        value = record.headline_value
        assert value is not None
        return value.value, record.model_version

    first = number()
    assert first[0] > 0.9
    assert number() == first
    # The mean of one band that says nothing of the zone.
    own.write_text(OWN.replace("images.mean((2, 3))", "images.mean((2, 3))[:, :1] * 0"))
    changed = number()
    assert changed[0] < first[0]
    assert changed[1] != first[1]
    own.write_text(OWN)
    assert number() == first


def test_a_file_whose_class_loads_other_weights_is_computed_again(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    weights = tmp_path / "weights.txt"
    own.write_text(
        OWN.replace(
            "        super().__init__()\n",
            "        super().__init__()\n"
            f"        self.scale = torch.nn.Parameter(torch.tensor(float(open({str(weights)!r}).read())))\n",
        ).replace("images.mean((2, 3))", "images.mean((2, 3)) * self.scale")
    )
    task = next(task for task in TASKS if task.name == "world-zone")
    arguments = {"model": f"{own}:Mean", "task": task, "results": tmp_path / "results", "quiet": True, "device": "cpu"}

    def record() -> Result:
        assert not gb.run(**arguments).failed
        (found,) = [r for r in read_results(tmp_path / "results") if r.headline]
        return found

    weights.write_text("1.0")
    old = record()
    assert record() == old
    weights.write_text("0.0")
    new = record()
    assert new.weights != old.weights
    assert new.headline_value is not None
    assert old.headline_value is not None
    assert new.headline_value.value < old.headline_value.value


def test_a_preset_in_a_file_names_the_weights_beside_it(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    own.write_text(
        OWN.replace(
            "    inputs = (ImageInput(modality=Modality.RS, size=8),)",
            "    preset = Preset(\n        name='default',\n"
            "        inputs=(ImageInput(modality=Modality.RS, size=8),),\n"
            "        weights=FileWeights(path=Path(__file__).with_name('scale.txt')),\n    )",
        )
        .replace("import ImageInput, Modality", "import FileWeights, ImageInput, Modality, Preset")
        .replace("import torch\n", "from pathlib import Path\n\nimport torch\n", 1)
        .replace(
            "        super().__init__()",
            "        super().__init__()\n        self.scale = float(context.checkpoint.read_text())",
        )
        .replace("images.mean((2, 3))", "images.mean((2, 3)) * self.scale")
    )
    task = next(task for task in TASKS if task.name == "world-zone")
    arguments = {"model": f"{own}:Mean", "task": task, "results": tmp_path / "results", "quiet": True, "device": "cpu"}
    skipped = gb.run(**arguments).skipped
    assert skipped
    assert {record.reason.partition(", or")[0] for record in skipped} == {
        f"its weights are not here; put them at {tmp_path / 'scale.txt'}"
    }
    numbers = []
    for content in ("1.0", "0.0", "1.0"):
        own.with_name("scale.txt").write_text(content)
        done = gb.run(**arguments)
        assert not done.failed
        (record,) = [r for r in done.records if r.headline]
        assert record.headline_value is not None
        assert record.checkpoint == f"file:{hashlib.sha256(content.encode()).hexdigest()}"
        numbers.append(record.headline_value.value)
    assert numbers[0] == numbers[2] > numbers[1]


@pytest.mark.parametrize("written", ["{own}:Mean", "mine:Mean"])
def test_a_checkpoint_is_given_by_the_name_that_the_model_was_asked_by(
    written: str, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    own.write_text(OWN.replace("__init__()\n", "__init__()\n        assert context.checkpoint\n"))
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"of one's own")
    task = next(task for task in TASKS if task.name == "world-zone")
    arguments = {"model": f"{own}:Mean", "task": task, "results": tmp_path / "results", "quiet": True, "device": "cpu"}
    name = written.format(own=own)
    for checkpoint in ({name: weights}, f"{name}={weights}"):
        done = gb.run(checkpoint=checkpoint, **arguments)
        assert not done.failed
        assert {record.checkpoint for record in done.records} == {
            f"file:{hashlib.sha256(weights.read_bytes()).hexdigest()}"
        }


def test_a_checkpoint_of_a_class_that_is_not_run_or_given_twice_is_refused(own: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"of one's own")
    reference = f"{own}:Mean"
    with pytest.raises(UsageError, match=r"--checkpoint names '.*mine.py:Mean', which is not run; the models are "):
        gb.run(model="lonlat", task="earth-rs-koeppen", checkpoint={reference: weights}, quiet=True)
    with pytest.raises(UsageError, match=r"--checkpoint names 'mine:Mean' twice"):
        gb.run(
            model=reference,
            task="earth-rs-koeppen",
            checkpoint={reference: weights, "mine:Mean": weights},
            quiet=True,
        )
    with pytest.raises(CheckpointError, match=r"no checkpoint gone.pth; .*--checkpoint .*mine.py:Mean=PATH"):
        gb.run(model=reference, task="earth-rs-koeppen", checkpoint={reference: Path("gone.pth")}, quiet=True)


def test_messages_name_the_file_of_a_class(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    own.write_text(OWN.replace("        super().__init__()", "        raise RuntimeError('no weights')"))
    task = next(task for task in TASKS if task.name == "world-zone")
    done = gb.run(model=f"{own}:Mean", task=task, results=tmp_path / "results", quiet=True, device="cpu")
    reasons = {record.reason for record in done.failed}
    assert any("RuntimeError: no weights" in reason for reason in reasons), reasons
    assert all("FileFactory" not in reason for reason in reasons), reasons
    factory = model_in_file(own, "Mean").factory
    assert named("model", "mine:Mean", factory) == f"model 'mine:Mean' ({own}:Mean)"


def test_a_class_in_a_file_is_its_user_s_code_and_counts_by_its_version(own: Path, tmp_path: Path) -> None:
    spec = model_in_file(own, "Mean")
    for factory in (spec.factory, partial(spec.factory)):  # type: ignore[arg-type]
        assert is_third_party(factory)
        assert code_digest(factory, own.name, tmp_path) == ""
    assert not is_third_party("gairbench.anything:load")


def test_a_class_in_a_file_is_not_looked_for_in_a_package(own: Path) -> None:
    with pytest.raises(unittest.SkipTest, match="no installed plugin registers 'mine:Mean', nor does its file"):
        require_cheap(model_in_file(own, "Mean"))


def test_workers_load_a_file_by_its_path(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    arguments = ("--task", "earth-rs-koeppen", "--limit", "40", "--results", str(tmp_path / "r"))
    config = tmp_path / "run.yaml"
    config.write_text(f"model: '{own}:Mean'\nexecutor: {{name: local, workers: 1}}\n")
    call("run", "--config", str(config), *arguments)
    assert {record.status for record in read_results(tmp_path / "r")} == {"ok"}


def test_embed_takes_a_file(own: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("lon,lat\n" + "\n".join(f"{i},{i}" for i in range(4)) + "\n")
    own.write_text(
        "from gairbench import LocationInput\n\n\nclass Place:\n    inputs = LocationInput()\n\n"
        "    def __init__(self, context):\n        pass\n\n    def encode_location(self, lonlat):\n"
        "        return lonlat.float() * 2\n"
    )
    out = tmp_path / "out.parquet"
    call("embed", "--model", f"{own}:Place", "--input", str(rows), "--out", str(out))
    table = pq.read_table(out)
    assert table["location"].to_pylist() == [[2.0 * i, 2.0 * i] for i in range(4)]
