"""The plugin of the wider cases: installed for real, run, checked by its own suite and removed; and its mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torchgeo_files
from installed import fresh_python, install, run_module, sources, uninstall
from torch import Tensor

from gairbench import Band, DatasetSpec, ModelSpec, Quantity, Sensor, Unit, hookimpl
from gairbench.batch import Batch
from gairbench.data import ArraySplit
from gairbench.errors import InputMismatchError, PluginError
from gairbench.feeding import plan_feed
from gairbench.plugins import Origin, Registry, register
from gairbench.representation import Representation
from gairbench.testing import dataset_checks, model_checks

EXAMPLE = Path(__file__).parents[2] / "examples" / "gairbench-sensors"
MODELS = ["example-joint", "example-seasons", "example-spectrum"]

COVERS = ("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "River", "SeaLake")


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    torchgeo_files.write_eurosat(root, COVERS, {"train": 6, "val": 2, "test": 3}, size=64)
    return root


ORIGINS = """
import json
from gairbench.plugins import load_registry
r = load_registry(strict=True)
kinds = dict(models=r.model_origins, datasets=r.dataset_origins, tasks=r.task_origins,
             evaluators=r.evaluator_origins, metrics=r.metric_origins)
print(json.dumps({kind: sorted(n for n, o in found.items() if o.distribution == "gairbench-sensors")
                  for kind, found in kinds.items()}))
"""


@pytest.mark.slow  # the other example is in CI, and the tests below load this one's models and data in this process
def test_plugin_is_installed_run_checked_and_removed(tmp_path: Path, data_root: Path) -> None:
    python, source = fresh_python(tmp_path / "venv"), sources(EXAMPLE, tmp_path / "source")

    def provided() -> dict[str, list[str]]:
        done = subprocess.run([python, "-c", ORIGINS], capture_output=True, text=True, check=True)
        found: dict[str, list[str]] = json.loads(done.stdout)
        return found

    install(python, source, tmp_path)
    assert provided() == {
        "models": MODELS,
        "datasets": ["example-eurosat", "example-fields"],
        "tasks": ["example-eurosat-cover", "example-fields-crop"],
        "evaluators": ["example-mlp"],
        "metrics": ["example-top5"],
    }

    done = run_module(
        python,
        *("gairbench", "run", "--model", ",".join(MODELS), "--task", "example-fields-crop,example-eurosat-cover"),
        *("--data-root", str(data_root), "--results", str(tmp_path / "results")),
        cache=tmp_path / "cache",
    )
    assert done.returncode == 0, done.stderr
    assert "5 ok (0 of them reused), 1 skipped, 0 failed" in done.stderr
    for model, task, fed in [
        ("example-joint", "example-fields-crop", ["s1", "s2"]),
        ("example-joint", "example-eurosat-cover", ["s2"]),
        ("example-spectrum", "example-fields-crop", ["rs"]),
        ("example-spectrum", "example-eurosat-cover", ["rs"]),
        ("example-seasons", "example-fields-crop", ["lonlat", "s2_year"]),
    ]:
        record = record_of(tmp_path / "results", model, task)
        (images,) = (set(said) for said in record["conversion"].values())
        assert sorted(images) == fed, model
        assert record["probe_origin"] == "sensors (gairbench-sensors 0.1)"
        chance = 1 / (6 if "fields" in task else len(COVERS))
        assert record["metrics"]["accuracy"]["value"] > 2 * chance, (model, task)
        assert record["metrics"]["example-top5"]["value"] >= record["metrics"]["accuracy"]["value"]
    skipped = record_of(tmp_path / "results", "example-seasons", "example-eurosat-cover")
    assert "rs has 1 frame and the encoder takes 3 to 24 frames" in skipped["reason"]

    done = run_module(
        python,
        *("pytest", "-q", "-p", "no:cacheprovider", "-rs", str(source / "tests")),
        cache=tmp_path / "cache",
        DATA_ROOT=str(data_root),
        OMP_NUM_THREADS="1",
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout, done.stdout

    uninstall(python, "gairbench-sensors", tmp_path)
    assert not any(provided().values())


def record_of(results: Path, model: str, task: str) -> dict[str, Any]:
    (file,) = (results / model).rglob(f"{task}/example-mlp.json")
    record: dict[str, Any] = json.loads(file.read_text())
    return record


# --- each mistake is refused with a clear line, or caught by name -----------------------------------------------------


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plugin, although it is not installed here."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import gairbench_sensors
    import gairbench_sensors.fields
    import gairbench_sensors.joint
    import gairbench_sensors.seasons
    import gairbench_sensors.spectrum

    yield gairbench_sensors
    for name in [name for name in sys.modules if name.partition(".")[0] == "gairbench_sensors"]:
        del sys.modules[name]


def declaring(spec: ModelSpec, name: str, **changes: Any) -> ModelSpec:
    """Return a model that declares one of its inputs otherwise."""
    preset = spec.presets[0]
    inputs = tuple(replace(i, **changes) if i.name == name else i for i in preset.inputs)  # type: ignore[arg-type]
    return replace(spec, presets=(replace(preset, inputs=inputs),))


def delivering(spec: DatasetSpec, name: str, **changes: Any) -> DatasetSpec:
    """Return a dataset that declares one of its images otherwise."""
    delivers = tuple(replace(i, **changes) if i.name == name else i for i in spec.delivers)  # type: ignore[arg-type]
    return replace(spec, delivers=delivers)


def holding(plugin: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> DatasetSpec:
    """Return the generated dataset with other arrays."""

    class Changed(plugin.fields.Fields):  # type: ignore[misc, name-defined]
        def split(self, name: str) -> ArraySplit:
            split = super().split(name)
            return ArraySplit(split.ids, change(split._inputs), split._targets)

    return replace(plugin.FIELDS, factory=Changed)


def answers_of(spec: ModelSpec) -> str:
    """Return what the check of known answers finds."""
    with pytest.raises(AssertionError, match=f"^{spec.name}-default, known answer '") as caught:
        model_checks.check_known_answers(spec, spec.presets[0])
    return str(caught.value)


def samples_of(spec: DatasetSpec) -> str:
    with pytest.raises(AssertionError, match=f"^{spec.name}: ") as caught:
        dataset_checks.check_samples_hold_what_is_declared(spec, None)
    return str(caught.value)


def feed_of(spec: ModelSpec, dataset: DatasetSpec) -> Any:
    return plan_feed(spec.name, spec.presets[0], dataset, "rs")


def test_without_a_mistake_nothing_is_found(plugin: Any) -> None:
    for spec in (plugin.JOINT, plugin.SEASONS, plugin.SPECTRUM):
        model_checks.check_known_answers(spec, spec.presets[0])
        assert feed_of(spec, plugin.FIELDS)
    dataset_checks.check_samples_hold_what_is_declared(plugin.FIELDS, None)


def test_a_model_that_declares_power_and_takes_decibels_is_named(plugin: Any) -> None:
    wrong = declaring(plugin.JOINT, "s1", unit=Unit.POWER)
    assert "right if 's1' were in unit db: the model declares power" in answers_of(wrong)


def test_data_of_power_that_are_declared_as_decibels_are_named(plugin: Any) -> None:
    assert "no s1 value below 0 is seen: is the unit db?" in samples_of(delivering(plugin.FIELDS, "s1", unit=Unit.DB))


def test_radar_in_an_optical_unit_is_refused(plugin: Any) -> None:
    with pytest.raises(InputMismatchError, match="band VV measures backscatter, which cannot be in unit s2_dn"):
        feed_of(plugin.JOINT, delivering(plugin.FIELDS, "s1", unit=Unit.S2_DN))


def test_a_model_that_reads_wavelengths_as_nanometres_is_named(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin.spectrum, "WAVELENGTHS_UM", (450.0, 550.0, 650.0, 850.0, 1_600.0, 2_200.0))
    model_checks._load.cache_clear()
    assert "right if wavelengths were in nanometres, and they are in micrometres" in answers_of(plugin.SPECTRUM)


def test_a_model_that_reads_the_mask_the_other_way_round_is_named(plugin: Any) -> None:
    class Inverts(plugin.spectrum.Spectrum):  # type: ignore[misc, name-defined]
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            images = {name: replace(image, mask=~image.mask) for name, image in batch.images.items()}
            return super().encode(replace(batch, images=images), wanted)  # type: ignore[no-any-return]

    wrong = replace(plugin.SPECTRUM, factory=Inverts)
    assert "right if the mask that the model is given were false where a pixel has a value" in answers_of(wrong)


def test_a_sensor_in_nanometres_is_refused(plugin: Any) -> None:
    class Nanometres:
        @hookimpl
        def register_sensors(self) -> list[Sensor]:
            return [Sensor("planet", (Band("planet:red", 665.0, 31.0, Quantity.REFLECTANCE),))]

    with pytest.raises(PluginError, match="'planet:red' measures reflectance at 665 um: is that in nanometres"):
        register(Registry(), Nanometres(), Origin("planet", "planet", "1"))


def test_exchanged_bands_of_a_model_are_named(plugin: Any) -> None:
    wrong = declaring(plugin.JOINT, "s2", bands=("B4", "B3", "B2", "B8"))
    assert "right if bands B4 and B2 of 's2' were declared the other way round" in answers_of(wrong)
    wrong = declaring(plugin.SEASONS, "s2_year", bands=("B8", "B4"))
    assert "right if bands B8 and B4 of 's2_year' were declared the other way round" in answers_of(wrong)


def test_exchanged_wavelengths_of_a_model_are_named(plugin: Any) -> None:
    class Backwards(plugin.spectrum.Spectrum):  # type: ignore[misc, name-defined]
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            images = {name: replace(image, bands=image.bands[::-1]) for name, image in batch.images.items()}
            return super().encode(replace(batch, images=images), wanted)  # type: ignore[no-any-return]

    wrong = replace(plugin.SPECTRUM, factory=Backwards)
    assert "right if bands landsat-8:B2 and landsat-8:B6 of 'rs' were exchanged" in answers_of(wrong)


def test_bands_that_a_torchgeo_class_has_in_another_order_are_refused(plugin: Any, data_root: Path) -> None:
    order = tuple(f"B{name}" for name in (1, 2, 3, 4, 5, 6, 7, 8, "8A", 9, 10, 11, 12))
    wrong = delivering(plugin.EUROSAT, "rs", bands=order)
    with pytest.raises(AssertionError, match=r"EuroSAT gives bands B01.*B8A in 'image', and B1.*B12 are declared"):
        dataset_checks.check_source_has_the_methods(wrong, data_root)


def test_another_number_of_frames_is_refused(plugin: Any) -> None:
    with pytest.raises(InputMismatchError, match="s2_year has 6 frames and the encoder takes 12 to 24 frames"):
        feed_of(declaring(plugin.SEASONS, "s2_year", frames=(12, 24)), plugin.FIELDS)
    assert "s2_year has 6 images, declared 5" in samples_of(delivering(plugin.FIELDS, "s2_year", frames=5))


def test_series_in_another_order_are_named(plugin: Any) -> None:
    class Backwards(plugin.seasons.Seasons):  # type: ignore[misc, name-defined]
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            images = {name: replace(image, values=image.values.flip(1)) for name, image in batch.images.items()}
            return super().encode(replace(batch, images=images), wanted)  # type: ignore[no-any-return]

    wrong = replace(plugin.SEASONS, factory=Backwards)
    assert "right if the images of 's2_year' were in reverse order" in answers_of(wrong)
    backwards = holding(plugin, lambda arrays: arrays | {"s2_year_dates": arrays["s2_year_dates"][:, ::-1].copy()})
    assert "s2_year_dates are not in the order of time" in samples_of(backwards)


def test_a_model_that_counts_frames_which_are_not_there_is_named(plugin: Any) -> None:
    class Counts(plugin.seasons.Seasons):  # type: ignore[misc, name-defined]
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            images = {
                name: replace(i, valid=i.valid | True, dates=i.dates.nan_to_num()) for name, i in batch.images.items()
            }
            return super().encode(replace(batch, images=images), wanted)  # type: ignore[no-any-return]

    model_checks.check_padding_of_series_does_not_count(plugin.SEASONS, plugin.SEASONS.presets[0])
    with pytest.raises(AssertionError, match="gives a short series another embedding in a batch with a longer one"):
        model_checks.check_padding_of_series_does_not_count(
            replace(plugin.SEASONS, factory=Counts), plugin.SEASONS.presets[0]
        )


def test_exchanged_longitude_and_latitude_are_named(plugin: Any) -> None:
    class Exchanges(plugin.seasons.Seasons):  # type: ignore[misc, name-defined]
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            assert batch.lonlat is not None
            return super().encode(replace(batch, lonlat=batch.lonlat.flip(1)), wanted)  # type: ignore[no-any-return]

    wrong = replace(plugin.SEASONS, factory=Exchanges)
    assert "right if longitude and latitude of the place that the model is given were exchanged" in answers_of(wrong)
    exchanged = holding(plugin, lambda arrays: arrays | {"lonlat": arrays["lonlat"][:, ::-1].copy()})
    assert "is out of range" in samples_of(exchanged)
    assert "is not lonlat in degrees" in samples_of(exchanged)
