"""The command ``mmpersonsearch benchmark memories``."""

from mmpersonsearch.cli.benchmark_memories import main

if __name__ == "__main__":
    main()
