"""The command ``mmpersonsearch benchmark model``."""

from mmpersonsearch.cli.benchmark_model import main

if __name__ == "__main__":
    main()
