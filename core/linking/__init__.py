"""Links between calls and leads: who belongs to whom, why not, and the repairs.

:class:`Linking` is the way in; the rest of what is exported here is what its methods take and give.
"""

from core.linking.commands import Action, Command, Mode, Options
from core.linking.results import (
    BatchUndo,
    Check,
    Matches,
    Rebuilt,
    SkippedUndo,
    Stage,
    StageName,
    StageState,
    Story,
    WorklistPage,
)
from core.linking.service import Linking
from core.linking.worklist import View, WorklistFilter

__all__ = [
    "Action",
    "BatchUndo",
    "Check",
    "Command",
    "Linking",
    "Matches",
    "Mode",
    "Options",
    "Rebuilt",
    "SkippedUndo",
    "Stage",
    "StageName",
    "StageState",
    "Story",
    "View",
    "WorklistFilter",
    "WorklistPage",
]
