"""A page says with what its numbers were made: packages, and where models were trained and data embedded."""

from __future__ import annotations

from records import make_result

from gairbench_leaderboard.provenance import provenance


def test_packages_stand_apart_from_how_was_computed() -> None:
    environment = {
        "torch": "2.5.1",
        "threads": "2",
        "precision": "float32, matmul highest",
        "pretraining device": "cuda (NVIDIA H100)",
        "pretraining torch": "2.4.0",
    }
    text = "\n".join(provenance([make_result(environment=environment, device="cpu (2 threads)")]))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        ["torch", "2.5.1"],
        ["embeddings computed on", "cpu (2 threads)"],
        ["models trained on", "cuda (NVIDIA H100)"],
    ]
