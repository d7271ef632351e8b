"""``python -m gairbench``."""

from gairbench.cli import main

main()
