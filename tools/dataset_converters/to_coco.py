"""The command ``mmpersonsearch to-coco``."""

from mmpersonsearch.cli.to_coco import main

if __name__ == "__main__":
    main()
