import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import sys
sys.modules.update(mmdet=None, mmcv=None, mmpretrain=None)
from mmpersonsearch.evaluation import RankingWithContextPersons, evaluate_search
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.registry import METRICS, RANKINGS
from mmpersonsearch.visualization import draw_ranking
assert METRICS.get("PersonSearchMetric") is PersonSearchMetric
assert RANKINGS.get("RankingWithContextPersons") is RankingWithContextPersons
"""
HEAVY = """
import sys
import mmpersonsearch.evaluation
from mmpersonsearch.registry import RANKINGS
ranking = RANKINGS.build(dict(type="ContextBipartiteGraphMatching"))
print(sorted({"mmdet", "mmcv", "mmpretrain", "matplotlib", "scipy", "sklearn"} & set(sys.modules)))
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_evaluation_and_ranking_pictures_need_no_detector():
    run(WITHOUT)


def test_evaluation_imports_no_detector_where_there_is_one():
    assert run(HEAVY).strip() == "[]"
