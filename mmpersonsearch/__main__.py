"""``python -m mmpersonsearch``: the command ``mmpersonsearch``."""

from mmpersonsearch.cli.main import main

if __name__ == "__main__":
    main()
