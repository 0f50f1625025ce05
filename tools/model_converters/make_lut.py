"""The command ``mmpersonsearch make-lut``."""

from mmpersonsearch.cli.make_lut import main

if __name__ == "__main__":
    main()
