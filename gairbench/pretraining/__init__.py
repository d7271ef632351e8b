"""Pre-training for any model: data, schedule, Lightning loop, monitoring, exact resume. Import from the submodules."""
