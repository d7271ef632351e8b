"""Plugins come in, are named, and cannot harm each other."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import annotated_types
import numpy as np
import pluggy
import pytest

from gairbench import Category, DatasetSpec, ImageInput, Kind, Modality, TaskSpec, hookspecs, sensors
from gairbench.commands.listing import list_models
from gairbench.commands.model_filter import ModelFilter
from gairbench.errors import PluginError, PluginWarning
from gairbench.plugins import BUILTIN, GROUP, Origin, Registry, load_registry, register
from gairbench.testing import (
    parametrize_with_evaluator_checks,
    parametrize_with_metric_checks,
    parametrize_with_model_checks,
    parametrize_with_split_policy_checks,
    parametrize_with_task_checks,
)

ROOT = Path(__file__).parents[1]
HOOKS = [name for name in vars(hookspecs) if name.startswith("register_")]

MODEL = """
    from gairbench import LocationInput, ModelSpec, Preset, hookimpl

    @hookimpl
    def register_models():
        yield ModelSpec(
            name={name!r}, version="1", factory="nowhere:make",
            presets=(Preset(name="default", inputs=(LocationInput(),)),),
        )
"""

TASK = """
    from gairbench import Category, DatasetSpec, Kind, LocationInput, Modality, TaskSpec, hookimpl

    DATA = DatasetSpec(name={dataset!r}, version={version}, factory="nowhere:make", delivers=(LocationInput(),))

    def task(name):
        return TaskSpec(
            name=name, version=1, category=Category.LOCATION, family="test", kind=Kind.REGRESSION, dataset=DATA,
            target="x", inputs=(Modality.LOCATION,), metric="r2", synthetic=True,
        )

    @hookimpl
    def register_tasks():
        yield from map(task, {names!r})
"""

DATASET = """
    from gairbench import DatasetSpec, LocationInput, hookimpl

    @hookimpl
    def register_datasets():
        yield DatasetSpec(name={name!r}, version=1, factory="nowhere:make", delivers=(LocationInput(),))
"""

EXECUTOR = """
    from gairbench import hookimpl
    from gairbench.spec import ExecutorOption, ExecutorSpec

    @hookimpl
    def register_executors():
        queue = ExecutorOption(name="queue", kind=str, description="queue")
        yield ExecutorSpec(name={name!r}, factory="nowhere:make", options=(queue,))
"""

HEADS = """
    from gairbench import EvaluatorSpec, Kind, MetricSpec, hookimpl

    @hookimpl
    def register_evaluators():
        yield EvaluatorSpec(
            name={name!r}, version=3, factory="nowhere:evaluate", kinds=frozenset({{Kind.REGRESSION}}),
        )

    @hookimpl
    def register_metrics():
        yield MetricSpec(
            name={name!r}, version=4, factory="nowhere:metric", kinds=frozenset({{Kind.REGRESSION}}),
            higher_is_better=False,
        )
"""

POLICY = """
    from gairbench import SplitPolicySpec, hookimpl

    @hookimpl
    def register_split_policies():
        yield SplitPolicySpec(name={name!r}, version=2, factory="nowhere:divide", needs=("lonlat",))
"""

PATTERN = """
    from gairbench import ModelPattern, hookimpl

    @hookimpl
    def register_model_patterns():
        yield ModelPattern(prefix="their", factory="nowhere:make", rest="NAME")
"""

Install = Callable[..., None]

NUMBERS = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Fake an installed distribution with one module and one entry point."""

    def fake(dist: str, source: str, *, entry: str = "", released: str = "1.0", **values: object) -> None:
        # A name of its own for each test, as imported modules outlive them.
        module = f"plugin_{next(NUMBERS)}"
        folder = tmp_path / dist
        info = folder / f"{dist.replace('-', '_')}-{released}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {released}\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entry or dist} = {module}\n")
        text = dedent(source)
        (folder / f"{module}.py").write_text(text.format(**values) if values else text)
        monkeypatch.syspath_prepend(str(folder))

    return fake


def skipped(match: str) -> Registry:
    """Load with a warning that matches; everything else must still be there."""
    with pytest.warns(PluginWarning, match=match) as warned:
        registry = load_registry()
    assert len(warned) == 1
    assert {"gair", "random"} <= registry.models.keys()
    return registry


# What goes right


def test_builtin_models_and_tasks_come_through_the_same_door() -> None:
    registry = load_registry(strict=True)
    assert {origin.plugin for origin in registry.loaded} >= BUILTIN.keys()
    assert registry.model_origins["gair"].distribution == "gairbench"


def test_register_models_makes_a_model_known_with_its_origin(install: Install) -> None:
    install("their-dist", MODEL, name="theirs", entry="theirs-plugin", released="2.3")
    registry = load_registry(strict=True)
    assert registry.models["theirs"].version == "1"
    assert str(registry.model_origins["theirs"]) == "theirs-plugin (their-dist 2.3)"


def test_register_tasks_makes_tasks_and_their_dataset_known(install: Install) -> None:
    install("their-dist", TASK, names=["their-a", "their-b"], dataset="their-data", version=1)
    registry = load_registry(strict=True)
    assert {"their-a", "their-b"} <= registry.tasks.keys()
    assert registry.tasks["their-a"].dataset is registry.datasets["their-data"]
    assert registry.task_origins["their-b"] == registry.dataset_origins["their-data"]
    assert registry.dataset_origins["their-data"].distribution == "their-dist"


def test_register_datasets_makes_a_dataset_without_tasks_known(install: Install) -> None:
    install("their-dist", DATASET, name="their-corpus")
    assert load_registry(strict=True).dataset_origins["their-corpus"].plugin == "their-dist"


SENSOR = """
    from gairbench import Band, Quantity, Sensor, hookimpl

    @hookimpl
    def register_sensors():
        yield Sensor("planet", (Band({band!r}, 0.665, 0.03, Quantity.REFLECTANCE, ("red",)),))
"""


@pytest.fixture
def sensors_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_SENSORS", "_BANDS", "_SPELLED"):
        monkeypatch.setattr(sensors, name, dict(getattr(sensors, name)))


@pytest.mark.usefixtures("sensors_of_others")
def test_register_sensors_makes_bands_known(install: Install) -> None:
    install("planet-dist", SENSOR, band="planet:red")
    assert load_registry(strict=True).failed == {}
    assert sensors.same_band("red", "planet:red")


@pytest.mark.usefixtures("sensors_of_others")
def test_register_sensors_refuses_a_band_without_its_sensors_name(install: Install) -> None:
    install("planet-dist", SENSOR, band="B4")
    with pytest.raises(PluginError, match="band 'B4' of sensor 'planet' is not called 'planet:B4'"):
        load_registry(strict=True)


def test_register_model_patterns_makes_models_known_by_name(install: Install) -> None:
    install("their-dist", PATTERN)
    registry = load_registry(strict=True)
    assert str(registry.model_patterns["their"]) == "their:NAME"
    assert registry.model_pattern_origins["their"].distribution == "their-dist"


def test_register_executors_makes_an_executor_known_with_its_keys(install: Install) -> None:
    install("their-dist", EXECUTOR, name="their-cluster")
    registry = load_registry(strict=True)
    assert {"local", "ray", "slurm", "their-cluster"} <= registry.executors.keys()
    assert registry.executor_origins["their-cluster"].distribution == "their-dist"
    assert [option.name for option in registry.executors["their-cluster"].options] == ["queue"]


def test_register_evaluators_makes_an_evaluator_known_with_its_origin(install: Install) -> None:
    install("their-dist", HEADS, name="their-head")
    registry = load_registry(strict=True)
    assert {"linear", "knn", "ridge", "their-head"} <= registry.evaluators.keys()
    assert registry.evaluators["their-head"].version == 3
    assert registry.evaluator_origins["their-head"].distribution == "their-dist"
    assert registry.evaluator_origins["linear"].plugin == "gairbench-evaluators"


def test_register_metrics_makes_a_metric_known_with_its_direction(install: Install) -> None:
    install("their-dist", HEADS, name="their-head")
    registry = load_registry(strict=True)
    assert {"accuracy", "r2", "their-head"} <= registry.metrics.keys()
    assert not registry.metrics["their-head"].higher_is_better
    assert registry.metric_origins["their-head"].distribution == "their-dist"


@pytest.mark.parametrize(("taken", "kind"), [("linear", "evaluator"), ("accuracy", "metric")])
def test_a_taken_name_of_an_evaluator_or_metric_is_refused(install: Install, taken: str, kind: str) -> None:
    install("dup-dist", HEADS, name=taken)
    registry = skipped(rf"{kind} '{taken}' is already provided by gairbench-evaluators")
    assert len({"linear", "accuracy"} & registry.evaluators.keys()) == 1, "a refused plugin leaves nothing behind"


def test_register_split_policies_makes_a_policy_known_with_its_origin(install: Install) -> None:
    install("their-dist", POLICY, name="their-split")
    registry = load_registry(strict=True)
    assert {"published", "random", "blocks", "leave", "their-split"} <= registry.split_policies.keys()
    assert registry.split_policy_origins["their-split"].distribution == "their-dist"
    assert registry.split_policy_origins["random"].plugin == "gairbench-split-policies"


def test_a_taken_name_of_a_split_policy_is_refused(install: Install) -> None:
    install("dup-dist", POLICY, name="published")
    registry = skipped("split policy 'published' is already provided by gairbench-split-policies")
    assert registry.split_policies["published"].version == 1


def test_a_plugin_without_hooks_is_no_error(install: Install) -> None:
    install("their-dist", "VALUE = 1")
    assert "their-dist" in {origin.plugin for origin in load_registry(strict=True).loaded}


def test_a_class_can_be_a_plugin() -> None:
    spec = load_registry().models["lonlat"]

    class Plugin:
        @hookspecs.hookimpl
        def register_models(self) -> list[object]:
            return [spec]

    registry = Registry()
    register(registry, Plugin(), Origin("object", "none", "0"))
    assert registry.models == {"lonlat": spec}


def test_specname_does_not_leak_between_plugins(install: Install) -> None:
    renamed = MODEL.replace("@hookimpl", '@hookimpl(specname="register_models")').replace("register_models()", "mine()")
    install("a-dist", renamed, name="one")
    install("b-dist", renamed, name="two")
    registry = load_registry(strict=True)
    assert registry.model_origins["one"].distribution == "a-dist"
    assert registry.model_origins["two"].distribution == "b-dist"


def test_an_uninstalled_checkout_finds_the_builtins(tmp_path: Path) -> None:
    # -S hides site-packages, and with them our own entry points; only what listings import is let back in. The packages
    # are linked from elsewhere because an editable install leaves its metadata in the checkout.
    packages = [ROOT / "gairbench", ROOT / "models" / "gairbench_models", ROOT / "tasks" / "gairbench_tasks"]
    for package in [*packages, *(Path(module.__file__).parent for module in (pluggy, annotated_types))]:
        (tmp_path / package.name).symlink_to(package)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        " from gairbench.plugins import load_registry;"
        " print(load_registry(strict=True).model_origins['gair'])"
    )
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "gairbench-models (gairbench source)", done.stderr


# What goes wrong: the plugin is named with distribution and version, and everything else works.


def test_a_plugin_that_raises_is_skipped(install: Install) -> None:
    install("bad-dist", "raise RuntimeError('boom')", entry="bad")
    registry = skipped(r"skipped plugin bad \(bad-dist 1\.0\): RuntimeError: boom")
    assert list(registry.failed.values()) == ["RuntimeError: boom"]


def test_a_plugin_that_calls_sys_exit_while_it_is_imported_is_skipped(install: Install) -> None:
    install("bad-dist", "import sys\nsys.exit(3)", entry="bad")
    registry = skipped(r"^skipped plugin bad \(bad-dist 1\.0\): called sys\.exit\(3\); raise an error")
    assert list(registry.failed.values()) == ["called sys.exit(3); raise an error that says what is wrong instead"]


def test_a_hook_that_calls_sys_exit_is_skipped(install: Install) -> None:
    install("bad-dist", MODEL + "        raise SystemExit\n", name="half")
    assert "half" not in skipped(r"bad-dist \(bad-dist 1\.0\): called sys\.exit\(\)").models


def test_what_a_plugin_changes_while_it_is_loaded_is_undone_and_named(install: Install) -> None:
    install("changes-dist", f"import os\nos.chdir('/')\n{dedent(MODEL)}", name="changing")
    before = Path.cwd()
    with pytest.warns(PluginWarning, match=r"plugin changes-dist \(changes-dist 1\.0\) changed the working folder"):
        registry = load_registry()
    assert Path.cwd() == before
    assert "changing" in registry.models, "it is not broken"


def test_a_plugin_that_prints_does_not_spoil_what_commands_print(
    install: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    install("noisy-dist", f"print('hello')\n{dedent(MODEL)}", name="noisy")
    list_models(ModelFilter(), as_json=True)
    out, err = capfd.readouterr()
    assert "noisy" in {row["model"] for row in json.loads(out)}
    assert "hello" in err


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('presets=(Preset(name="default", inputs=(LocationInput(),)),)', "presets=()"), "'x' has no presets"),
        (
            ("inputs=(LocationInput(),)", "inputs=LocationInput()"),
            r"'x', presets: inputs=LocationInput.* is not a tuple",
        ),
        (('version="1"', "version=1"), r"ModelSpec 'x': version=1 is not a str; it is str"),
        (('version="1"', 'version="1", golden=3'), r"ModelSpec 'x': golden=3 is not a str or callable or None"),
        (("(),)),)", '(),), offers="rs_tokens"),)'), r"'x', presets: offers='rs_tokens' is not a tuple"),
        (
            ("(),)),)", '(),), needs=frozenset(["date"])),)'),
            r"'x', presets: needs has 'date', which is not 'lonlat' or",
        ),
        (("LocationInput()", 'LocationInput(order="xy")'), r"ValueError: a location: order='xy' is not 'lonlat' or"),
    ],
)
def test_a_field_of_another_type_is_reported(change: tuple[str, str], why: str, install: Install) -> None:
    assert change[0] in MODEL
    install("bad-dist", MODEL.replace(*change), name="x")
    skipped(why)


SENSOR_NAMED = """
    from gairbench import Band, Sensor, hookimpl

    @hookimpl
    def register_sensors():
        yield Sensor({name!r}, (Band({name!r} + ":red"),))
"""
NAMED = {
    "model": MODEL,
    "task": TASK.replace("{names!r}", "[{name!r}]").format(dataset="their-data", version=1, name="{name}"),
    "dataset": DATASET,
    "executor": EXECUTOR,
    "evaluator": HEADS,
    "metric": HEADS.replace("name={name!r}, version=3", "name='theirs', version=3"),
    "split policy": POLICY,
    "model pattern": PATTERN.replace('"their"', "{name!r}"),
    "sensor": SENSOR_NAMED,
}


@pytest.mark.parametrize("name", ["a+b", "a:b c", "a/b", "A", "", "a,b"])
@pytest.mark.parametrize("kind", NAMED)
def test_a_name_that_nobody_could_write_is_refused(kind: str, name: str, install: Install) -> None:
    source = NAMED[kind].replace("'{name}'", "{name!r}")
    install("bad-dist", source, name=name)
    registry = skipped(rf"{kind} name '{re.escape(name)}' (is not lower-case words|has other characters)")
    assert next(iter(registry.failed.values())).endswith("rename it")


def test_the_name_of_a_task_s_dataset_is_checked_too(install: Install) -> None:
    install("bad-dist", TASK, names=["theirs"], dataset="Their Data", version=1)
    assert "theirs" not in skipped("dataset name 'Their Data' is not lower-case words").tasks


def test_a_plugin_with_a_missing_import_is_skipped(install: Install) -> None:
    install("bad-dist", "import no_such_module_at_all", entry="bad")
    skipped(r"bad \(bad-dist 1\.0\): ModuleNotFoundError: No module named 'no_such_module_at_all'")


def test_a_hook_that_raises_half_way_adds_nothing(install: Install) -> None:
    install("bad-dist", MODEL + "        raise ValueError('half way')\n", name="half")
    assert "half" not in skipped("ValueError: half way").models


def test_a_misspelt_hook_is_reported_with_the_right_names(install: Install) -> None:
    install("typo-dist", MODEL.replace("register_models", "register_model"), name="x")
    skipped(r"unknown hook 'register_model'.*; the hooks are register_models, register_datasets, register_tasks")


def test_a_hook_that_returns_something_else_is_reported(install: Install) -> None:
    install("bad-dist", "import gairbench\n@gairbench.hookimpl\ndef register_models():\n    return ['gair']\n")
    skipped("expected ModelSpec, got 'gair'; return ModelSpec objects")


def test_a_misspelt_field_of_a_spec_is_reported(install: Install) -> None:
    install("bad-dist", MODEL.replace("version=", "revision="), name="x")
    skipped("unexpected keyword argument 'revision'")


def test_a_taken_model_name_is_refused_and_the_first_owner_named(install: Install) -> None:
    install("dup-dist", MODEL, name="gair")
    registry = skipped(r"dup-dist \(dup-dist 1\.0\): model 'gair' is already provided by gairbench-models \(gairbench ")
    assert registry.model_origins["gair"].distribution == "gairbench"


def test_a_taken_task_name_is_refused(install: Install) -> None:
    install("a-dist", TASK, names=["same-task"], dataset="a-data", version=1)
    install("b-dist", TASK, names=["same-task"], dataset="b-data", version=1)
    registry = skipped(r"task 'same-task' is already provided by a-dist \(a-dist 1\.0\)")
    assert "b-data" not in registry.datasets, "a refused plugin leaves nothing behind"


def test_a_taken_dataset_name_is_refused(install: Install) -> None:
    install("a-dist", TASK, names=["a-task"], dataset="same-data", version=1)
    install("b-dist", TASK, names=["b-task"], dataset="same-data", version=2)
    registry = skipped(r"dataset 'same-data' is already provided by a-dist \(a-dist 1\.0\)")
    assert registry.datasets["same-data"].version == 1
    assert "b-task" not in registry.tasks


def test_a_name_taken_within_one_plugin_is_refused(install: Install) -> None:
    install("own-dist", TASK, names=["twice", "twice"], dataset="own-data", version=1)
    skipped(r"task 'twice' is already provided by own-dist \(own-dist 1\.0\)")


def test_one_entry_point_name_in_two_distributions_is_reported(install: Install) -> None:
    install("a-dist", MODEL, entry="same", name="a-model")
    install("b-dist", MODEL, entry="same", name="b-model")
    registry = skipped(r"plugin name 'same' is taken by same \([ab]-dist 1\.0\); rename the entry point")
    assert len({"a-model", "b-model"} & registry.models.keys()) == 1


def test_a_stranger_cannot_take_a_builtin_plugin_name(install: Install) -> None:
    install("evil-dist", MODEL, entry="gairbench-models", name="evil")
    registry = skipped(r"gairbench-models \(evil-dist 1\.0\): plugin name 'gairbench-models' is taken by")
    assert "evil" not in registry.models


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_strict_mode_raises_on_the_first_broken_plugin(
    install: Install, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    install("bad-dist", "raise RuntimeError('boom')", entry="bad")
    if how == "variable":
        monkeypatch.setenv("GAIRBENCH_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"plugin bad \(bad-dist 1\.0\) is broken: RuntimeError: boom; fix"):
        load_registry(strict=True if how == "argument" else None)


@pytest.mark.parametrize(("wanted", "expected"), [("", set()), ("a-dist", {"a"}), ("a-dist,b-dist", {"a", "b"})])
def test_load_plugins_chooses_among_third_parties(
    install: Install, monkeypatch: pytest.MonkeyPatch, wanted: str, expected: set[str]
) -> None:
    install("a-dist", MODEL, name="a")
    install("b-dist", MODEL, name="b")
    monkeypatch.setenv("GAIRBENCH_LOAD_PLUGINS", wanted)
    models = load_registry(strict=True).models.keys()
    assert {"a", "b"} & models == expected
    assert "gair" in models, "the built-ins are always there"


# What holds for every hook.


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook: str) -> None:
    assert any(name.startswith(f"test_{hook}_") for name in globals())


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_exact_signature(hook: str) -> None:
    function = getattr(hookspecs, hook)
    documented = re.findall(r"^def .*$", (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"def {hook}{inspect.signature(function)}: ..." in documented
    assert inspect.getdoc(function)


def flooded(folder: Path, factory: Any) -> TaskSpec:
    """Write scenes and masks as the guide's dataset reads them, and return a task of it."""
    folder.mkdir()
    for number, name in enumerate(name for name in ("train", "val", "test") for _ in range(4)):
        mask = np.random.default_rng(number).integers(0, 2, (16, 16)).astype(np.uint8)
        image = np.stack([mask * 100 + number] * 3).astype(np.uint8)
        np.save(folder / f"{name}_{number}_image.npy", image)
        np.save(folder / f"{name}_{number}_mask.npy", mask)
    dataset = DatasetSpec(
        name="floods",
        version=1,
        factory=factory,
        delivers=(ImageInput(modality=Modality.RS, size=16),),
        licence="CC0-1.0",
        citation="generated",
        folder="floods",
    )
    return TaskSpec(
        name="floods-flood",
        version=1,
        category=Category.RS,
        family="floods",
        kind=Kind.SEGMENTATION,
        dataset=dataset,
        target="flood",
        inputs=("rs",),
        metric="miou",
        synthetic=True,
    )


@pytest.mark.usefixtures("little_work", "one_thread")
def test_the_guides_plugin_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    files = re.findall(r"^```python\n# (my_package/\w+\.py)\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    stems = [Path(name).stem for name, _ in files]
    expected = ["__init__", "model", "data", "joint", "sentinels", "lookup", "ndvi", "floods", "stands", "forest"]
    expected += ["heads", "mlp", "near", "lasso", "pyramid", "lora", "north"]
    assert stems == expected
    (tmp_path / "my_package").mkdir()
    for name, source in files:
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin, heads, sentinels, north, forest, floods = (
        importlib.import_module(f"my_package{name}")
        for name in ("", ".heads", ".sentinels", ".north", ".forest", ".floods")
    )
    registry = Registry()
    register(registry, plugin, Origin("mine", "mine", "1"))
    register(registry, heads, Origin("heads", "mine", "1"))
    register(registry, sentinels, Origin("sentinels", "mine", "1"))
    register(registry, north, Origin("north", "mine", "1"))
    register(registry, forest, Origin("forest", "mine", "1"))
    marks = [
        parametrize_with_model_checks([*plugin.register_models(), *sentinels.register_models()]),
        parametrize_with_task_checks([*plugin.register_tasks(), *forest.register_tasks()]),
        parametrize_with_evaluator_checks(heads.register_evaluators()),
        parametrize_with_metric_checks(heads.register_metrics()),
        parametrize_with_split_policy_checks(north.register_split_policies()),
        parametrize_with_task_checks([flooded(tmp_path / "floods", floods.Floods)], data_root=tmp_path),
    ]
    cases = [case for mark in marks for case in mark.mark.args[1]]
    assert len(cases) > 60
    for case in cases:
        case.values[0]()


def test_listing_plugins_imports_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "pandas", "scipy", "sklearn", "PIL", "lightning", "timm", "rasterio")
    code = (
        "import sys; from gairbench.plugins import load_registry; load_registry(strict=True);"
        f" print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    paths = os.pathsep.join(str(ROOT / name) for name in ("", "models", "tasks", "leaderboard"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.stdout.split() == []
