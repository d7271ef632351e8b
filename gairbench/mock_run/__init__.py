"""A run on tiny generated data, to see in less than a minute that every representation of a model can be evaluated."""
