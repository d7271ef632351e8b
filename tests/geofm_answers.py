"""Known answers of geo-foundation models: TorchGeo's own models on values normalized by hand, as their authors do it.

The weights are those of :mod:`geofm_small`. Samples are given in other units than the models take. Where values become
bytes, they lie in the middle between two bytes, so that rounding decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from geofm_small import DEPTH, reference
from numpy.typing import NDArray
from torch import Tensor

from gairbench import Representation, Unit
from gairbench.golden import Golden, GoldenImage

Bands = Mapping[str, NDArray[np.float64]]

S2A_MEAN = [752.40087073, 884.29673756, 1144.16202635, 1297.47289228, 1624.90992062, 2194.6423161, 2422.21248945]
S2A_MEAN += [2517.76053101, 2581.64687018, 2645.51888987, 2368.51236873, 1805.06846033]
S2A_STD = [1108.02887453, 1155.15170768, 1183.6292542, 1368.11351514, 1370.265037, 1355.55390699, 1416.51487101]
S2A_STD += [1474.78900051, 1439.3086061, 1582.28010962, 1455.52084939, 1343.48379601]
L2A = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
LANDSAT = {"landsat-8:B4": 0.655, "landsat-8:B5": 0.865, "landsat-8:B3": 0.56, "landsat-8:B7": 2.2}
"""Bands that no model here was trained on by name, and their wavelengths in micrometres: the middle of USGS' ranges."""


def scene(count: int, size: int, seed: int) -> NDArray[np.float64]:
    """Return bands with coarse shapes and fine noise, from 0 to 1, that no two of are alike."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.random((count, 4, 4)), np.ones((size // 4, size // 4)))
    return 0.8 * coarse + 0.2 * rng.random((count, size, size))


def tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)[None]


def ends(mean: Any, std: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what becomes 0 and what becomes 255, by band."""
    middle, width = np.asarray(mean)[:, None, None], np.asarray(std)[:, None, None]
    return middle - 2 * width, middle + 2 * width


def between_bytes(shares: NDArray[np.float64], low: Any, high: Any) -> NDArray[np.float64]:
    """Return values from ``low`` to ``high``, each in the middle of those that become one byte."""
    return low + (np.floor(shares * 254) + 0.5) / 255 * (high - low)


def as_bytes(values: NDArray[np.float64], low: Any, high: Any) -> NDArray[np.float64]:
    return np.clip((values - low) / (high - low) * 255, 0, 255).astype(np.uint8).astype(np.float64)


def reflectance(names: Any, digital: NDArray[np.float64]) -> GoldenImage:
    return GoldenImage(bands=dict(zip(names, digital / 10_000, strict=True)), unit=Unit.REFLECTANCE, gsd_m=10.0)


def power(decibels: NDArray[np.float64]) -> GoldenImage:
    return GoldenImage(bands=dict(zip(("VV", "VH"), 10 ** (decibels / 10), strict=True)), unit=Unit.POWER, gsd_m=10.0)


def column(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)[:, None, None]


def after_blocks(blocks: Any, run: Callable[[], object]) -> list[Tensor]:
    """Return the tokens after each block: what enters the first one in a run, put through all by hand."""
    entered: list[Tensor] = []
    handle = blocks[0].register_forward_pre_hook(lambda _, given: entered.append(given[0].clone()))
    run()
    handle.remove()
    (tokens,) = entered
    after = []
    for block in blocks:
        tokens = block(tokens)
        after.append(tokens)
    return after


def readouts(
    of: tuple[str, ...],
    images: Mapping[str, GoldenImage],
    after: Sequence[Tensor],
    end: Tensor,
    grid: int,
    lonlat: tuple[float, float] | None = None,
) -> Iterator[Golden]:
    """Yield vectors and grids of a sample's tokens, class token first, where a model ends and after blocks."""

    def as_grid(tokens: Tensor) -> Any:
        return tokens[0, 1:].T.reshape(-1, grid, grid).numpy()

    def golden(what: str, expected: Any, form: Any, layers: tuple[int, ...] = (), pooling: Any = "") -> Golden:
        wanted = Representation(form, of, layers=layers, pooling=pooling)
        return Golden(name=what, images=images, lonlat=lonlat, representation=wanted, expected=expected)

    for tokens, layers in ((end, ()), (after[1], (1,))):
        said = f" after block {layers}"
        yield golden(f"class token{said}", tokens[0, 0].numpy(), "pooled", layers, "cls")
        yield golden(f"mean{said}", tokens[0, 1:].mean(dim=0).numpy(), "pooled", layers, "mean")
        yield golden(f"grid{said}", as_grid(tokens), "tokens", layers)
    yield golden("grids of all blocks", np.stack([*map(as_grid, after)]), "tokens", tuple(range(DEPTH)))


def answers(model: str, preset: str) -> Iterator[Golden]:
    """Known answers of one of the models; each has one preset at four blocks."""
    del preset
    with torch.inference_mode():
        yield from {"croma": croma, "dofa": dofa, "panopticon": panopticon, "copernicus-fm": copernicus_fm}[model]()


def croma() -> Iterator[Golden]:
    """README.md of github.com/antofuller/CROMA, with the statistics of its corpus in place of a batch's."""
    model = reference("croma")
    low, high = ends(S2A_MEAN, S2A_STD)
    digital = between_bytes(0.45 + 0.5 * scene(12, 120, seed=1), low, high)
    optical = tensor(as_bytes(digital, low, high) / 255)
    low, high = ends([-12.54847273, -20.19237134], [5.25697717, 5.91150917])
    decibels = between_bytes(scene(2, 120, seed=2), low, high)
    radar = tensor(as_bytes(decibels, low, high) / 255)
    s2, s1 = reflectance(L2A, digital), power(decibels)
    found = model(x_sar=radar, x_optical=optical)
    yield Golden(name="optical", images={"s2": s2}, expected=found["optical_GAP"][0].numpy())
    yield Golden(name="radar", images={"s1": s1}, expected=found["sar_GAP"][0].numpy())
    yield Golden(name="joint", images={"s2": s2, "s1": s1}, expected=found["joint_GAP"][0].numpy())
    tokens = found["joint_encodings"][0].T.reshape(-1, 15, 15).numpy()
    grid = Representation("tokens", ("s2", "s1"))
    yield Golden(name="joint grid", images={"s2": s2, "s1": s1}, representation=grid, expected=tokens)
    yield Golden(
        name="first block",
        images={"s2": s2},
        representation=Representation("tokens", ("s2",), layers=(0,)),
        expected=first_block(model, optical)[0].T.reshape(-1, 15, 15).numpy(),
    )
    for of, tokens, layers in (
        (("s2",), found["optical_encodings"], ()),
        (("s2",), first_block(model, optical), (0,)),
        (("s1",), found["sar_encodings"], ()),
        (("s2", "s1"), found["joint_encodings"], ()),
    ):
        yield Golden(
            name=f"mean of {' and '.join(of)} {layers}",
            images={name: {"s2": s2, "s1": s1}[name] for name in of},
            representation=Representation("pooled", of, layers=layers, pooling="mean"),
            expected=tokens[0].mean(dim=0).numpy(),
        )


def first_block(model: Any, optical: Tensor) -> Tensor:
    """Return the tokens after the first block of CROMA's optical encoder, written out."""
    encoder = model.s2_encoder
    patches = optical.unfold(2, 8, 8).unfold(3, 8, 8)  # batch, band, row, column, 8, 8
    tokens = encoder.linear_input(patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2))
    attention, network = encoder.transformer.layers[0]
    tokens = attention(tokens, model.attn_bias) + tokens
    return network(tokens) + tokens  # type: ignore[no-any-return]


def dofa() -> Iterator[Golden]:
    """README.md and demo.ipynb of github.com/zhu-xlab/DOFA: bytes, standardized."""
    model = reference("dofa")
    waves = [0.665, 0.56, 0.49, 0.705, 0.74, 0.783, 0.842, 1.61, 2.19]
    names = ("B4", "B3", "B2", "B5", "B6", "B7", "B8", "B11", "B12")
    mean = column([114.1099739, 114.81779093, 126.63977424, 84.33539309, 97.84789168])
    mean = np.concatenate([mean, column([103.94461911, 101.435633, 72.32804172, 56.66528851])])
    std = column([77.84352553, 69.96844919, 67.42465279, 64.57022983, 61.72545487])
    std = np.concatenate([std, column([61.34187099, 60.29744676, 47.88519516, 42.55886798])])
    white = column([3_558] * 3 + [8_160] * 6)
    # Some are brighter than white.
    digital = between_bytes(scene(9, 224, seed=3), 0, white) * column([1.5, *[1] * 8])
    bytes_ = as_bytes(digital, 0, white)
    expected = model.forward_features(tensor((bytes_ - mean) / std), waves)
    yield Golden(name="sentinel-2", images={"s2": reflectance(names, digital)}, expected=expected[0].numpy())
    after = after_blocks(model.blocks, lambda: model.forward_features(tensor((bytes_ - mean) / std), waves))
    yield from readouts(("s2",), {"s2": reflectance(names, digital)}, after, after[-1], grid=14)
    some = [0, 3, 6, 8]
    fewer = model.forward_features(tensor(((bytes_ - mean) / std)[some]), [waves[i] for i in some])
    bands = reflectance([names[i] for i in some], digital[some])
    yield Golden(name="some bands", images={"s2": bands}, expected=fewer[0].numpy())
    decibels = column([-25, -32]) + 25 * scene(2, 224, seed=4)
    radar = tensor((decibels - column([-12.548, -20.192])) / column([5.257, 5.912]))
    yield Golden(
        name="sentinel-1",
        images={"s1": power(decibels)},
        expected=model.forward_features(radar, [3.75, 3.75])[0].numpy(),
    )
    picture = (255 * scene(3, 224, seed=5)).round()
    shown = tensor((picture - column([123.675, 116.28, 103.53])) / column([58.395, 57.12, 57.375]))
    yield Golden(
        name="picture",
        images={"rgb": GoldenImage(bands=dict(zip(("red", "green", "blue"), picture, strict=True)), unit=Unit.UINT8)},
        expected=model.forward_features(shown, [0.665, 0.56, 0.49])[0].numpy(),
    )
    image, values = landsat()
    yield Golden(
        name="landsat",
        images={"any": image},
        expected=model.forward_features(values, list(LANDSAT.values()))[0].numpy(),
    )


def landsat() -> tuple[GoldenImage, Tensor]:
    """Return an image of a sensor that no model was trained on, and its values by the round statistics of the unit."""
    values = scene(4, 224, seed=6) * column([0.2, 0.6, 0.2, 0.4])
    image = GoldenImage(bands=dict(zip(LANDSAT, values, strict=True)), unit=Unit.REFLECTANCE, gsd_m=30.0)
    return image, tensor((values - 0.2) / 0.15)


def panopticon() -> Iterator[Golden]:
    """README.md of github.com/Panopticon-FM/panopticon: standardized channels and their identities."""
    model = reference("panopticon")
    names = ("B3", "B8A", "B1", "B12", "B5")
    mean = column([1338.4231, 2262.4558, 1569.1970, 1501.4686, 1537.2856])
    std = column([690.2477, 1278.2103, 517.7932, 1134.5983, 994.4599])
    digital = mean + 2 * std * (scene(5, 224, seed=7) - 0.3)
    decibels = column([-25, -32]) + 25 * scene(2, 224, seed=8)
    radar = (decibels - column([-12.59, -20.26])) / column([5.26, 5.91])
    optical = (digital - mean) / std
    waves = [559.5987534818435, 864.7801257644385, 442.922568734037, 2203.6182057820033, 704.0059319834206]
    s2, s1 = reflectance(names, digital), power(decibels)
    both = tensor(np.concatenate([optical, radar]))

    def vector(images: Tensor, channels: list[float]) -> Any:
        return model({"imgs": images, "chn_ids": torch.tensor([channels])})[0].numpy()

    yield Golden(name="joint", images={"s2": s2, "s1": s1}, expected=vector(both, [*waves, -1, -2]))
    yield Golden(name="optical", images={"s2": s2}, expected=vector(tensor(optical), waves))
    yield Golden(name="radar", images={"s1": s1}, expected=vector(tensor(radar), [-1, -2]))
    picture = (255 * scene(3, 224, seed=9)).round()
    shown = (picture - column([104.55944194258717, 106.19051077034885, 100.09524832336331])) / column(
        [68.97789839437421, 66.91165970478865, 69.09505694641828]
    )
    yield Golden(
        name="picture",
        images={"rgb": GoldenImage(bands=dict(zip(("red", "green", "blue"), picture, strict=True)), unit=Unit.UINT8)},
        expected=vector(tensor(shown), [665.031763, 547.272289, 482.417803]),
    )
    image, values = landsat()
    channels = torch.tensor([[wave * 1_000 for wave in LANDSAT.values()]])
    features = model.model.forward_features({"imgs": values, "chn_ids": channels})
    yield Golden(name="landsat", images={"any": image}, expected=features[0, 0].numpy())
    grid = features[0, 1:].T.reshape(-1, 16, 16).numpy()
    tokens = Representation("tokens", ("any",))
    yield Golden(name="landsat grid", images={"any": image}, representation=tokens, expected=grid)
    network = model.model
    after = after_blocks(network.blocks, lambda: vector(values, [wave * 1_000 for wave in LANDSAT.values()]))
    normed = [network.norm(one) for one in after]
    yield from readouts(("any",), {"any": image}, normed, normed[-1], grid=16)
    # dinov2/configs/data/satellites/sentinel1.yaml: VV -1, VH -2, HH -3, HV -4. The statistics are the round ones.
    decibels = column([-9, -16]) + 12 * scene(2, 224, seed=12)
    crossed = GoldenImage(bands=dict(zip(("HH", "HV"), decibels, strict=True)), unit=Unit.DB, gsd_m=10.0)
    yield Golden(
        name="horizontal radar",
        images={"any": crossed},
        expected=vector(tensor((decibels + 13) / 6), [-3, -4]),
    )


def copernicus_fm() -> Iterator[Golden]:
    """Copernicus-FM/README.md and demo.ipynb of github.com/zhu-xlab/Copernicus-FM."""
    model = reference("copernicus-fm")
    names = ("B2", "B3", "B4", "B8", "B11")
    mean, std = column([1397.6, 1322.3, 1373.1, 2318.7, 2195.2]), column([854.3, 878.7, 1144.9, 1249.5, 1340.0])
    digital = mean + 2 * std * (scene(5, 224, seed=10) - 0.3)
    values = tensor((digital - mean) / std)
    spectrum = {"wavelengths": [490, 560, 665, 842, 1_610], "bandwidths": [65, 35, 30, 115, 90]}
    place, day = (11.5, 48.25), 18_500.0
    area = (16 * 10 / 1_000) ** 2
    known = torch.tensor([[*place, day, area]])
    image = GoldenImage(
        bands=dict(zip(names, digital / 10_000, strict=True)), unit=Unit.REFLECTANCE, dates=[day], gsd_m=10.0
    )
    yield Golden(
        name="sentinel-2",
        images={"s2": image},
        lonlat=place,
        expected=model.forward_features(values, known, **spectrum)[0].numpy(),
    )
    after = after_blocks(model.blocks, lambda: model.forward_features(values, known, **spectrum))
    yield from readouts(("s2",), {"s2": image}, after, after[-1], grid=14, lonlat=place)
    unknown = torch.full((1, 4), float("nan"))
    nowhere = GoldenImage(bands=dict(zip(names, digital / 10_000, strict=True)), unit=Unit.REFLECTANCE)
    yield Golden(
        name="nothing known",
        images={"s2": nowhere},
        expected=model.forward_features(values, unknown, **spectrum)[0].numpy(),
    )
    decibels = column([-25, -32]) + 25 * scene(2, 224, seed=11)
    radar = tensor((decibels - column([-12.59, -20.26])) / column([5.26, 5.91]))
    metadata = torch.tensor([[*place, float("nan"), area]])
    marks = {"wavelengths": [5e7, 5e7], "bandwidths": [1e9, 1e9]}
    yield Golden(
        name="sentinel-1",
        images={"s1": power(decibels)},
        lonlat=place,
        expected=model.forward_features(radar, metadata, **marks)[0].numpy(),
    )
    image, values = landsat()
    waves = [1_000 * wave for wave in LANDSAT.values()]
    metadata = torch.tensor([[*place, float("nan"), (16 * 30 / 1_000) ** 2]])
    yield Golden(
        name="landsat",
        images={"any": image},
        lonlat=place,
        # USGS: B4 from 0.64 to 0.67 micrometres, B5 from 0.85 to 0.88, B3 from 0.53 to 0.59, B7 from 2.11 to 2.29.
        expected=model.forward_features(values, metadata, wavelengths=waves, bandwidths=[30, 30, 60, 180])[0].numpy(),
    )


assert DEPTH > 1, "the first block is not the last"
