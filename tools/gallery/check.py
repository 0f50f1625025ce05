"""The command ``mmpersonsearch gallery check``."""

from mmpersonsearch.cli.gallery_check import main

if __name__ == "__main__":
    main()
