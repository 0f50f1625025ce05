"""The command ``mmpersonsearch plot lambda``."""

from mmpersonsearch.cli.plot_lambda import main

if __name__ == "__main__":
    main()
