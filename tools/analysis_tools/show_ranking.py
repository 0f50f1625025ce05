"""The command ``mmpersonsearch rank``."""

from mmpersonsearch.cli.rank import main

if __name__ == "__main__":
    main()
