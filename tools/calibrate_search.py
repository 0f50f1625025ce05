"""The command ``mmpersonsearch calibrate``."""

from mmpersonsearch.cli.calibrate import main

if __name__ == "__main__":
    main()
