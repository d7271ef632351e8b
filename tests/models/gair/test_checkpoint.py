"""A checkpoint comes back as it was, or is refused in one line that says why."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from gairbench import ImageInput, Modality, ModelContext, Unit
from gairbench.errors import CheckpointError
from gairbench.selection import LISTED
from gairbench_models.gair.checkpoint import load, read_checkpoint, save_gair
from gairbench_models.gair.model import untrained
from gairbench_models.gair.presets import PRESETS

PROVENANCE = {"seed": 3, "dataset": "generated", "dataset_fingerprint": "f00d", "training": {"epochs": 1}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    preset = PRESETS["tiny"]
    save_gair(
        untrained(preset.config, 3).state_dict(),
        tmp_path,
        model="gair",
        preset="tiny",
        config=preset.config,
        inputs=preset.inputs,
        provenance=PROVENANCE,
    )
    return tmp_path


def refusal(path: Path, preset: str = "tiny") -> str:
    with pytest.raises(CheckpointError) as caught:
        load(ModelContext(preset=preset, seed=0, checkpoint=path))
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.hint
    return message


def rewrite_card(folder: Path, **changes: Any) -> None:
    file = folder / "checkpoint.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def rewrite_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the weights and sign them anew, as a checkpoint of another version of the code would be."""
    file = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    change(tensors)
    content = safetensors.torch.save(tensors)
    file.write_bytes(content)
    rewrite_card(folder, sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("name", ["", "model.safetensors"], ids=["folder", "file"])
def test_weights_come_back_whatever_the_seed(folder: Path, name: str) -> None:
    model = load(ModelContext(preset="tiny", seed=99, checkpoint=folder / name))
    expected = untrained(PRESETS["tiny"].config, 3).state_dict()
    assert not model.training
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_card_says_what_the_checkpoint_is_and_how_it_came_to_be(folder: Path) -> None:
    card = json.loads((folder / "checkpoint.json").read_text())
    assert card["model"] == "gair"
    assert card["preset"] == "tiny"
    assert card["config"]["rs"]["patch_size"] == PRESETS["tiny"].config.rs.patch_size
    assert card["sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert {key: card[key] for key in PROVENANCE} == PROVENANCE


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    assert "nowhere/checkpoint.json: No such file" in refusal(tmp_path / "nowhere" / "model.safetensors")
    assert "No such file" in refusal(tmp_path)


def test_a_card_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "cannot read" in refusal(folder)


@pytest.mark.parametrize("name", ["renamed.ckpt", "MODEL.SAFETENSORS"])
def test_the_content_decides_and_not_the_suffix(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    assert load(ModelContext(preset="tiny", seed=0, checkpoint=folder / name)).config == PRESETS["tiny"].config


def test_a_file_of_another_kind_is_refused_with_the_forms_that_are_taken(folder: Path) -> None:
    (folder / "off.csv").write_text("id,lon,lat\n")
    assert "off.csv is neither a safetensors file nor one that torch.save wrote" in refusal(folder / "off.csv")


def test_a_pointer_of_git_lfs_in_a_clone_is_named(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 344229100\n"
    for name in ("checkpoint.json", "model.safetensors"):
        kept = (folder / name).read_bytes()
        (folder / name).write_text(pointer)
        message = refusal(folder)
        assert f"{name} is a git-LFS pointer to a file of 344,229,100 bytes" in message
        assert "git lfs pull" in message
        (folder / name).write_bytes(kept)


def test_weights_that_are_not_numbers_are_refused_by_tensor(folder: Path) -> None:
    rewrite_tensors(folder, lambda tensors: tensors["sv_projection.bias"].fill_(float("inf")))
    assert re.search(r"holds NaN or infinite numbers in 1 of \d+ tensors: sv_projection.bias", refusal(folder))
    rewrite_tensors(folder, lambda tensors: tensors.update({"sv_projection.bias": torch.ones(5, dtype=torch.int8)}))
    assert "tensor sv_projection.bias is int8" in refusal(folder)


def test_weights_without_a_card_are_refused(folder: Path) -> None:
    (folder / "checkpoint.json").unlink()
    assert "checkpoint.json: No such file" in refusal(folder / "model.safetensors")


def test_a_file_cut_short_is_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert "cut short or altered" in refusal(folder)


def test_a_changed_byte_is_refused(folder: Path) -> None:
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "cut short or altered" in refusal(folder)


def test_weights_that_are_no_safetensors_are_refused(folder: Path) -> None:
    torch.save({"weight": torch.ones(1)}, folder / "model.safetensors")
    rewrite_card(folder, sha256=hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())
    assert "not a safetensors file" in refusal(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 99}', "\x00"])
def test_a_broken_card_is_refused(folder: Path, content: str) -> None:
    (folder / "checkpoint.json").write_text(content)
    assert "checkpoint.json is not" in refusal(folder)


def test_a_card_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "checkpoint.json").write_bytes(b"\xff\xfe\x00\x80")
    assert "checkpoint.json is not JSON" in refusal(folder)


def test_a_card_without_a_checksum_is_refused(folder: Path) -> None:
    card = json.loads((folder / "checkpoint.json").read_text())
    del card["sha256"]
    (folder / "checkpoint.json").write_text(json.dumps(card))
    assert "cut short or altered" in refusal(folder)


def test_another_models_checkpoint_is_refused(folder: Path) -> None:
    rewrite_card(folder, model="satclip")
    assert "checkpoint of 'satclip', not of 'gair'" in refusal(folder)


def test_another_presets_checkpoint_is_refused_and_the_right_preset_named(folder: Path) -> None:
    message = refusal(folder, preset="small")
    assert "is of preset 'tiny', not 'small'" in message
    assert "--preset tiny" in message


def test_a_configuration_that_is_none_is_refused_by_its_place(folder: Path) -> None:
    config = json.loads((folder / "checkpoint.json").read_text())["config"]
    rewrite_card(folder, config=config | {"localization": "nearest"})
    assert "localization is 'nearest', expected one of 'nili'" in refusal(folder)
    rewrite_card(folder, config={**config, "rs": {**config["rs"], "heads": 5}})
    assert "width 128 cannot be split into 5 heads" in refusal(folder)
    rewrite_card(folder, config=None)
    assert "config" in refusal(folder)


def test_other_sizes_and_inputs_come_back_as_they_were_trained(tmp_path: Path) -> None:
    preset = PRESETS["tiny"]
    config = replace(preset.config, rs=replace(preset.config.rs, bands=4, depth=1), localization="bilinear")
    bands = ("B2", "B3", "B4", "B8")
    inputs = (ImageInput(modality=Modality.RS, bands=bands, unit=Unit.S2_DN, size=48), *preset.inputs[1:])
    state = untrained(config, 1).state_dict()
    save_gair(state, tmp_path, model="gair", preset="tiny", config=config, inputs=inputs, provenance={})
    assert read_checkpoint(tmp_path).inputs == inputs
    model = load(ModelContext(model="gair", preset="tiny", seed=0, checkpoint=tmp_path))
    assert model.config == config
    assert model.encode_rs_tokens(torch.zeros(1, 4, 48, 48)).shape == (1, 128, 6, 6)


def test_a_card_whose_inputs_do_not_fit_its_encoder_is_refused(folder: Path) -> None:
    card = json.loads((folder / "checkpoint.json").read_text())
    statistics = {name: card["inputs"][0][name][:1] for name in ("mean", "std")}
    card["inputs"][0] |= {"bands": ["B2"], **statistics}
    rewrite_card(folder, inputs=card["inputs"])
    with pytest.raises(CheckpointError, match="input of bands B2 for an encoder of 3 bands"):
        read_checkpoint(folder)


def test_a_card_of_another_format_is_refused(folder: Path) -> None:
    rewrite_card(folder, format=1)
    assert "is not a checkpoint card of format 3" in refusal(folder)


def test_a_missing_tensor_is_refused_by_name(folder: Path) -> None:
    rewrite_tensors(folder, lambda tensors: tensors.pop("sv_projection.bias"))
    assert "missing sv_projection.bias" in refusal(folder)


def test_an_unexpected_tensor_is_refused_by_name(folder: Path) -> None:
    rewrite_tensors(folder, lambda tensors: tensors.update({"logit_scale": torch.ones(1)}))
    assert "unexpected logit_scale" in refusal(folder)


def test_a_misshapen_tensor_is_refused_by_name(folder: Path) -> None:
    rewrite_tensors(folder, lambda tensors: tensors.update({"sv_projection.bias": torch.ones(5)}))
    width = PRESETS["tiny"].config.dim
    assert f"misshapen sv_projection.bias (5,) for ({width},)" in refusal(folder)


def test_many_differences_are_counted_not_all_listed(folder: Path) -> None:
    rewrite_tensors(folder, lambda tensors: [tensors.pop(n) for n in list(tensors) if "blocks" in n])
    message = refusal(folder)
    assert message.count("blocks") == LISTED
    more = re.search(r" and (\d+) more \((\d+) in all\)", message)
    assert more is not None
    assert int(more[1]) + LISTED == int(more[2])


def test_as_many_differences_as_an_error_lists_are_all_named(folder: Path) -> None:
    def drop(tensors: dict[str, Tensor]) -> None:
        for name in sorted(tensors)[:LISTED]:
            dropped.append(name)
            del tensors[name]

    dropped: list[str] = []
    rewrite_tensors(folder, drop)
    assert f"missing {', '.join(dropped)}; " in refusal(folder)
