"""Triplets for pre-training from one's own files: manifests, crops, shards, balanced sampling."""
