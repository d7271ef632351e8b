"""Where weights come from, and how checkpoints are read and written."""
