"""What a call of a plugin does to the process is undone and named, and it cannot end the process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from gairbench.errors import PluginError, PluginWarning
from gairbench.isolation import Blamed, Ended, Isolated, call_factory, culprit, named
from gairbench.pretraining.interrupts import interrupts_passed_on

ROOT = Path(__file__).parents[1]


def blas() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def cudnn_rounds_to_tf32() -> bool | None:
    try:
        return torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return None  # convolutions and recurrent layers differ


def inference() -> Any:
    mode = torch.inference_mode()
    mode.__enter__()
    return mode


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "dtype": (
        lambda: torch.set_default_dtype(torch.float64),
        torch.get_default_dtype,
        "torch's default dtype from torch.float32 to torch.float64",
    ),
    "device": (lambda: torch.set_default_device("meta"), torch.get_default_device, "torch's default device from cpu"),
    "threads": (
        lambda: torch.set_num_threads(torch.get_num_threads() + 1),
        torch.get_num_threads,
        "torch's number of threads from",
    ),
    "grad": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled, "torch's grad mode from True to False"),
    "inference": (inference, torch.is_inference_mode_enabled, "torch's inference mode from False to True"),
    "autocast": (
        lambda: torch.autocast("cpu", torch.bfloat16).__enter__(),
        lambda: torch.is_autocast_enabled("cpu"),
        "torch's autocast",
    ),
    "deterministic": (
        lambda: torch.use_deterministic_algorithms(True),
        torch.are_deterministic_algorithms_enabled,
        "torch's deterministic algorithms",
    ),
    "precision": (
        lambda: torch.set_float32_matmul_precision("medium"),
        torch.get_float32_matmul_precision,
        "torch's precision of float32 products",
    ),
    "cudnn": (
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
        lambda: torch.backends.cudnn.benchmark,
        "torch's switches of backends",
    ),
    "onednn": (
        lambda: setattr(torch.backends.mkldnn, "enabled", False),
        lambda: torch.backends.mkldnn.enabled,
        "torch's switches of backends",
    ),
    "attention": (
        lambda: torch.backends.cuda.enable_flash_sdp(False),
        torch.backends.cuda.flash_sdp_enabled,
        "torch's switches of backends",
    ),
    "subnormal": (
        lambda: torch.set_flush_denormal(True),
        lambda: sys.float_info.min / 2 == 0,
        "how subnormal numbers are computed",
    ),
    "errors": (lambda: np.seterr(all="raise"), np.geterr, "numpy's handling of floating-point errors"),
    "blas": (lambda: threadpool_limits(blas()[0] + 1, user_api="blas"), blas, "BLAS's number of threads from"),
    "folder": (lambda: os.chdir("/"), os.getcwd, "the working folder from"),
    "environment": (
        lambda: os.environ.pop("HOME"),
        lambda: os.environ.get("HOME"),
        "environment variables (HOME)",
    ),
    "devices": (
        lambda: os.environ.update(CUDA_VISIBLE_DEVICES="-1"),
        lambda: os.environ.get("CUDA_VISIBLE_DEVICES"),
        "environment variables (CUDA_VISIBLE_DEVICES)",
    ),
    "warnings": (
        lambda: warnings.simplefilter("error"),
        lambda: [entry for entry in warnings.filters if entry[0] == "error"],
        "warnings into errors",
    ),
    "signals": (
        lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        lambda: signal.getsignal(signal.SIGINT),
        "the handling of signals",
    ),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


# What is undone and reported.


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_undone_and_reported_once(name: str) -> None:
    change, look, what = CHANGES[name]
    before = look()
    kept = []
    who = f"model {name!r}"
    with pytest.warns(PluginWarning) as warned, Isolated(who) as call:  # noqa: PT031 (two statements are one change)
        kept.append(change())
        assert look() != before
    assert look() == before
    assert call.changes.startswith(f"{who} changed {what}")
    assert call.changes.endswith(", which was undone")
    assert [str(w.message) for w in warned] == [call.changes]
    with warnings.catch_warnings(record=True) as again, Isolated(who) as call:
        kept.append(change())
    assert call.changes, "it is noted again"
    assert not again, "but reported once"
    assert look() == before


def products() -> list[object]:
    """Return by what torch computes products of float32 numbers, by its older and its newer names."""
    backends = torch.backends
    holders = [backends, backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul]
    newer = [holder.fp32_precision for holder in holders if hasattr(holder, "fp32_precision")]
    return [torch.get_float32_matmul_precision(), cudnn_rounds_to_tf32(), *newer]


def ask_for_tf32() -> None:
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True


@pytest.fixture
def tf32_outside() -> Iterator[list[object]]:
    """Let the process compute with TF32, as torch does convolutions of its own accord."""
    torch.set_float32_matmul_precision("high")
    before = products()
    yield before
    torch.set_float32_matmul_precision("highest")


def test_a_call_begins_without_tf32_whatever_the_process_has_and_the_process_keeps_it(
    tf32_outside: list[object],
) -> None:
    assert {"high", "tf32"} & {*map(str, tf32_outside)}
    with Isolated("model 'precise'") as call:
        inside = products()
    assert inside[:2] == ["highest", False]
    assert {*inside[2:]} <= {"ieee"}
    assert call.changes == ""
    assert products() == tf32_outside


def test_a_call_that_asks_for_tf32_gets_it_for_itself_and_it_is_reported(tf32_outside: list[object]) -> None:
    with pytest.warns(PluginWarning), Isolated("model 'hasty'") as call:  # noqa: PT031 (calls within a call)
        ask_for_tf32()
        assert torch.get_float32_matmul_precision() == "high"
        with Isolated("metric 'within'") as inner:
            assert torch.get_float32_matmul_precision() == "highest"
        assert inner.changes == ""
        assert torch.get_float32_matmul_precision() == "high"
    assert call.changes == "model 'hasty' changed torch's precision of float32 products, which was undone"
    assert products() == tf32_outside


def test_a_call_that_asks_for_what_the_process_had_is_reported_too(tf32_outside: list[object]) -> None:
    with pytest.warns(PluginWarning), Isolated("model 'as before'") as call:
        torch.set_float32_matmul_precision("high")
    assert "precision of float32 products" in call.changes
    assert products() == tf32_outside


def test_nothing_is_reported_where_nothing_was_changed() -> None:
    with Isolated("nobody") as call:
        np.random.default_rng(0).normal()
        torch.nn.Linear(2, 2)(torch.zeros(1, 2))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), warnings.catch_warnings():
            warnings.simplefilter("error")
        os.environ["GAIRBENCH_TEST_ADDED"] = "as libraries do"
        warnings.filterwarnings("ignore", message="as libraries do")
    assert call.changes == ""
    assert os.environ.pop("GAIRBENCH_TEST_ADDED")


def test_changes_are_undone_when_the_call_raises() -> None:
    def call() -> None:
        with Isolated("model 'raises'"):
            torch.set_default_dtype(torch.float64)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom") as raised, pytest.warns(PluginWarning):
        call()
    assert torch.get_default_dtype() is torch.float32
    assert culprit(raised.value) == "model 'raises'"


def test_gradients_can_be_computed_after_a_call_that_left_inference_mode_on() -> None:
    kept = []
    with pytest.warns(PluginWarning), Isolated("model 'inferring'"):
        kept.append(inference())
    weight = torch.ones(2, requires_grad=True)
    (weight * 2).sum().backward()
    assert weight.grad is not None


# Random numbers.


def draws() -> list[float]:
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002


@pytest.mark.skipif(torch.cuda.is_available(), reason="its generators are seeded, too")
def test_seeds_are_torchs_own_and_not_kept_for_devices_that_may_yet_begin() -> None:
    waiting = len(torch.cuda._queued_calls)
    for seed in (5, 2**63):
        with Isolated("plugin", seed=seed):
            drawn = torch.rand(3)
        assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(seed)))
    assert len(torch.cuda._queued_calls) == waiting


def test_random_numbers_depend_on_the_seed_and_not_on_what_ran_before() -> None:
    with Isolated("first", seed=5):
        first = draws()
        draws()
    draws()
    with Isolated("second", seed=5):
        assert draws() == first
    with Isolated("other", seed=6):
        assert all(a != b for a, b in zip(draws(), first, strict=True))


def test_random_numbers_outside_go_on_as_if_nothing_had_been_called() -> None:
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    expected = draws() + draws()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(3)
    found = draws()
    with Isolated("between"):
        torch.manual_seed(99)
        draws()
    assert found + draws() == expected


# Ends.


@pytest.mark.parametrize(("code", "shown"), [((), ""), ((3,), "3"), (("bye",), "'bye'"), ((0,), "0")])
def test_sys_exit_is_an_error_that_names_the_plugin(code: tuple[Any, ...], shown: str) -> None:
    for block in (Isolated, Blamed):
        with pytest.raises(PluginError) as raised, block("model 'x' (their:X)"):
            sys.exit(*code)
        assert raised.value.what == f"model 'x' (their:X) called sys.exit({shown})"


def test_another_base_exception_is_an_error_that_names_the_plugin() -> None:
    class Cancelled(BaseException):
        pass

    with pytest.raises(PluginError, match=r"model 'x' raised Cancelled: enough; raise an error"), Isolated("model 'x'"):
        raise Cancelled("enough")


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, Ended])
def test_interrupts_and_signals_pass(error: type[BaseException]) -> None:
    with pytest.raises(error), Isolated("model 'x'"):
        raise error


def test_an_interrupt_that_a_library_made_an_exit_of_passes() -> None:
    def library() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    with pytest.raises(SystemExit), Isolated("model 'x'"):
        library()
    with pytest.raises(KeyboardInterrupt), Isolated("model 'x'"), interrupts_passed_on():
        library()


def test_lightnings_exit_on_sigterm_passes() -> None:
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    with pytest.raises(SIGTERMException), Isolated("model 'x'"):
        raise SIGTERMException


def test_the_innermost_block_is_the_culprit() -> None:
    with pytest.raises(ValueError, match="boom") as raised, Isolated("outer"), Blamed("inner"):
        raise ValueError("boom")
    assert culprit(raised.value) == "inner"
    assert culprit(ValueError()) == ""


# What is printed.


def test_what_is_printed_goes_to_standard_error_for_subprocesses_too(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with Isolated("model 'x'"):
        print("by python")
        subprocess.run(["echo", "by a subprocess"], check=True)
        sys.stdout.flush()
    print("after", flush=True)
    out, err = capfd.readouterr()
    assert out.split("\n") == ["before", "after", ""]
    assert "by python" in err
    assert "by a subprocess" in err


def test_replaced_streams_are_set_back() -> None:
    streams = sys.stdout, sys.stderr
    with Isolated("model 'x'"):
        sys.stdout = sys.stderr = None
    assert (sys.stdout, sys.stderr) == streams


# Modules, names and threads.


def test_what_an_import_changes_does_not_reach_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sets_dtype.py").write_text(
        "import torch\ntorch.set_default_dtype(torch.float64)\ndef make(context):\n    return torch.zeros(()).dtype\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(PluginWarning, match=r"model 'x' \(sets_dtype:make\) changed torch's default dtype"):
        first, changes = call_factory(named("model", "x", "sets_dtype:make"), "sets_dtype:make", None)
    second, none = call_factory(named("model", "y", "sets_dtype:make"), "sets_dtype:make", None)
    assert first is second is torch.float32, "the first model of a module is like the others"
    assert "default dtype" in changes
    assert none == ""


def test_a_name_has_the_address_of_the_code() -> None:
    assert named("model", "x", "their.module:X") == "model 'x' (their.module:X)"
    assert named("dataset", "y", Path) == "dataset 'y' (pathlib:Path)"
    assert named("dataset", "y", partial(Path, "folder")) == "dataset 'y' (pathlib:Path)"


LATE = """
import sys
from gairbench.isolation import Isolated
assert "torch" not in sys.modules and "numpy" not in sys.modules
with Isolated("plugin 'late'", seed=7) as call:
    import numpy as np, torch
    first = float(torch.rand(())), float(np.random.rand())
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    torch.set_default_dtype(torch.float64)
    np.seterr(all="raise")
    print("noise")
assert torch.get_num_threads() == threads
assert torch.get_default_dtype() is torch.float32
assert np.geterr()["divide"] == "warn"
assert "number of threads" in call.changes and "dtype" in call.changes and "numpy" in call.changes, call.changes
with Isolated("plugin 'again'", seed=7):
    assert (float(torch.rand(())), float(np.random.rand())) == first
assert not hasattr(torch.__spec__.loader, "__dict__") or "exec_module" not in vars(torch.__spec__.loader)
print("fine")
"""


def test_libraries_that_a_plugin_imports_first_are_set_back_too() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fine\n"


NESTED = """
import sys
from gairbench.isolation import Isolated
with Isolated("dataset 'outer'", seed=1) as outer:
    with Isolated("dataset 'inner'", seed=7) as inner:
        import numpy as np
        first = float(np.random.rand())
        np.seterr(all="raise")
    assert np.geterr()["divide"] == "warn"
with Isolated("plugin 'again'", seed=7):
    assert float(np.random.rand()) == first
assert "numpy" in inner.changes and not outer.changes, (inner.changes, outer.changes)
assert "exec_module" not in vars(np.__spec__.loader)
print("fine")
"""


def test_libraries_are_imported_in_nested_calls() -> None:
    done = subprocess.run([sys.executable, "-c", NESTED], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fine\n"


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from gairbench.isolation import Isolated\nwith Isolated('x'): pass\n"
        "print([name for name in ('torch', 'numpy', 'threadpoolctl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_calls_of_several_threads_wait_for_each_other() -> None:
    inside: list[int] = []
    most: list[int] = []

    def call() -> None:
        with Isolated("thread"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """A test that fails here must not fail all that come after it."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
