"""What the benchmark compares on the synthetic set: one comparison a paper, one row a method."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

CONFIGS = "projects/synthetic_benchmark/configs"


@dataclass
class Method:
    """A row of a table.

    Attributes:
        title: In the table.
        config: What is tested, and trained unless ``tests`` names another's training.
        needs: Configs of the models that it learns from or consists of, by the config's variable that names their
            checkpoint.
        tests: The variable of ``needs`` whose model is tested; the method then has no training of its own.
    """

    title: str
    config: str
    needs: dict[str, str] = field(default_factory=dict)
    tests: str | None = None

    @property
    def is_two_step(self) -> bool:
        """Whether it is put together from a detector and a Re-ID model."""
        return self.config.startswith(f"{CONFIGS}/two_step/")


def weights_config(config: str) -> str:
    """Find the Re-ID model whose backbone a config's model starts from: BoT on the IBN-ResNet of its name's depth."""
    depth = re.search(r"_r(\d+)(?:ibn|-c4)?_synth", Path(config).stem).group(1)
    return f"{CONFIGS}/reid/bot_r{depth}ibn_synth.py"


BOT, MGN, AGW = ({"TEACHER_CHECKPOINT": f"{CONFIGS}/reid/{kind}_r18ibn_synth.py"} for kind in ("bot", "mgn", "agw"))
DETECTOR = {"DETECTOR_CHECKPOINT": f"{CONFIGS}/two_step/faster-rcnn_r18ibn_synth.py"}
DET_50 = {"DETECTOR_CHECKPOINT": f"{CONFIGS}/oim/faster-rcnn_r50-c4_synth.py"}
OIM_50 = {"LUT_CHECKPOINT": f"{CONFIGS}/oim/oim_r50_synth.py"}
LUT_18 = {"LUT_CHECKPOINT": f"{CONFIGS}/oim/oim_r18_synth.py"}
OIM_18 = {"OIM_CHECKPOINT": f"{CONFIGS}/oim/oim_r18_synth.py"}
# QEEPS, and OIM beside it, are tested on the mini protocol.
_QEEPS = f"{CONFIGS}/qeeps/qeeps_r18_synth-mini"
LUT_QEEPS = {"LUT_CHECKPOINT": f"{_QEEPS}.py"}
_TDN, _FDPS = f"{CONFIGS}/tdn/tdn_r18ibn_synth", f"{CONFIGS}/fdps/fdps_r18_synth"


@dataclass
class Comparison:
    """A table.

    Attributes:
        title: Its heading.
        budget: Iterations of all trainings, those of teachers included, are the configs' times this.
        methods: By name, in the papers' order where they have one.
    """

    title: str
    budget: float
    methods: dict[str, Method]


COMPARISONS = [
    Comparison(
        "TDN, its components and teachers, two-step models",
        2,
        {
            "oim-star": Method("OIM*", f"{_TDN}_oim-star.py"),
            "baseline": Method("baseline", f"{_TDN}_baseline.py"),
            "wo-ktb": Method("baseline + teacher (TDN without KTB)", f"{_TDN}_wo-ktb.py", BOT),
            "wo-teacher": Method("TDN without teacher", f"{_TDN}_wo-teacher.py"),
            "tdn-bot": Method("TDN, BoT", f"{_TDN}.py", BOT),
            "tdn-bot-distill-final": Method("TDN, BoT, L_t on all final boxes", f"{_TDN}_distill-final.py", BOT),
            "tdn-mgn": Method("TDN, MGN", f"{_TDN}_mgn-teacher.py", MGN),
            "tdn-agw": Method("TDN, AGW", f"{_TDN}_agw-teacher.py", AGW),
            "two-step-bot": Method(
                "two-step, BoT", f"{CONFIGS}/two_step/faster-rcnn_bot_synth.py", DETECTOR | BOT, "DETECTOR_CHECKPOINT"
            ),
            "two-step-mgn": Method(
                "two-step, MGN", f"{CONFIGS}/two_step/faster-rcnn_mgn_synth.py", DETECTOR | MGN, "DETECTOR_CHECKPOINT"
            ),
            "two-step-agw": Method(
                "two-step, AGW", f"{CONFIGS}/two_step/faster-rcnn_agw_synth.py", DETECTOR | AGW, "DETECTOR_CHECKPOINT"
            ),
        },
    ),
    Comparison(
        "OIM and its distillation",
        2,
        {
            "det-r50": Method("DET_50", f"{CONFIGS}/oim/faster-rcnn_r50-c4_synth.py"),
            "oim-r50": Method("OIM_50", f"{CONFIGS}/oim/oim_r50_synth.py"),
            "oim-r50-kd-det": Method("OIM_50, KD_det", f"{CONFIGS}/oim/oim_r50_synth_kd-det.py", DET_50),
            "oim-r50-kd-reid": Method("OIM_50, KD_reid", f"{CONFIGS}/oim/oim_r50_synth_kd-reid.py", OIM_50),
            "oim-r50-kd-reid-oim-r18": Method(
                "OIM_50, KD_reid from OIM_18", f"{CONFIGS}/oim/oim_r50_synth_kd-reid_oim-r18-teacher.py", LUT_18
            ),
            "oim-r50-kd-both": Method("OIM_50, both", f"{CONFIGS}/oim/oim_r50_synth_kd-det-reid.py", DET_50 | OIM_50),
            "det-r18": Method("DET_18", f"{CONFIGS}/oim/faster-rcnn_r18-c4_synth.py"),
            "oim-r18": Method("OIM_18", f"{CONFIGS}/oim/oim_r18_synth.py"),
            "oim-r18-kd-det": Method("OIM_18, KD_det", f"{CONFIGS}/oim/oim_r18_synth_kd-det.py", DET_50),
            "oim-r18-kd-reid": Method("OIM_18, KD_reid", f"{CONFIGS}/oim/oim_r18_synth_kd-reid.py", OIM_50),
            "oim-r18-kd-reid-oim-r18": Method(
                "OIM_18, KD_reid from OIM_18", f"{CONFIGS}/oim/oim_r18_synth_kd-reid_oim-r18-teacher.py", LUT_18
            ),
            "oim-r18-kd-both": Method("OIM_18, both", f"{CONFIGS}/oim/oim_r18_synth_kd-det-reid.py", DET_50 | OIM_50),
        },
    ),
    Comparison(
        "OIM_18 by lambda_oim, the weight of its loss; for 1 see above",
        2,
        {
            f"oim-r18{name}-lambda-{weight}": Method(
                f"OIM_18{title}, lambda_oim {weight}", f"{CONFIGS}/oim/oim_r18_synth{leaf}_lambda-{weight}.py", needs
            )
            for name, title, leaf, needs in (("", "", "", {}), ("-kd-det", ", KD_det", "_kd-det", DET_50))
            for weight in ("0.6", "0.3", "0.1")
        },
    ),
    Comparison(
        "FDPS and BOIM",
        2,
        {
            "fdps-oim-base": Method("shared feature (OIM-base)", f"{_FDPS}_oim-base.py"),
            "fdps-flatten": Method("Flatten", f"{_FDPS}_flatten.py"),
            "fdps-parameter-base": Method("1x1 convolutions (Parameter-base)", f"{_FDPS}_parameter-base.py"),
            "fdps": Method("FDPS", f"{_FDPS}.py"),
            "fdps-512-embedding": Method("FDPS, memories of width C", f"{_FDPS}_512-embedding.py"),
            "fdps-boim-w": Method("FDPS, w of BOIM", f"{_FDPS}_boim-w.py"),
            "fdps-boim-neg": Method("FDPS, L_neg of BOIM", f"{_FDPS}_boim-neg.py"),
            "fdps-boim": Method("FDPS, BOIM", f"{_FDPS}_boim.py"),
        },
    ),
    Comparison(
        "I-Net and DC-I-Net",
        2,
        {
            "inet": Method("I-Net", f"{CONFIGS}/inet/inet_r18_synth.py", OIM_18),
            "inet-c2hep": Method("I-Net, C2HEP", f"{CONFIGS}/inet/inet_r18_synth_c2hep.py", OIM_18),
            "dc-inet-hep": Method("DC-I-Net, HEP", f"{CONFIGS}/dc_inet/dc_inet_r18_synth_hep.py", OIM_18),
            "dc-inet": Method("DC-I-Net", f"{CONFIGS}/dc_inet/dc_inet_r18_synth.py", OIM_18),
        },
    ),
    Comparison(
        "DC-I-Net by losses, dictionary, priority classes and inputs",
        2,
        {
            f"dc-inet-{leaf}": Method(title, f"{CONFIGS}/dc_inet/dc_inet_r18_synth_{leaf}.py", OIM_18)
            for leaf, title in {
                "triplet-hep": "triplet + HEP",
                "olp-only": "OLP only",
                "c2hep-only": "C2HEP only",
                "dict-20": "dictionary 20 x 16",
                "dict-60": "dictionary 60 x 16",
                "olp-only-dict-20": "OLP only, dictionary 20 x 16",
                "olp-only-dict-60": "OLP only, dictionary 60 x 16",
                "pool-25": "T = 25",
                "pool-150": "T = 150",
                "2-input": "2 images",
                "8-input": "8 images",
                "contrastive": "contrastive loss",
                "contrastive-2-input": "contrastive loss, 2 images",
                "contrastive-8-input": "contrastive loss, 8 images",
            }.items()
        },
    ),
    Comparison(
        "QEEPS and its distillation, on the mini protocol",
        2,
        {
            "oim-r18-mini": Method("OIM_18", f"{CONFIGS}/oim/oim_r18_synth-mini.py", OIM_18, "OIM_CHECKPOINT"),
            "qeeps-r18": Method("QEEPS_18", f"{_QEEPS}.py", OIM_18),
            "qeeps-r18-kd-reid-oim-r18": Method(
                "QEEPS_18, KD_reid from OIM_18",
                f"{_QEEPS}_kd-reid_oim-r18-teacher.py",
                OIM_18 | LUT_18,
            ),
            "oim-r18-kd-reid-qeeps-r18": Method(
                "OIM_18, KD_reid from QEEPS_18",
                f"{CONFIGS}/oim/oim_r18_synth-mini_kd-reid_qeeps-r18-teacher.py",
                LUT_QEEPS,
            ),
            "qeeps-r18-kd-reid": Method("QEEPS_18, KD_reid from QEEPS_18", f"{_QEEPS}_kd-reid.py", OIM_18 | LUT_QEEPS),
            "qeeps-r18-wo-qsse": Method("QEEPS_18 without QSSE", f"{_QEEPS}_wo-qsse.py", OIM_18),
            "qeeps-r18-wo-qrpn": Method("QEEPS_18 without QRPN", f"{_QEEPS}_wo-qrpn.py", OIM_18),
            "qeeps-r18-wo-qsimnet": Method("QEEPS_18 without QSimNet", f"{_QEEPS}_wo-qsimnet.py", OIM_18),
        },
    ),
]
METHODS = {name: method for comparison in COMPARISONS for name, method in comparison.methods.items()}
BUDGETS = {name: comparison.budget for comparison in COMPARISONS for name in comparison.methods}
NEEDS = {method.config: method.needs for method in METHODS.values()}
