"""Fixtures shared by the whole suite."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# A shell that starts the tests in the background has SIGINT ignored, in all that they start, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data and references beside the checkout; its licences keep it out of the repository."""
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("GAIRBENCH_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set GAIRBENCH_SHARED")
    return folder


@pytest.fixture
def mypy_cache(tmp_path: Path) -> Path:
    """A copy of what `make types` has found out of other packages, which takes mypy half a minute, where it has run."""
    known, copy = Path(__file__).parents[1] / ".mypy_cache", tmp_path / "mypy_cache"
    # Tests run side by side, and none may write what another one copies.
    if known.is_dir():
        shutil.copytree(known, copy)
    return copy


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Compute with one thread: small batches spend more time on waking threads than on computing."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def little_work() -> Iterator[None]:
    """Train and embed less than users and third parties are asked to, where what is checked stays the same."""
    from gairbench import embedding
    from gairbench.evaluators import end_to_end

    with pytest.MonkeyPatch.context() as patch:
        # Still more than the suite's own batches, which is what a fixed size would show in.
        patch.setattr(embedding, "BATCH", 8)
        # The suite's model is linear: it learns in fewer and larger steps than a network needs.
        patch.setattr(end_to_end, "LEARNING_RATES", (1e-2, 1e-1))
        patch.setattr(end_to_end, "EPOCHS", 8)
        patch.setattr(end_to_end, "STEPS", 80)
        patch.setattr("gairbench.evaluators.finetune.EPOCHS", 2)
        patch.setattr("gairbench.evaluators.finetune.STEPS", 30)
        yield
