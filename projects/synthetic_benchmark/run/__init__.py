"""Training and testing on the synthetic set: the demo, the benchmark and its tables, and baselines on true boxes."""
