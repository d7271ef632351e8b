"""GAIR's two image encoders without anything between them: the backbone of the rivals that see images alone."""

MODELS = ()
