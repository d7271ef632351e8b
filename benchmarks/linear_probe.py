"""Measure the linear probe's path over all strengths beside scikit-learn's ``LogisticRegression``, paired.

Run ``python benchmarks/linear_probe.py``. Both fit every strength in ascending order, each from the last; features are
of very unequal variance and correlated, as embeddings are. The objective at the end of each fit shows that both are at
the same optimum.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from gairbench.evaluators.linear import STRENGTHS
from gairbench.evaluators.logistic import LogisticPath, softmax_loss
from gairbench.metrics import Array


def embeddings(samples: int, dim: int, classes: int) -> tuple[Array, Array]:
    """Return standardized features whose principal axes differ in variance by a power law, and classes."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(samples, dim)) * np.arange(1, dim + 1) ** -1.0
    x = axes @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    scores = axes[:, : dim // 4] @ rng.normal(size=(dim // 4, classes)) * 2 + rng.gumbel(size=(samples, classes))
    return (x - x.mean(axis=0)) / x.std(axis=0), scores.argmax(axis=1)


def objective(x: Array, y: Array, weights: Array, bias: Array, c: float) -> float:
    """Return what both minimize."""
    loss = -log_softmax(x @ weights + bias, axis=1)[np.arange(len(y)), y].sum()
    return float(loss + (weights**2).sum() / (2 * c))


def ours(x: Array, y: Array, strengths: tuple[float, ...]) -> list[float]:
    """Fit every strength; return the objectives."""
    path = LogisticPath(x, np.eye(y.max() + 1)[y], softmax_loss, precise=True)
    fits = [(path.fit(c), c) for c in strengths]
    return [objective(x, y, found.weights, found.bias, c) for found, c in fits]


def theirs(x: Array, y: Array, strengths: tuple[float, ...], solver: str) -> list[float]:
    """Fit every strength; return the objectives."""
    model = LogisticRegression(solver=solver, max_iter=5000, tol=1e-5, warm_start=True)
    found = []
    for c in strengths:
        model.set_params(C=c).fit(x, y)
        found.append(objective(x, y, model.coef_.T, model.intercept_, c))
    return found


def main() -> None:
    """Print the median seconds of a path, and how far the objectives are from ours."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=int, default=7200)
    parser.add_argument("--dim", type=int, default=192)
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--largest", type=float, default=10.0, help="largest C")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    x, y = embeddings(args.samples, args.dim, args.classes)
    strengths = tuple(c for c in STRENGTHS if c <= args.largest)
    seconds: dict[str, list[float]] = {}
    objectives: dict[str, list[float]] = {}
    for _ in range(args.repeat):
        for name in ("ours", "lbfgs", "newton-cg"):
            start = time.perf_counter()
            objectives[name] = ours(x, y, strengths) if name == "ours" else theirs(x, y, strengths, name)
            seconds.setdefault(name, []).append(time.perf_counter() - start)
    for name, times in seconds.items():
        off = max(other / own - 1 for own, other in zip(objectives["ours"], objectives[name], strict=True))
        print(f"{name:<16} {statistics.median(times):7.2f} s   objective at most {off:+.1e} above ours")


if __name__ == "__main__":
    main()
