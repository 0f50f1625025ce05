"""The command ``mmpersonsearch benchmark eval``."""

from mmpersonsearch.cli.benchmark_eval import main

if __name__ == "__main__":
    main()
