"""The command ``mmpersonsearch crop``."""

from mmpersonsearch.cli.crop import main

if __name__ == "__main__":
    main()
