"""The command ``mmpersonsearch convert two-step``."""

from mmpersonsearch.cli.convert_two_step import main

if __name__ == "__main__":
    main()
