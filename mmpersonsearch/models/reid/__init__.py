"""Re-ID models as teachers, and what joins them to the person-search model."""

from .bnneck_reid_head import BNNeckReIDHead
from .frozen_teacher import FrozenTeacher
from .knowledge_transfer_bridge import KnowledgeTransferBridge
from .mgn_reid_head import MGNReIDHead

__all__ = ["BNNeckReIDHead", "FrozenTeacher", "KnowledgeTransferBridge", "MGNReIDHead"]
