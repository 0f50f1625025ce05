"""The command ``mmpersonsearch plot proposals``."""

from mmpersonsearch.cli.plot_proposals import main

if __name__ == "__main__":
    main()
