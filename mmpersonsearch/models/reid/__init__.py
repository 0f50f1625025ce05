"""Re-ID models as teachers, and what joins them to the person-search model."""

from .bnneck_reid_head import BNNeckReIDHead
from .knowledge_transfer_bridge import KnowledgeTransferBridge
from .mgn_reid_head import MGNReIDHead
from .reid_teacher import ReIDTeacher

__all__ = ["BNNeckReIDHead", "KnowledgeTransferBridge", "MGNReIDHead", "ReIDTeacher"]
