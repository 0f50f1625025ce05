"""The command ``mmpersonsearch on-boxes``."""

from mmpersonsearch.cli.on_boxes import main

if __name__ == "__main__":
    main()
