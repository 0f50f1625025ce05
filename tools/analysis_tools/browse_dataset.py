"""The command ``mmpersonsearch browse``."""

from mmpersonsearch.cli.browse import main

if __name__ == "__main__":
    main()
