"""The command ``mmpersonsearch search``."""

from mmpersonsearch.cli.search import main

if __name__ == "__main__":
    main()
