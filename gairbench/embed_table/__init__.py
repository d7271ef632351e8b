"""A table of images and places in, a GeoParquet file of embeddings out."""
