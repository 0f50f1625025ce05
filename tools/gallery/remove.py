"""The command ``mmpersonsearch gallery remove``."""

from mmpersonsearch.cli.gallery_remove import main

if __name__ == "__main__":
    main()
