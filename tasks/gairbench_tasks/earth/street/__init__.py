"""Street photos rendered from the real values at their points."""
