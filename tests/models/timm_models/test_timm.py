"""timm's models by name: what they take is what timm says, and their weights come from a file or from the seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import timm
import torch
from PIL import Image
from rasterio.transform import from_origin
from timm.data import create_transform, resolve_data_config
from typer.testing import CliRunner

import gairbench as gb
from gairbench import (
    RGB,
    Category,
    DataContext,
    DatasetSpec,
    ImageInput,
    Kind,
    Modality,
    ModelContext,
    ModelSpec,
    TaskSpec,
    Unit,
)
from gairbench.batch import Batch, Images
from gairbench.cli import app
from gairbench.conversion import make_converter
from gairbench.data import ArraySplit
from gairbench.errors import CheckpointError, UsageError
from gairbench.inputs import Rendering
from gairbench.published import TimmWeights
from gairbench.representation import RS, RS_TOKENS, Representation
from gairbench.sensors import band
from gairbench.spec import resolve
from gairbench.testing import parametrize_with_model_checks
from gairbench.weights.sources import find_file, how_to_get
from gairbench_models.timm_models.declaration import make_timm_spec
from gairbench_models.timm_models.encoder import load

TINY = ("test_vit", "test_resnet")
SPECS = [make_timm_spec(name) for name in TINY]


@pytest.mark.usefixtures("little_work")
@parametrize_with_model_checks(SPECS)
def test_untrained_architectures_conform(check: object) -> None:
    assert callable(check)
    check()


def batch(values: torch.Tensor) -> Batch:
    images = Images(
        values=values,
        bands=tuple(map(band, RGB)),
        units=(Unit.UINT8,) * 3,
        valid=torch.ones(len(values), dtype=torch.bool),
    )
    return Batch(images={"rs": images})


def context(spec: ModelSpec, checkpoint: Path | None = None, seed: int = 0) -> ModelContext:
    return ModelContext(model=spec.name, preset="default", seed=seed, checkpoint=checkpoint)


def rs(spec: ModelSpec) -> ImageInput:
    (found,) = [i for i in spec.presets[0].inputs if i.modality is Modality.RS]
    assert isinstance(found, ImageInput)
    return found


def test_a_name_is_the_untrained_architecture_and_a_tag_its_published_weights() -> None:
    untrained, trained = make_timm_spec("resnet18"), make_timm_spec("resnet18.a1_in1k")
    assert untrained.presets[0].weights is None
    assert untrained.seeded
    assert "untrained" in untrained.description
    assert trained.presets[0].weights == TimmWeights(tag="resnet18.a1_in1k", licence="apache-2.0")
    assert not trained.seeded
    assert trained.licence == "apache-2.0"
    assert timm.__version__ in trained.version


def test_weights_at_an_address_alone_are_found_where_torch_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    source = make_timm_spec("gcvit_xxtiny.in1k").presets[0].weights
    assert isinstance(source, TimmWeights)
    assert find_file(source, tmp_path) is None
    assert "gcvit" in how_to_get(source, tmp_path)


def test_unknown_names_and_tags_name_near_ones() -> None:
    with pytest.raises(UsageError, match=r"no timm model 'resnet81'; did you mean .*resnet18"):
        make_timm_spec("resnet81")
    with pytest.raises(UsageError, match=r"no weights 'a1_in2k' of timm:resnet18; did you mean .*a1_in1k"):
        make_timm_spec("resnet18.a1_in2k")


@pytest.mark.parametrize("name", ["test_resnet.r160_in1k", "resnet18", "vit_base_patch16_clip_224.openai"])
def test_normalization_is_that_of_timm_s_own_transform(name: str) -> None:
    spec = make_timm_spec(name)
    declared = rs(spec)
    assert declared.size is not None
    pixels = np.random.default_rng(0).integers(0, 256, (declared.size, declared.size, 3), dtype=np.uint8)
    config = resolve_data_config(timm.get_pretrained_cfg(name).to_dict()) | {"crop_pct": 1.0}
    expected = create_transform(**config)(Image.fromarray(pixels))
    delivered = ImageInput(modality=Modality.RS, size=declared.size)
    found = make_converter(delivered, declared)(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=0)


def test_seed_decides_untrained_weights() -> None:
    spec = SPECS[0]
    first, again, other = (load(context(spec, seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", TINY)
def test_a_file_of_weights_gives_what_timm_computes_with_it(name: str, tmp_path: Path) -> None:
    spec = make_timm_spec(f"{name}.r160_in1k")
    model = timm.create_model(name, pretrained=False).eval()
    path = tmp_path / "w.pth"
    torch.save(model.state_dict(), path)
    encoder = resolve(spec.factory)(context(spec, path)).eval()
    images = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = model.forward_features(images)
        expected = model.forward_head(features, pre_logits=True)
        torch.testing.assert_close(encoder.encode(batch(images), RS), expected)
        grid = encoder.encode(batch(images), RS_TOKENS)
        tokens = features if features.ndim == 4 else features[:, model.num_prefix_tokens :].mT.unflatten(2, (10, 10))
        torch.testing.assert_close(grid, tokens)


def test_layers_of_one_size_are_offered_together() -> None:
    vit, resnet = ([o for o in spec.presets[0].offers if o.form == "tokens"] for spec in SPECS)
    # The layers of a convolutional network have several sizes.
    assert resnet == [RS_TOKENS, *(Representation("tokens", ("rs",), layers=(layer,)) for layer in range(5))]
    assert vit[0] == RS_TOKENS
    offered = make_timm_spec("vit_tiny_patch16_224").presets[0].offers
    assert offered[:2] == (RS_TOKENS, Representation("tokens", ("rs",), layers=(2, 5, 8, 11)))
    encoder = load(context(make_timm_spec("vit_tiny_patch16_224"))).eval()
    with torch.inference_mode():
        grids = encoder.encode(batch(torch.zeros(1, 3, 224, 224)), offered[1])
        last = encoder.encode(batch(torch.zeros(1, 3, 224, 224)), offered[0])
    assert grids.shape == (1, 4, 192, 14, 14)
    torch.testing.assert_close(grids[:, -1], last)


@pytest.mark.parametrize(
    ("name", "own", "prefix"),
    [
        ("vit_tiny_patch16_224", "cls", 1),
        ("deit_tiny_distilled_patch16_224", "cls", 2),
        ("eva02_tiny_patch14_224", "mean", 1),
    ],
)
def test_poolings_and_layers_of_a_transformer_are_its_own_tokens(name: str, own: str, prefix: int) -> None:
    spec = make_timm_spec(name)
    preset = spec.presets[0]
    vectors = [o for o in preset.offered() if o.form == "pooled" and o.of == ("rs",)]
    assert vectors[0] == RS
    assert [o.pooling for o in vectors[1:3]] == [own, {"cls": "mean", "mean": "cls"}[own]]
    assert {o.of for o in preset.offered() if o.pooling == "cls"} == {("rs",), ("sv",)}
    encoder = load(context(spec)).eval()
    model = encoder.model
    assert {o.layers for o in vectors} == {(), *((layer,) for layer in range(len(model.blocks)))}
    size = rs(spec).size
    assert size is not None
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    kept: list[torch.Tensor] = []
    hook = model.blocks[1].register_forward_hook(lambda *call: kept.append(call[2]))
    with torch.inference_mode():
        end = model.forward_features(images)
        tokens = {(): end, (1,): model.norm(kept[0])}
        for layers, after in tokens.items():
            for pooling, expected in (("cls", after[:, 0]), ("mean", after[:, prefix:].mean(1))):
                wanted = Representation("pooled", ("rs",), layers=layers, pooling=pooling)
                assert wanted in vectors
                torch.testing.assert_close(encoder.encode(batch(images), wanted), expected, atol=1e-5, rtol=1e-5)
    hook.remove()


def test_layers_of_a_convolutional_network_are_the_means_of_its_maps() -> None:
    spec = SPECS[1]
    vectors = [o for o in spec.presets[0].offered() if o.form == "pooled" and o.of == ("rs",)]
    assert {o.pooling for o in vectors} == {"", "mean"}
    encoder = load(context(spec)).eval()
    images = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for layer, channels in enumerate(info["num_chs"] for info in encoder.model.feature_info):
            grid, vector = (
                encoder.encode(batch(images), Representation(form, ("rs",), layers=(layer,), pooling=pooling))
                for form, pooling in (("tokens", ""), ("pooled", "mean"))
            )
            assert grid.shape[:2] == (2, channels)
            torch.testing.assert_close(vector, grid.mean((2, 3)))


@pytest.mark.parametrize("name", ["test_resnet", "test_resnet.r160_in1k"])
def test_a_file_that_lacks_a_tensor_or_has_another_s_is_refused(name: str, tmp_path: Path) -> None:
    spec = make_timm_spec(name)
    state = timm.create_model("test_resnet").state_dict()
    state.pop(next(key for key in state if key.endswith("bn1.bias")))
    path = tmp_path / "w.pth"
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"w\.pth does not hold the weights of timm:test_resnet.*Missing key"):
        load(context(spec, path))
    torch.save(timm.create_model("test_vit").state_dict(), path)
    with pytest.raises(CheckpointError, match="does not hold"):
        load(context(spec, path))


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of Sentinel-2 tiles of four bands, and a task file over red, green, blue pictures."""
    for name in ("GAIRBENCH_CACHE", "HF_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    rng = np.random.default_rng(0)
    rows = ["id,rs"]
    for number in range(24):
        label = "ab"[number % 2]
        values = rng.integers(200, 1500 + 1500 * (label == "b"), (4, 16, 16)).astype(np.uint16)
        path = tmp_path / "tiles" / label / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        place = {"crs": "EPSG:32632", "transform": from_origin(500_000 + 400 * number, 5_000_000, 10, 10)}
        with rasterio.open(path, "w", driver="GTiff", count=4, height=16, width=16, dtype="uint16", **place) as file:
            file.write(values)
            file.descriptions = ("B2", "B3", "B4", "B8")
        rows.append(f"{number},tiles/{label}/{number}.tif")
        picture = tmp_path / "pictures" / label / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((values[[2, 1, 0]].transpose(1, 2, 0) / 12).astype(np.uint8)).save(picture)
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "pictures.yaml").write_text(
        """
datasets:
  pictures:
    licence: CC0-1.0
    synthetic: true
    images: {modality: rs, folder: pictures, pattern: "*/*.png", unit: uint8, size: 16}
    split: {by: random, stratify: folder}
  tiles:
    licence: CC0-1.0
    synthetic: true
    images: {modality: rs, folder: tiles, pattern: "*/*.tif", unit: s2_dn, bands: [B2, B3, B4, B8], size: 16}
    split: {by: random, stratify: folder}
tasks:
  - {name: picture-type, dataset: pictures, label: folder, kind: classification}
  - {name: tile-type, dataset: tiles, label: folder, kind: classification}
"""
    )
    return tmp_path


def run(folder: Path, model: str, *more: str, status: int = 0) -> str:
    arguments = ["run", "--model", model, "--task-file", str(folder / "pictures.yaml"), "--data-root", str(folder)]
    done = CliRunner().invoke(app, [*arguments, "--results", str(folder / "results"), *more])
    assert done.exit_code == status, done.output
    return done.output


def test_run_evaluates_an_untrained_architecture_on_pictures_and_skips_measurements(tiles: Path) -> None:
    output = run(tiles, "timm:test_resnet")
    assert "timm:test_resnet" in output
    assert "images are in unit s2_dn" in output or "needs band" in output
    folder = tiles / "results" / "timm+test_resnet" / "default-seed0"
    assert (folder / "picture-type").is_dir()
    assert "2 ok" in output


def test_missing_weights_are_a_visible_skip_with_the_way_to_get_them(tiles: Path) -> None:
    output = run(tiles, "timm:test_resnet.r160_in1k", "--dry-run", status=1)
    assert "add --download to fetch model.safetensors of timm/test_resnet.r160_in1k (apache-2.0)" in output
    assert not (tiles / "HF_HOME").exists()


def test_a_checkpoint_is_given_by_the_model_s_name(tiles: Path) -> None:
    path = tiles / "w.pth"
    torch.save(timm.create_model("test_resnet").state_dict(), path)
    output = run(tiles, "timm:test_resnet.r160_in1k", "--checkpoint", f"timm:test_resnet.r160_in1k={path}")
    assert "2 ok" in output


def test_measurements_reach_it_through_a_declared_rendering_alone(tiles: Path) -> None:
    arguments = ["embed", "--model", "timm:test_vit", "--views", "rs", "--rs-unit", "s2_dn", "--device", "cpu"]
    arguments += ["--input", str(tiles / "table.csv"), "--out", str(tiles / "out.parquet")]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code != 0
    rendering = [word for pair in ("bands=B4,B3,B2", "low=0", "high=3000") for word in ("--rs-rendering", pair)]
    done = CliRunner().invoke(app, [*arguments, *rendering])
    assert done.exit_code == 0, done.output
    assert len(pq.read_table(tiles / "out.parquet")) == 24


class Rendered:
    """Measurements of two classes."""

    def __init__(self, context: DataContext) -> None:
        pass

    def fingerprint(self) -> str:
        return "1"

    def classes(self, target: str) -> tuple[str, ...]:
        return ("a", "b")

    def split(self, name: str) -> ArraySplit:
        rng = np.random.default_rng(["train", "val", "test"].index(name))
        label = np.arange(20) % 2
        values = rng.uniform(0, 1000, (20, 3, 16, 16)) + 1500 * label[:, None, None, None]
        return ArraySplit([f"{name}-{i}" for i in range(20)], {"image": values.astype(np.float32)}, {"kind": label})


def test_a_dataset_s_rendering_is_run_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    shown = Rendering(bands=("B4", "B3", "B2"), low=0, high=3000)
    image = ImageInput(modality=Modality.RS, bands=("B2", "B3", "B4"), unit=Unit.S2_DN, size=16, rendering=shown)
    dataset = DatasetSpec(name="rendered", version=1, factory=Rendered, delivers=(image,))
    task = TaskSpec(
        name="rendered-kind",
        version=1,
        category=Category.RS,
        family="test",
        kind=Kind.CLASSIFICATION,
        dataset=dataset,
        target="kind",
        inputs=(Modality.RS,),
        metric="accuracy",
        synthetic=True,
    )
    done = gb.run(model="timm:test_vit", task=task, results=tmp_path / "results", device="cpu", quiet=True)
    assert done.ok, done.failed
    for record in done:
        assert record.model == "timm:test_vit"
        assert record.checkpoint.startswith("init:")
        assert record.conversion["rs"]["rs"]["rendering"]["high"] == 3000


def test_map_takes_its_token_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = tmp_path / "scene.tif"
    values = np.random.default_rng(0).integers(0, 256, (3, 200, 200)).astype(np.uint8)
    place = {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_000_000, 10, 10)}
    with rasterio.open(scene, "w", driver="GTiff", count=3, height=200, width=200, dtype="uint8", **place) as file:
        file.write(values)
        file.descriptions = RGB
    gb.map(scene, tmp_path / "map.tif", "uint8", model="timm:test_resnet", device="cpu", quiet=True)
    with rasterio.open(tmp_path / "map.tif") as made:
        assert made.count == timm.create_model("test_resnet").num_features


def test_a_spec_is_made_without_importing_the_encoder() -> None:
    program = "from gairbench.plugins import load_registry; import sys; load_registry(strict=True)"
    program += "; assert not {'timm', 'torch', 'torchgeo'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True)
