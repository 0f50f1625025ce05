"""``make demo``: train and test on the synthetic set; see ``projects/synthetic_benchmark``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.synthetic_benchmark.run.demo import main

if __name__ == "__main__":
    main()
