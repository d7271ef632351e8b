"""Prithvi-EO 2.0, TerraMind and Clay through TerraTorch: they load published layouts strictly, and answer as it does.

Weights are generated. The known answers are TerraTorch's own models on values that are standardized here by hand.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from geofm_answers import column, power, reflectance, scene, tensor
from geofm_small import randomized
from numpy.typing import NDArray
from terratorch_small import ENTRY as SMALL_CLAY
from terratorch_small import small_clay
from torch import Tensor

from gairbench import DatasetSpec, FileWeights, HubWeights, ImageInput, Modality, ModelContext, ModelSpec, Unit
from gairbench.batch import Batch
from gairbench.errors import CheckpointError
from gairbench.feeding import plan_feed
from gairbench.golden import Golden, GoldenImage
from gairbench.inputs import LocationInput
from gairbench.representation import Representation
from gairbench.spec import resolve
from gairbench.testing.known_answers import known_answer_problem
from gairbench.testing.model_checks import BEHAVIOUR
from gairbench_models.terratorch_models.encoder import load
from gairbench_models.terratorch_models.table import ENTRIES
from gairbench_models.torchgeo_models.entries import make_geofm_spec

SPECS = {name: make_geofm_spec(entry) for name, entry in ENTRIES.items()}
NEEDED = pytest.mark.skipif(
    find_spec("terratorch") is None, reason="TerraTorch is not installed: pip install terratorch"
)

HLS = ("B2", "B3", "B4", "B8A", "B11", "B12")
HLS_MEAN, HLS_STD = [1087, 1342, 1433, 2734, 1958, 1363], [2248, 2179, 2178, 1850, 1242, 1049]
L2A = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
L2A_MEAN = [1390.458, 1503.317, 1718.197, 1853.91, 2199.1, 2779.975, 2987.011, 3083.234, 3132.22, 3162.988]
L2A_MEAN += [2424.884, 1857.648]
L2A_STD = [2106.761, 2141.107, 2038.973, 2134.138, 2085.321, 1889.926, 1820.257, 1871.918, 1753.829, 1797.379]
L2A_STD += [1434.261, 1334.311]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


# --- declarations -----------------------------------------------------------------------------------------------------


def planned(name: str, *bands: str, unit: Unit = Unit.S2_DN) -> tuple[str, ...]:
    image = ImageInput(modality=Modality.RS, bands=bands, unit=unit, size=64)
    data = DatasetSpec(name="d", version=1, factory="", delivers=(image, LocationInput()))
    return plan_feed(name, SPECS[name].presets[0], data, "rs").representation.of


def test_data_are_fed_as_what_they_are_of() -> None:
    assert planned("prithvi-v2", *L2A) == ("s2",)
    assert planned("terramind-v1", *L2A) == ("s2",)
    # B10 is a band of Level-1C alone.
    assert planned("terramind-v1", *L2A, "B10") == ("s2-l1c",)
    for name in ("terramind-v1", "clay-v1"):
        assert planned(name, "VV", "VH", unit=Unit.POWER) == ("s1",)
        assert planned(name, "red", "green", "blue", unit=Unit.UINT8) == ("rgb",)
    assert planned("clay-v1", "B4", "B8", "B11") == ("s2",)


def test_files_are_called_as_on_hugging_face() -> None:
    found = {f"{name}/{p.name}": p.weights for name, spec in SPECS.items() for p in spec.presets}
    names = {}
    for preset, weights in found.items():
        assert isinstance(weights, HubWeights)
        assert weights.licence
        names[preset] = f"{weights.repo}/{weights.filename}"
    assert names["prithvi-v2/300m"] == "ibm-nasa-geospatial/Prithvi-EO-2.0-300M/Prithvi_EO_V2_300M.pt"
    assert names["prithvi-v2-tl/600m"] == "ibm-nasa-geospatial/Prithvi-EO-2.0-600M-TL/Prithvi_EO_V2_600M_TL.pt"
    assert names["prithvi-v2-tl/tiny"] == "ibm-nasa-geospatial/Prithvi-EO-2.0-tiny-TL/Prithvi_EO_V2_tiny_TL.pt"
    assert names["terramind-v1/base"] == "ibm-esa-geospatial/TerraMind-1.0-base/TerraMind_v1_base.pt"


@NEEDED
def test_sizes_are_those_of_terratorch(monkeypatch: pytest.MonkeyPatch) -> None:
    prithvi = import_module("terratorch.models.backbones.prithvi_vit")
    terramind = import_module("terratorch.models.backbones.terramind.model.terramind_register")
    # Large models are not built for it.
    monkeypatch.setattr(terramind, "build_terrammind_vit", lambda **options: options)
    clay = import_module("terratorch.models.backbones.clay_v1.embedder")
    assert clay.default_cfgs["clay_v1_base"].default.hf_hub_id == ENTRIES["clay-v1"].sizes[0].repo
    assert clay.default_cfgs["clay_v1_base"].default.hf_hub_filename == ENTRIES["clay-v1"].sizes[0].filename
    assert len(clay.Embedder.default_out_indices) == ENTRIES["clay-v1"].sizes[0].depth
    for entry in ENTRIES.values():
        if entry.reader == "clay":
            continue
        module = prithvi if entry.reader == "prithvi" else terramind
        for size in entry.sizes:
            address, _, variant = size.constructor.partition(":")
            assert address == module.__name__
            published = module.pretrained_weights[variant]
            assert (size.repo, size.filename) == (published["hf_hub_id"], published["hf_hub_filename"])
            if module is prithvi:
                config = prithvi.prithvi_cfgs[variant]
                assert config["depth"] == size.depth
                assert config["img_size"] // config["patch_size"][1] == (size.grid or entry.grid)
                assert bool(config["coords_encoding"]) == entry.name.endswith("-tl")
            else:
                assert getattr(terramind, variant)()["encoder_depth"] == size.depth


# --- known answers ----------------------------------------------------------------------------------------------------


def generated(name: str, folder: Path) -> tuple[ModelSpec, Any]:
    """Save generated weights of the smallest size in the published layout; return its spec and TerraTorch's model."""
    entry = ENTRIES[name]
    size = entry.sizes[-1]
    spec = SPECS[name]
    path = folder / f"{name}.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if entry.reader == "prithvi":
            # The published files hold encoder and decoder, and positions of four frames.
            whole = resolve(f"{size.constructor}_mae")(num_frames=4)
            model = resolve(size.constructor)(num_frames=1)
            randomized(whole)
            inner = {k: v for k, v in whole.encoder.state_dict().items() if k != "pos_embed"}
            model.load_state_dict(inner, strict=False)
            state = whole.state_dict()
        elif entry.reader == "clay":
            # As Lightning saves it: encoder, decoder and the teacher of its training.
            with small_clay():
                model = randomized(resolve(size.constructor)())
            inner = {f"model.encoder.{key}": value for key, value in model.clay_encoder.state_dict().items()}
            others = {"model.decoder.mask_patch": torch.zeros(8), "model.teacher.cls_token": torch.zeros(1, 1, 8)}
            state = {"state_dict": inner | others, "hyper_parameters": {"mask_ratio": 0.7}}
            spec = make_geofm_spec(SMALL_CLAY)
        else:
            model = resolve(size.constructor)(**entry.arguments)
            randomized(model)
            more = {"decoder.0.norm1.weight": torch.ones(192), "mask_token": torch.zeros(1, 1, 192)}
            state = {**model.state_dict(), **more, "encoder_embeddings.untok_dem@224.mod_emb": torch.zeros(1, 1, 192)}
    torch.save(state, path)
    preset = replace(spec.preset(size.name), weights=FileWeights(path=path))
    return replace(spec, presets=(preset,)), model.eval()


def problem(spec: ModelSpec, answer: Golden) -> str:
    preset = spec.presets[0]
    assert isinstance(preset.weights, FileWeights)
    encoder = resolve(spec.factory)(
        ModelContext(model=spec.name, preset=preset.name, seed=0, checkpoint=preset.weights.path)
    ).eval()

    def encode(wanted: Representation, batch: Batch) -> Tensor:
        with torch.inference_mode():
            return encoder.encode(batch, wanted)  # type: ignore[no-any-return]

    return known_answer_problem(spec.name, preset, answer, encode)


def digital(names: tuple[str, ...], mean: list[float], std: list[float], seed: int) -> tuple[GoldenImage, Tensor]:
    values = column(mean) + column(std) * (2 * scene(len(names), 224, seed=seed) - 0.6)
    return reflectance(names, values), tensor((values - column(mean)) / column(std))


def vector(tokens: Tensor) -> NDArray[np.float32]:
    return tokens[0].mean(dim=0).numpy()  # type: ignore[no-any-return]


@NEEDED
def test_prithvi_answers_as_terratorch_with_and_without_place_and_date(folder: Path) -> None:
    spec, model = generated("prithvi-v2-tl", folder)
    image, values = digital(HLS, HLS_MEAN, HLS_STD, seed=1)
    # 2020-12-30, a leap year's day 365; longitude 11.5, latitude 48.
    dated, lonlat = replace(image, dates=[18_626.0]), (11.5, 48.0)
    date, place = torch.tensor([[[2020.0, 365.0]]]), torch.tensor([[48.0, 11.5]])
    with torch.inference_mode():
        blocks = model.forward_features(values, date, place)
        answers = {
            "all": Golden(name="all", images={"s2": dated}, lonlat=lonlat, expected=vector(blocks[-1][:, 1:])),
            "class": Golden(
                name="class",
                images={"s2": dated},
                lonlat=lonlat,
                representation=Representation("pooled", ("s2",), pooling="cls"),
                expected=blocks[-1][0, 0].numpy(),
            ),
            "grid": Golden(
                name="grid",
                images={"s2": dated},
                lonlat=lonlat,
                representation=Representation("tokens", ("s2",), layers=(3,)),
                expected=blocks[3][0, 1:].T.reshape(-1, 14, 14).numpy(),
            ),
            "date": Golden(
                name="date", images={"s2": dated}, expected=vector(model.forward_features(values, date)[-1][:, 1:])
            ),
            "nothing": Golden(
                name="nothing", images={"s2": image}, expected=vector(model.forward_features(values)[-1][:, 1:])
            ),
        }
    for answer in answers.values():
        assert problem(spec, answer) == "", answer.name
    assert problem(spec, replace(answers["all"], lonlat=(48.0, 11.5))) != ""
    assert problem(spec, replace(answers["date"], expected=answers["nothing"].expected)) != ""


@NEEDED
def test_terramind_answers_as_terratorch(folder: Path) -> None:
    spec, model = generated("terramind-v1", folder)
    s2, optical = digital(L2A, L2A_MEAN, L2A_STD, seed=2)
    decibels = column([-25, -32]) + 25 * scene(2, 224, seed=3)
    s1, radar = power(decibels), tensor((decibels - column([-12.599, -20.293])) / column([5.195, 5.890]))
    shown = (255 * scene(3, 224, seed=4)).round()
    picture = GoldenImage(bands=dict(zip(("red", "green", "blue"), shown, strict=True)), unit=Unit.UINT8)
    rgb = tensor((shown - column([87.271, 80.931, 66.667])) / column([58.767, 47.663, 42.631]))
    with torch.inference_mode():
        both = model({"S2L2A": optical, "S1GRD": radar})
        answers = [
            Golden(name="both", images={"s2": s2, "s1": s1}, expected=vector(both[-1])),
            Golden(name="optical", images={"s2": s2}, expected=vector(model({"S2L2A": optical})[-1])),
            Golden(name="radar", images={"s1": s1}, expected=vector(model({"S1GRD": radar})[-1])),
            Golden(name="picture", images={"rgb": picture}, expected=vector(model({"RGB": rgb})[-1])),
            Golden(
                name="grid",
                images={"s2": s2, "s1": s1},
                representation=Representation("tokens", ("s2", "s1"), layers=(5,)),
                expected=both[5][0].T.reshape(-1, 14, 14).numpy(),
            ),
        ]
    for answer in answers:
        assert problem(spec, answer) == "", answer.name


@NEEDED
def test_clay_answers_as_terratorch_with_and_without_place_and_date(folder: Path) -> None:
    """Place and time as circles: normalize_latlon and normalize_timestamp of Clay-foundation/model's tutorials."""
    spec, model = generated("clay-v1", folder)
    names = ("B4", "B8", "B2", "B11")
    mean, std = column([1552, 2743, 1105, 2388]), column([1888, 1742, 1809, 1470])
    values = mean + std * (2 * scene(4, 256, seed=5) - 0.6)
    image, pixels = replace(reflectance(names, values), gsd_m=20.0), tensor((values - mean) / std)
    waves = torch.tensor([0.665, 0.842, 0.493, 1.61])
    # Wednesday 2020-12-30, week 53, 18 hours.
    turns = 2 * np.pi * np.array([53 / 52, 18 / 24])
    time = torch.tensor([[np.sin(turns[0]), np.cos(turns[0]), np.sin(turns[1]), np.cos(turns[1])]]).float()
    lat, lon = np.radians(48.0), np.radians(11.5)
    place = torch.tensor([[np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)]]).float()
    decibels = column([-25, -32]) + 25 * scene(2, 256, seed=6)
    radar = tensor((10 ** (decibels / 10) - column([0.123273, 0.027337])) / column([1.492154, 0.122182]))
    marks = torch.tensor([3.5, 4.0])

    def forward(x: Tensor, time: Tensor | None, latlon: Tensor | None, waves: Tensor, gsd: float) -> list[Tensor]:
        cube = model.datacuber(x=x, time=time, latlon=latlon, waves=waves, gsd=gsd)
        return model.clay_encoder(cube)  # type: ignore[no-any-return]

    with torch.inference_mode():
        blocks = forward(pixels, time, place, waves, 20.0)
        answers = [
            Golden(
                name="all",
                images={"s2": replace(image, dates=[18_626.75])},
                lonlat=(11.5, 48.0),
                expected=blocks[-1][0, 0].numpy(),
            ),
            Golden(
                name="grid",
                images={"s2": replace(image, dates=[18_626.75])},
                lonlat=(11.5, 48.0),
                representation=Representation("tokens", ("s2",), layers=(1,)),
                expected=blocks[1][0, 1:].T.reshape(-1, 32, 32).numpy(),
            ),
            Golden(
                name="nothing",
                images={"s2": replace(image, gsd_m=None)},
                expected=forward(pixels, None, None, waves, 10.0)[-1][0, 0].numpy(),
            ),
            Golden(
                name="radar",
                images={"s1": power(decibels)},
                expected=forward(radar, None, None, marks, 10.0)[-1][0, 0].numpy(),
            ),
        ]
    for answer in answers:
        assert problem(spec, answer) == "", answer.name
    assert problem(spec, replace(answers[0], lonlat=(48.0, 11.5))) != ""


# --- loading and conformance ------------------------------------------------------------------------------------------


@NEEDED
@pytest.mark.parametrize("name", sorted(set(ENTRIES) - {"prithvi-v2"}))
def test_a_file_that_lacks_a_tensor_or_has_another_is_refused(name: str, folder: Path, tmp_path: Path) -> None:
    spec, _ = generated(name, folder)
    weights: Any = spec.presets[0].weights
    state = torch.load(weights.path, weights_only=True)
    context = ModelContext(model=name, preset=spec.presets[0].name, seed=0, checkpoint=tmp_path / "w.pt")
    state = state.get("state_dict", state)
    some = next(key for key in state if "encoder." in key and ("norm1.weight" in key or "norm.weight" in key))
    other = f"{some.partition('encoder.')[0]}encoder.other"
    lacking = {key: value for key, value in state.items() if key != some}
    for broken in (lacking, state | {other: torch.zeros(2)}, state | {some: torch.zeros(3)}):
        torch.save(broken, tmp_path / "w.pt")
        with pytest.raises(CheckpointError, match=f"give {ENTRIES[name].sizes[-1].filename} of"):
            resolve(spec.factory)(context)
    with pytest.raises(CheckpointError, match="are not here"):
        load(replace(context, checkpoint=None))


@NEEDED
@pytest.mark.parametrize("check", BEHAVIOUR, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(set(ENTRIES) - {"prithvi-v2"}))
def test_the_smallest_size_conforms(name: str, check: Any, folder: Path) -> None:
    spec, _ = generated(name, folder)
    # Grids of where it ends and of several layers, beside the vectors.
    preset = spec.presets[0]
    offers = tuple(o for o in preset.offers if o.of == preset.accepts[-1] and len(o.layers) != 1)
    spec = replace(spec, presets=(replace(preset, offers=offers),))
    check(spec, spec.presets[0])
