"""The command ``mmpersonsearch eval``."""

from mmpersonsearch.cli.eval import main

if __name__ == "__main__":
    main()
