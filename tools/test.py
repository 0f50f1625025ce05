"""The command ``mmpersonsearch test``."""

from mmpersonsearch.cli.test import main

if __name__ == "__main__":
    main()
