"""The command ``mmpersonsearch plot training``."""

from mmpersonsearch.cli.plot_training import main

if __name__ == "__main__":
    main()
