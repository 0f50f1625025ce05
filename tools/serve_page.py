"""The command ``mmpersonsearch serve``."""

from mmpersonsearch.cli.serve import main

if __name__ == "__main__":
    main()
