"""The command ``mmpersonsearch synth``."""

from mmpersonsearch.cli.synth import main

if __name__ == "__main__":
    main()
