"""The command ``mmpersonsearch plot search``."""

from mmpersonsearch.cli.plot_search import main

if __name__ == "__main__":
    main()
