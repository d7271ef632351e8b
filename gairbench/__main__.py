"""The ``gairbench`` command, also as ``python -m gairbench``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported ends it quietly, too."""
    try:
        from gairbench.cli import main as command_line
    except KeyboardInterrupt:
        sys.stderr.write("gairbench: interrupted; nothing was done; run the same command again\n")
        sys.exit(130)
    command_line()


if __name__ == "__main__":
    main()
