"""A file's content says what it is, whatever its name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from gairbench.errors import CheckpointError
from gairbench.weights.formats import format_of

STATE = {"weight": torch.arange(6.0).reshape(2, 3)}


def saved(*, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(STATE, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


@pytest.mark.parametrize("name", ["a.safetensors", "a.SAFETENSORS", "a.pth", "a"])
def test_content_decides_and_not_the_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(safetensors.torch.save(STATE))
    assert format_of(path) == "safetensors"
    for content in (saved(), saved(legacy=True)):
        path.write_bytes(content)
        assert format_of(path) == "torch"


def test_safetensors_whose_headers_length_looks_like_another_files_start(tmp_path: Path) -> None:
    # 0x227b bytes of header: the file starts with '{"'.
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x227B)
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + np.ones(1, np.float32).tobytes())
    assert path.read_bytes()[:2] == b'{"'
    assert format_of(path) == "safetensors"


def zipped(names: list[str], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in names:
            archive.writestr(name, b"\0" * 5000)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what", "hint"),
    [
        (b"", "is empty", "again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 12345\n",
            "is a git-LFS pointer to a file of 12,345 bytes",
            "git lfs pull",
        ),
        (b"/annex/objects/SHA256E-s1234--ab.pth\n", "is a git-annex pointer", "git annex get"),
        (b"\n<!DOCTYPE html><html><head><title>404", "is a web page", "download"),
        (b"<HTML><body>Sign in", "is a web page", "download"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "is a web page or an XML answer", "download"),
        (b'{"error": "Access to this repository is restricted"}', "is a JSON text", "look into it"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03", "is compressed with gzip", "unpack"),
        (b"\0" * 257 + b"ustar\x0000" + b"\0" * 300, "is a tar archive", "unpack"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file", "safetensors"),
        (saved()[:-100], "contents list is missing", "again"),
        ((99).to_bytes(8, "little") + b'{"a":', "cut short within its header", "again"),
        (zipped(["m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"]), "is a TorchScript archive", "state_dict()"),
        (zipped(["a.npy", "b.npy"]), "is a zip archive that torch.save did not write", "unpack"),
        (zipped(["m/data.pkl"], zipfile.ZIP_DEFLATED), "is a compressed zip archive", "torch.save"),
        (b"id,lon,lat\n1,2,3\n", "is neither a safetensors file nor one that torch.save wrote", "state dict"),
    ],
)
def test_what_is_not_weights_is_named(tmp_path: Path, content: bytes, what: str, hint: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as caught:
        format_of(path)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_torchscript_as_torch_writes_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vit.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), path)  # type: ignore[no-untyped-call]
    with pytest.raises(CheckpointError, match="TorchScript"):
        format_of(path)


@pytest.mark.parametrize("name", ["nowhere.pth", "."])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        format_of(tmp_path / name)
