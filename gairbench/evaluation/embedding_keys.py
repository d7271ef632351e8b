"""Which embeddings a model computes of a dataset, each with the key of all that can change its values."""

from __future__ import annotations

from collections.abc import Sequence

from gairbench.conversion import CONVERSION_VERSION
from gairbench.digests import digest, plain
from gairbench.embedding import EMBEDDING_VERSION
from gairbench.evaluation.cells import Embedding
from gairbench.feeding import Feed
from gairbench.spec import DatasetSpec, ModelSpec, Preset
from gairbench.weights.origin import Weights


def embeddings_of(
    model: ModelSpec,
    preset: Preset,
    weights: Weights,
    dataset: DatasetSpec,
    feeds: Sequence[Feed],
    *,
    splits: Sequence[str],
    fingerprint: str,
    codes: tuple[str, str],
    limit: int | None,
    partial: bool,
    empty: bool,
) -> tuple[Embedding, ...]:
    """Return one embedding for each split and feed.

    Args:
        model: The model.
        preset: Its preset.
        weights: Where its weights come from.
        dataset: The dataset.
        feeds: What is computed.
        splits: Names of the splits.
        fingerprint: Hash of the data.
        codes: Digests of the code of the model and of the dataset.
        limit: The run's ``--limit``.
        partial: Where samples are looked up, some may be lacking.
        empty: Their evaluator takes no features.
    """
    # Feeds are deep: they are made plain once for all splits.
    stated = [(feed, plain(feed)) for feed in feeds]
    return tuple(
        Embedding(
            feed=feed,
            split=split,
            key=digest(
                model=[model.name, model.version, preset.name],
                code=list(codes),
                weights=weights.identity,
                feed=described,
                dataset=[dataset.name, dataset.version, fingerprint, split],
                limit=limit,
                versions=[CONVERSION_VERSION, EMBEDDING_VERSION],
                **({"partial": True} if partial and feed.looks_up else {}),
                **({"columns": 0} if empty else {}),
            ),
            cached=False,
            empty=empty,
            partial=partial and feed.looks_up,
        )
        for split in splits
        for feed, described in stated
    )
