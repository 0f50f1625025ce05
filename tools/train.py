"""The command ``mmpersonsearch train``."""

from mmpersonsearch.cli.train import main

if __name__ == "__main__":
    main()
