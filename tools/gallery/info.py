"""The command ``mmpersonsearch gallery info``."""

from mmpersonsearch.cli.gallery_info import main

if __name__ == "__main__":
    main()
