"""The command ``mmpersonsearch plot embeddings``."""

from mmpersonsearch.cli.plot_embeddings import main

if __name__ == "__main__":
    main()
