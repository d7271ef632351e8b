"""Turn result records into published tables."""
