"""The command ``mmpersonsearch index``."""

from mmpersonsearch.cli.index import main

if __name__ == "__main__":
    main()
