"""Triplets in tar files of the WebDataset convention, for millions of pairs; read by position, not only in order."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import gairbench
from gairbench.digests import digest, file_sha256
from gairbench.errors import DataError
from gairbench.files.badrows import BadRow, ProblemKind, RowError, RowReport
from gairbench.files.missing_pixels import Fills
from gairbench.inputs import RGB, ImageInput, Input, LocationInput, Modality, Unit
from gairbench.progress import Step
from gairbench.storage import atomic_file, write_atomically
from gairbench.triplets.manifest import ManifestSplit, ManifestTriplets

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
INDEX = "shards.json"
QUALITY = 95
"""JPEG quality of the photos in shards."""

_MEMBERS = ("rs.npy", "sv.jpg", "json")


def write_shards(source: ManifestTriplets, out: Path, shard_size: int, report: Step) -> None:
    """Cut all tiles and pack triplets into shards; shards that an earlier call has finished are kept.

    A triplet ``<key>`` is three members: ``<key>.rs.npy`` (the tile as it was read), ``<key>.sv.jpg`` (the photo,
    quality 95) and ``<key>.json`` (id, lon, lat, and the tile's bbox). ``shards.json`` says what they hold and
    is written last.

    With ``on_error="skip"``, triplets whose pixels cannot be read are left out and join the problems in
    ``source.report``, also those that an earlier call has left out of the shards that are kept.

    Args:
        source: What to pack.
        out: Folder, made if missing.
        shard_size: Triplets per shard.
        report: Called as ``report(done, total)``.

    Raises:
        DataError: The folder holds shards of something else, or no triplet is left.
        RowError: A triplet cannot be read, and ``on_error`` is ``"stop"``.
        StorageError: The disk is full or the folder cannot be written.
    """
    split, fingerprint = source.split("pretrain"), source.fingerprint()
    declaration = {
        "format": FORMAT,
        "gairbench_version": gairbench.__version__,
        "fingerprint": fingerprint,
        "shard_size": shard_size,
        "rs": {"bands": list(source.bands or ()), "unit": source.unit, "size": source.options.rs_size},
        "sv": {"size": source.options.sv_size},
    }
    started = out / f".{INDEX}.started"
    finished: dict[str, Any] = {}
    if started.is_file():
        earlier = json.loads(started.read_text(encoding="utf-8"))
        if earlier.get("declaration") != declaration:
            raise DataError(f"{out} holds shards of other triplets or settings", "choose another --out, or empty it")
        finished = earlier["finished"]
    elif (out / INDEX).exists():
        raise DataError(f"{out} already holds shards", "choose another --out")
    write_atomically(started, json.dumps({"declaration": declaration, "finished": finished}).encode())
    skip = source.options.on_error == "skip"
    shards, left_out, filled = [], [], Fills()
    for number, first in enumerate(range(0, len(split), shard_size)):
        path = out / f"triplets-{number:06d}.tar"
        rows = range(first, min(first + shard_size, len(split)))
        if path.name not in finished or not path.exists():
            source.filled = Fills()
            with atomic_file(path) as file:
                unread = _write_shard(file, split, rows, report, skip=skip)
            finished[path.name] = {
                "filled": [source.filled.images, source.filled.largest],
                "triplets": len(rows) - len(unread),
                "sha256": file_sha256(path),
                "left_out": [{"row": row} | asdict(problem) for row, problem in unread],
            }
            # A call that continues here must still report what this shard lacks.
            write_atomically(started, json.dumps({"declaration": declaration, "finished": finished}).encode())
        report(rows.stop, len(split))
        shard = finished[path.name]
        shards.append({"file": path.name, "triplets": shard["triplets"], "sha256": shard["sha256"]})
        left_out += shard["left_out"]
        filled.merge(Fills(*shard["filled"]))
    source.filled = filled
    source.report.bad += [
        BadRow(lost["where"], lost["id"], ProblemKind(lost["kind"]), lost["reason"]) for lost in left_out
    ]
    if len(left_out) == len(split):
        raise DataError(
            f"{source.path} has no usable triplet: {source.report.summary()}; the first: {source.report.first()}",
            "fix its rows",
        )
    content = declaration | {
        "shards": shards,
        "triplets": len(split) - len(left_out),
        "left_out": source.report.counts(),
        "filled": {"images": filled.images, "largest_share": filled.largest},
    }
    if left_out:
        # Fewer samples than the manifest has are other training data.
        content["fingerprint"] = digest(packed=fingerprint, left_out=[lost["row"] for lost in left_out])
    write_atomically(out / INDEX, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
    started.unlink()


def _write_shard(
    file: IO[bytes], split: ManifestSplit, rows: range, report: Step, *, skip: bool
) -> list[tuple[int, BadRow]]:
    """Pack rows, and return those that cannot be read if they are to be skipped."""
    from PIL import Image

    unread: list[tuple[int, BadRow]] = []
    with tarfile.open(fileobj=file, mode="w") as tar:
        for row in rows:
            try:
                sample = split.arrays(row)
            except RowError as error:
                if not skip:
                    hint = f"{error.hint}, or leave it out with --on-error skip"
                    raise RowError(f"{split.where(row)}: {error.what}", hint, error.kind) from error
                unread.append((row, split.bad_row(row, error)))
                continue
            pixels, photo = io.BytesIO(), io.BytesIO()
            np.save(pixels, sample["image"], allow_pickle=False)
            Image.fromarray(sample["street_view"].transpose(1, 2, 0)).save(photo, "JPEG", quality=QUALITY)
            about = {
                "id": split.ids[row],
                "lon": float(sample["lonlat"][0]),
                "lat": float(sample["lonlat"][1]),
                "bbox": sample["bbox"].tolist(),
            }
            contents = (pixels.getvalue(), photo.getvalue(), json.dumps(about).encode())
            for member, content in zip(_MEMBERS, contents, strict=True):
                header = tarfile.TarInfo(f"{row:09d}.{member}")
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
            report(row + 1, len(split), "")
    return unread


class ShardedTriplets:
    """Triplets in shards, read at any position by the offsets in the tar files' headers.

    Args:
        folder: With ``shards.json`` and the tar files that it lists.

    Raises:
        DataError: The folder has no index, or a shard is missing, cut short or holds other members.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']}, expected {FORMAT}")
            self._fingerprint = str(content["fingerprint"])
            rs, sv = content["rs"], content["sv"]
            self.delivers: tuple[Input, ...] = (
                ImageInput(modality=Modality.RS, bands=tuple(rs["bands"]), unit=Unit(rs["unit"]), size=rs["size"]),
                ImageInput(modality=Modality.SV, bands=RGB, unit=Unit.UINT8, size=sv["size"]),
                LocationInput(),
            )
            files = [(folder / Path(shard["file"]).name, int(shard["triplets"])) for shard in content["shards"]]
        except OSError as error:
            raise DataError(
                f"no shards at {folder}: cannot read {INDEX}: {error.strerror}", "write them: gairbench data shard"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder / INDEX} is broken: {error}", "write the shards again") from error
        self.report = RowReport(folder, "triplet", sum(count for _, count in files))
        self._split = ShardedSplit(files)

    def fingerprint(self) -> str:
        """Return the fingerprint of what was packed."""
        return self._fingerprint

    def split(self, name: str) -> ShardedSplit:
        """Return the split ``"pretrain"``.

        Raises:
            DataError: Another one was asked for.
        """
        if name != "pretrain":
            raise DataError(f"triplets have no split {name!r}", "ask for 'pretrain'")
        return self._split

    def classes(self, target: str) -> tuple[str, ...]:
        """Return nothing: triplets have no labels, ``target`` or other."""
        del target
        return ()


Place = tuple[int, int]
"""Offset and length in a tar file."""


class ShardedSplit:
    """Samples of shards by position.

    Args:
        files: Tar files and the number of triplets in each.

    Raises:
        DataError: A file is missing, broken, or does not hold its triplets.
    """

    def __init__(self, files: list[tuple[Path, int]]) -> None:
        self.ids: list[str] = []
        self._places: list[tuple[Path, Place, Place]] = []
        self._boxes: list[list[float]] = []
        coordinates: list[tuple[float, float]] = []
        for path, count in files:
            before = len(self.ids)
            for about, pixels, photo in _triplets(path):
                self.ids.append(str(about["id"]))
                coordinates.append((float(about["lon"]), float(about["lat"])))
                self._boxes.append([float(edge) for edge in about["bbox"]])
                self._places.append((path, pixels, photo))
            if len(self.ids) - before != count:
                raise DataError(
                    f"{path} holds {len(self.ids) - before} triplets, not {count}", "write the shards again"
                )
        self.lonlat: NDArray[np.float64] = np.array(coordinates, dtype=np.float64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        import torch
        from PIL import Image

        path, pixels, photo = self._places[index]
        try:
            # Opened anew each time: a handle that is shared with forked loader processes would share its position.
            with path.open("rb") as file:
                image = np.load(io.BytesIO(_read(file, pixels)), allow_pickle=False)
                with Image.open(io.BytesIO(_read(file, photo))) as opened:
                    street_view = np.asarray(opened.convert("RGB")).transpose(2, 0, 1)
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"cannot read triplet {self.ids[index]!r} of {path}: {error}", "copy it again") from error
        return {
            "image": torch.from_numpy(image),
            "street_view": torch.from_numpy(np.ascontiguousarray(street_view)),
            "lonlat": torch.from_numpy(self.lonlat[index].copy()),
            "bbox": torch.tensor(self._boxes[index], dtype=torch.float64),
        }

    def target(self, name: str) -> NDArray[Any]:
        """Raise ``KeyError``: triplets have no labels."""
        raise KeyError(name)


def _triplets(path: Path) -> Iterator[tuple[dict[str, Any], Place, Place]]:
    """Yield what a shard's headers and JSON members say about each triplet, without reading any pixel."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            size = os.fstat(file.fileno()).st_size
            places: dict[str, Place] = {}
            for member in tar:
                key, _, kind = member.name.partition(".")
                if not member.isfile() or not key.isdigit() or kind not in _MEMBERS:
                    raise DataError(f"{path} has a member {member.name!r} that is not part of a triplet", "remove it")
                if member.offset_data + member.size > size:
                    raise DataError(f"{path} is cut short", "copy it again")
                places[kind] = (member.offset_data, member.size)
                if len(places) == len(_MEMBERS):
                    about = json.loads(_peek(tar, member))
                    yield about, places["rs.npy"], places["sv.jpg"]
                    places = {}
            if places:
                raise DataError(f"{path} ends within a triplet", "copy it again")
    except (OSError, tarfile.TarError, ValueError) as error:
        raise DataError(f"cannot read shard {path}: {error}", "copy it again, or write the shards again") from error


def _peek(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(member)
    return b"" if content is None else content.read()


def _read(file: IO[bytes], place: Place) -> bytes:
    offset, length = place
    file.seek(offset)
    content = file.read(length)
    if len(content) != length:
        raise OSError("it ends too early")
    return content
