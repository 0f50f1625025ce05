"""The command ``mmpersonsearch flops``."""

from mmpersonsearch.cli.flops import main

if __name__ == "__main__":
    main()
