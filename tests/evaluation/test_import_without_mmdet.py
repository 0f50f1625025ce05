import subprocess
import sys
from pathlib import Path

CODE = """
import sys
sys.modules.update(mmdet=None, mmcv=None, mmpretrain=None)
from mmpersonsearch.evaluation import PersonSearchMetric, RankingWithContextPersons, evaluate_search
from mmpersonsearch.registry import METRICS, RANKINGS
from mmpersonsearch.visualization import draw_ranking
assert METRICS.get("PersonSearchMetric") is PersonSearchMetric
assert RANKINGS.get("RankingWithContextPersons") is RankingWithContextPersons
"""


def test_evaluation_and_ranking_pictures_need_no_detector():
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", CODE], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
