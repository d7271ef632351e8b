"""How what plugins register may be called: names stand in paths, tables, lists and on the command line."""

from __future__ import annotations

import re

_SLUG = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
_METRIC = re.compile(r"[a-z0-9]+([-_.@][a-z0-9]+)*")
_REST = re.compile(r"[A-Za-z0-9]+([-_.]+[A-Za-z0-9]+)*")


def slug_problem(name: str, what: str) -> str:
    """Return why a name is not safe in file names, tables and on the command line; empty if it is.

    Args:
        name: The name.
        what: What is called by it, for the message.

    Example:
        >>> slug_problem("a+b", "split policy")
        "split policy name 'a+b' is not lower-case words of letters and digits joined by '-', '_' or '.'"
    """
    if _SLUG.fullmatch(name):
        return ""
    return f"{what} name {name!r} is not lower-case words of letters and digits joined by '-', '_' or '.'"


def metric_name_problem(name: str) -> str:
    """Return why a metric cannot be called so; empty if it can: ``@`` may join a number, as in ``recall@10``."""
    if _METRIC.fullmatch(name):
        return ""
    return f"metric name {name!r} is not lower-case words of letters and digits joined by '-', '_', '.' or '@'"


def model_name_problem(name: str) -> str:
    """Return why a model cannot be called so; empty if it can.

    A model has a slug, one with its variant in brackets (``gair[bilinear]``), or a name of a pattern (``timm:vit``).
    """
    prefix, colon, rest = name.partition(":")
    if colon:
        safe = _REST.fullmatch(rest) is not None
        other = "" if safe else f"model name {name!r} has other characters than letters, digits, '-', '_' and '.'"
        return slug_problem(prefix, "pattern of model") or other
    base, bracket, variant = name.removesuffix("]").partition("[") if name.endswith("]") else (name, "", "")
    return slug_problem(base, "model") or (slug_problem(variant, f"variant of model {base}") if bracket else "")
