"""The command ``mmpersonsearch benchmark ops``."""

from mmpersonsearch.cli.benchmark_ops import main

if __name__ == "__main__":
    main()
