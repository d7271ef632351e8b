"""Two processes compute the loss and the gradient of one process with their joint batch."""

from __future__ import annotations

import multiprocessing
import socket
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from gairbench.pretraining.distributed import gather
from gairbench_models.gair.losses import at_the_same_place, gair_losses

BATCH, DIM = 8, 6


def modules() -> nn.ModuleList:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.ModuleList(nn.Linear(4, DIM) for _ in range(3))


def samples() -> Tensor:
    return torch.randn(3, BATCH, 4, generator=torch.Generator().manual_seed(1))


def past() -> Tensor:
    return torch.randn(10, 4, generator=torch.Generator().manual_seed(2))


def places() -> tuple[Tensor, Tensor]:
    """Return the batch's coordinates and those of the queue: a photo of each half, and one past, share a place."""
    lonlat = torch.arange(2 * BATCH).float().view(BATCH, 2)
    lonlat[-1] = lonlat[0]
    queued = -torch.arange(20).float().view(10, 2) - 1
    queued[4] = lonlat[0]
    return lonlat, queued


def loss_of(encoders: nn.ModuleList, rows: Tensor, lonlat: Tensor) -> dict[str, Tensor]:
    localized, street_view, location = (encoder(x) for encoder, x in zip(encoders, rows, strict=True))
    alike = at_the_same_place(lonlat, gather(lonlat), places()[1])
    return dict(gair_losses(localized, street_view, location, encoders[2](past()), 0.07, alike=alike))


def train_half(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    encoders = modules()
    wrapped = nn.parallel.DistributedDataParallel(_Losses(encoders))
    half = BATCH // 2
    mine = slice(rank * half, (rank + 1) * half)
    parts = wrapped(samples()[:, mine], places()[0][mine])
    torch.stack([*parts.values()]).sum().backward()
    torch.save(
        {
            "losses": {name: value.detach() for name, value in parts.items()},
            "gradients": {name: p.grad for name, p in encoders.named_parameters()},
            "gathered": gather(torch.full((2, 1), float(rank))),
        },
        Path(folder) / f"{rank}.pt",
    )
    distributed.destroy_process_group()


class _Losses(nn.Module):
    def __init__(self, encoders: nn.ModuleList) -> None:
        super().__init__()
        self.encoders = encoders

    def forward(self, rows: Tensor, lonlat: Tensor) -> dict[str, Tensor]:
        return loss_of(self.encoders, rows, lonlat)


def test_two_processes_have_the_loss_and_gradient_of_their_joint_batch(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=train_half, args=(rank, port, str(tmp_path))) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]

    encoders = modules()
    joint = loss_of(encoders, samples(), places()[0])
    torch.stack([*joint.values()]).sum().backward()
    for name, value in joint.items():
        mean = (found[0]["losses"][name] + found[1]["losses"][name]) / 2
        torch.testing.assert_close(mean, value.detach(), atol=1e-5, rtol=0)
    for name, parameter in encoders.named_parameters():
        for half in found:
            torch.testing.assert_close(half["gradients"][name], parameter.grad, atol=1e-5, rtol=1e-4)
    assert found[1]["gathered"].flatten().tolist() == [0, 0, 1, 1]


def test_one_process_gathers_what_it_has() -> None:
    tensor = torch.randn(3, 2, requires_grad=True)
    assert gather(tensor) is tensor
