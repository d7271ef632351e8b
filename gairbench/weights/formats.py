"""What a file of weights is: its content decides, never its name."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal, TypeAlias

from gairbench.errors import CheckpointError

Format: TypeAlias = Literal["safetensors", "torch"]

HEAD = 1024
"""Bytes at a file's start that show what it is."""

_SAFETENSORS_HEADER = 100_000_000
"""Largest header in bytes that the safetensors library takes."""

_AGAIN = "copy or download it again"
_TAKEN = "give a .safetensors file, or a state dict that torch.save wrote"

_OTHERS = {
    b"\x1f\x8b": ("is compressed with gzip", "unpack it first"),
    b"BZh": ("is compressed with bzip2", "unpack it first"),
    b"\xfd7zXZ": ("is compressed with xz", "unpack it first"),
    b"\x28\xb5\x2f\xfd": ("is compressed with zstd", "unpack it first"),
    b"7z\xbc\xaf\x27\x1c": ("is a 7z archive", "unpack it first"),
    b"Rar!": ("is a RAR archive", "unpack it first"),
    b"\x89HDF": ("is an HDF5 file, as Keras writes", _TAKEN),
    b"\x93NUMPY": ("is a NumPy array", _TAKEN),
    b"GGUF": ("is a GGUF file of quantized weights", _TAKEN),
    b"\x89PNG": ("is a picture", _TAKEN),
    b"\xff\xd8\xff": ("is a picture", _TAKEN),
    b"%PDF": ("is a PDF", _TAKEN),
}
"""What other files begin with, what they are, and what to do."""


def format_of(path: Path) -> Format:
    """Return how a file of weights is to be read, by its first bytes and the contents list of an archive.

    Args:
        path: The file; its name does not matter.

    Raises:
        CheckpointError: It cannot be read, is cut short, holds code (TorchScript), or is something else, which is
            named: a git-LFS pointer, a web page, a compressed file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}", "correct the path") from error
    if not head:
        raise CheckpointError(f"{path} is empty", _AGAIN)
    # Eight bytes of the header's length, then its JSON. First of all, as a length may look like another file's start.
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header <= _SAFETENSORS_HEADER:
        if 8 + header > size:
            raise CheckpointError(f"{path} is a safetensors file cut short within its header", _AGAIN)
        return "safetensors"
    refuse_placeholder(path, head)
    for start, (what, hint) in _OTHERS.items():
        if head.startswith(start):
            raise CheckpointError(f"{path} {what}, not a file of weights", hint)
    if head[257:262] == b"ustar":
        raise CheckpointError(f"{path} is a tar archive, not a file of weights", "unpack it first")
    if head.startswith(b"PK\x03\x04"):
        _check_archive(path, size)
        return "torch"
    if len(head) > 2 and head[0] == 0x80 and head[1] in range(2, 6):
        return "torch"
    raise CheckpointError(f"{path} is neither a safetensors file nor one that torch.save wrote", _TAKEN)


def refuse_placeholder(path: Path, head: bytes) -> None:
    """Refuse a text that stands where a file should be: a pointer of git-LFS or git-annex, a web page, a JSON answer.

    Args:
        path: The file, for the message.
        head: Its first bytes.

    Raises:
        CheckpointError: It is such a text.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.match(rb"version https://(git-lfs\.github\.com|hawser\.github\.com)/spec/", text):
        found = re.search(rb"^size (\d{1,15})\s*$", text, re.MULTILINE)
        size = f" of {int(found[1]):,} bytes" if found else ""
        raise CheckpointError(
            f"{path} is a git-LFS pointer to a file{size}, not the file itself",
            "run 'git lfs install' and 'git lfs pull' in its repository, or download the file itself",
        )
    if re.match(rb"(/|\.\./|\.git/)[^\n]*annex/objects/", text):
        raise CheckpointError(
            f"{path} is a git-annex pointer, not the file itself", "run 'git annex get' in its repository"
        )
    if text[:1] == b"<" and re.match(rb"<(!doctype|html|head|body|script|\?xml|!--|error)", text, re.IGNORECASE):
        raise CheckpointError(
            f"{path} is a web page or an XML answer, not the file itself",
            "download the file again: a login or an error page was saved in its place",
        )
    if re.match(rb'[{\[]\s*["\]}{]', text):
        raise CheckpointError(f"{path} is a JSON text, not a file of weights", f"{_TAKEN}; look into it for an error")


def _check_archive(path: Path, size: int) -> None:
    """Refuse zip archives that ``torch.save`` did not write, before anything in them is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    # A broken contents list makes the library raise many types.
    except Exception as error:
        raise CheckpointError(
            f"{path} is not a whole PyTorch checkpoint: its contents list is missing", _AGAIN
        ) from error
    parts = {tuple(entry.filename.split("/")[1:]) for entry in entries}
    if ("constants.pkl",) in parts or any(part[:1] == ("code",) for part in parts):
        raise CheckpointError(
            f"{path} is a TorchScript archive (torch.jit.save), and code in a checkpoint is never run",
            "save the state dict alone: torch.save(torch.jit.load(path).state_dict(), other_path)",
        )
    if ("data.pkl",) not in parts:
        raise CheckpointError(f"{path} is a zip archive that torch.save did not write", f"unpack it first, or {_TAKEN}")
    # torch.save stores without compression: an entry that would grow is not its work.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or (
        sum(entry.file_size for entry in entries) > size
    ):
        raise CheckpointError(f"{path} is a compressed zip archive, which torch.save does not write", _TAKEN)
