"""The command ``mmpersonsearch convert reid``."""

from mmpersonsearch.cli.convert_reid import main

if __name__ == "__main__":
    main()
