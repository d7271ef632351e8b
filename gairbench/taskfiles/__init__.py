"""Tasks declared in YAML over images and tables."""
