"""Errors that a user can fix: one line that says what is wrong, where, and what to do about it."""

from __future__ import annotations


class GairbenchError(Exception):
    """A mistake in the input, the data or the environment, reported without a traceback.

    Args:
        what: What is wrong and where (file, column, key, plugin), one line, no final full stop.
        hint: What the reader can do about it, one line, no final full stop.
    """

    def __init__(self, what: str, hint: str) -> None:
        self.what = _one_line(what)
        self.hint = _one_line(hint)
        super().__init__(self.what, self.hint)

    def __reduce__(self) -> tuple[object, ...]:
        # Other processes' errors arrive as what they are, whatever a subclass's constructor takes.
        return _remade, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


def _one_line(text: str) -> str:
    # A path that is not UTF-8 must not keep the message from being printed and recorded.
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")


class UsageError(GairbenchError):
    """The command line or a configuration file asks for something that does not exist."""


class DataError(GairbenchError):
    """A dataset is missing, broken, or not what it declares."""


class DataMissingError(DataError):
    """A dataset's files are not here; its cells are skipped, and the hint says how to get them."""


class InputMismatchError(GairbenchError):
    """What a dataset delivers cannot be turned into what a model takes without guessing."""


class NotCoveredError(InputMismatchError):
    """A model of embeddings that exist already has none of some samples; its cells are skipped, with their number.

    Args:
        missing: Identifiers of those samples.
        samples: How many samples were looked up.
        holds: What the model has, in words.
    """

    def __init__(self, missing: tuple[str, ...], samples: int, holds: str) -> None:
        self.missing = missing
        self.samples = samples
        self.holds = holds
        examples = ", ".join(map(repr, missing[:3]))
        super().__init__(
            f"no embedding of {len(missing):,} of {samples:,} samples, as {examples}; there are {holds}",
            "give those that are missing, or run all models on the samples that it has: --covered-by",
        )


class CheckpointError(GairbenchError):
    """A checkpoint is missing, broken, or belongs to another model."""


class TeacherMissingError(CheckpointError):
    """The weights of a teacher are not here; what learns from it is skipped, and the hint gets them."""


class TrainingError(GairbenchError):
    """Pre-training cannot continue, for instance because the loss is not finite."""


class NotTrainableError(GairbenchError):
    """A model has nothing to train, or keeps gradients from it; its cells with evaluators that train it are skipped."""


class PluginError(GairbenchError):
    """A plugin is broken or clashes with another one."""


class StorageError(GairbenchError):
    """A result, cache or checkpoint file cannot be written or read."""


class DownloadError(GairbenchError):
    """A file cannot be fetched, or what came is not the declared file."""


class BusyError(StorageError):
    """Another process works on the same file or folder."""


class WorkerLostError(GairbenchError):
    """A worker died, its node was lost or its time ran out: the job itself may be right, and is tried again."""


class PluginWarning(UserWarning):
    """A plugin was skipped, or what it changed in the process was undone; the rest of gairbench still works."""


def _remade(kind: type[GairbenchError], args: tuple[object, ...], state: dict[str, object]) -> GairbenchError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
