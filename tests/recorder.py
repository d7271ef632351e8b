"""An executor of a third party that runs calls here and notes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gairbench import hookimpl
from gairbench.protocols import Call, Submitted
from gairbench.spec import ExecutorContext, ExecutorOption, ExecutorSpec


class Recorder:
    """Runs each call when it is submitted."""

    in_process = True
    slots: int | None = 1
    calls: list[Call] = []  # noqa: RUF012 (one list for the test)
    options: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, context: ExecutorContext) -> None:
        Recorder.calls = []
        Recorder.options = dict(context.options)

    def submit(self, calls: Sequence[Call]) -> Sequence[Submitted]:
        Recorder.calls += calls
        return [_Done(call.function(None)) for call in calls]

    def stop(self) -> None:
        pass


class _Done:
    def __init__(self, value: object) -> None:
        self.value = value

    def done(self) -> bool:
        return True

    def result(self) -> object:
        return self.value


class RecorderPlugin:
    @hookimpl
    def register_executors(self) -> Iterator[ExecutorSpec]:
        yield ExecutorSpec(
            name="recorder",
            factory=Recorder,
            options=(ExecutorOption(name="shelves", kind=int, description="shelves", least=1),),
        )
