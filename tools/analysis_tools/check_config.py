"""The command ``mmpersonsearch check``."""

from mmpersonsearch.cli.check import main

if __name__ == "__main__":
    main()
