"""GAIR-base's image encoders beside the plain ones they are made of: TorchGeo's CROMA and timm's ViT-B/16.

Paired in one process, in alternating order, on the same batches, in inference mode.

Usage: python benchmarks/encoders.py [BATCH] [REPETITIONS] [DEVICE]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import timm
import torch
from torch import Tensor
from torchgeo.models import croma_base

from gairbench_models.gair.model import untrained
from gairbench_models.gair.presets import PRESETS


def main(batch: int, repetitions: int, device: str) -> None:
    """Print images per second of each, and the ratios."""
    gair = untrained(PRESETS["base"].config, 0).eval().to(device)
    # CROMA takes twelve bands: its first layer does 1.2 times the work of GAIR's, which is under 1 % of the encoder.
    croma = croma_base(modalities=["optical"], image_size=96).eval().to(device)
    vit = timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0).eval().to(device)
    ten, twelve = (torch.randn(batch, bands, 96, 96, device=device) for bands in (10, 12))
    photos = torch.randn(batch, 3, 224, 224, device=device)
    functions: dict[str, Callable[[], Tensor]] = {
        "GAIR RS": lambda: gair.encode_rs_tokens(ten),
        "CROMA optical encoder": lambda: croma.s2_encoder(twelve, croma.attn_bias.to(device)),
        "GAIR SV": lambda: gair.encode_sv(photos),
        "timm ViT-B/16": lambda: vit(photos),
    }
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    with torch.inference_mode():
        for repetition in range(repetitions + 1):
            for name in sorted(functions, reverse=bool(repetition % 2)):
                start = time.perf_counter()
                functions[name]()
                if device.startswith("cuda"):
                    torch.cuda.synchronize()
                if repetition:
                    seconds[name].append(time.perf_counter() - start)
    print(f"batch {batch}, {device}, {torch.get_num_threads()} threads, median of {repetitions}")
    for name, taken in seconds.items():
        print(f"{name:24}{statistics.median(taken):8.3f} s{batch / statistics.median(taken):8.1f} images/s")
    for ours, theirs in (("GAIR RS", "CROMA optical encoder"), ("GAIR SV", "timm ViT-B/16")):
        ratios = [own / plain for own, plain in zip(seconds[ours], seconds[theirs], strict=True)]
        print(f"{ours} takes {statistics.median(ratios):.3f} x {theirs}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 16,
        int(given[1]) if len(given) > 1 else 5,
        given[2] if len(given) > 2 else "cpu",
    )
