"""Train and test methods on the synthetic set over several seeds, and tabulate the results.

    python -m projects.synthetic_benchmark.run.benchmark --seeds 0 1 2
    python -m projects.synthetic_benchmark.run.benchmark --methods tdn-bot oim-star --seeds 3
    python -m projects.synthetic_benchmark.run.benchmark --seeds            # only write the tables anew
    python -m projects.synthetic_benchmark.run.benchmark --seeds --measure  # speed and size, on an idle machine

``methods.py`` lists the methods. Each finished run is a record in ``results/runs.jsonl`` with a digest of its configs.
A run whose record is of today's configs is not done again; an interrupted training resumes from its last checkpoint.

Several processes of this command may run side by side (best one per core, with ``OMP_NUM_THREADS=1``): each takes what
none has begun. Teachers and detectors are trained once per seed and serve all methods that need them. All backbones,
teachers' too, start from those of a Re-ID model that was trained on another synthetic set, as the papers' start from
ImageNet's weights. Training is in mixed precision (``tools/train.py --amp``: bfloat16 on a CPU), testing in float32;
seed 0 is validated during training, for the learning curves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .bench import Bench
from .methods import METHODS
from .records import measure_sizes, read_records, read_sizes
from .stages import ROOT, StageFailedError
from .tables import make_tables, write_tables


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--measure", action="store_true", help="measure speed and size of the methods first")
    parser.add_argument("--work-dir", type=Path, default=ROOT / "work_dirs/synth_benchmark")
    args = parser.parse_args(argv)
    bench = Bench(args.work_dir.resolve())
    try:
        if args.measure:
            measure_sizes(args.methods)
        if args.seeds:
            bench.prepare()
            bench.run_all(args.methods, args.seeds)
    except StageFailedError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next run resumes from here.")
    write_tables()
    print(make_tables(read_records(), read_sizes()))


if __name__ == "__main__":
    main()
