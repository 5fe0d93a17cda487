"""Links between calls and leads: who belongs to whom, why not, and the repairs.

:class:`Linking` is the way in; the rest of what is exported here is what its methods take and give.
"""

from core.linking.bulk import BatchStatus, BulkOutcome
from core.linking.bulk_plan import BulkPlan, Pair, Skip
from core.linking.bulk_work import BulkProgress, NotLinked
from core.linking.claims import Claim
from core.linking.commands import Action, Command, Mode, Options
from core.linking.conflicts import ConflictDetail, ConflictPage, Constraint, MergePreview, NormalisePreview, Side
from core.linking.corrections import Correction
from core.linking.lead_book import LeadHit, LeadPage, LeadStory, PhonePreview, SharingLead
from core.linking.live import LiveCall, LiveCalls, LiveLine
from core.linking.new_lead import Draft, NewLeadPreview, RequiredColumn
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
from core.linking.search import Hits
from core.linking.service import Linking
from core.linking.system import DialableLead, OwnNumber, Setting, System
from core.linking.triage import Turn, Work
from core.linking.views import NumberGroup, NumberPage
from core.linking.worklist import View, WorklistFilter

__all__ = [
    "Action",
    "BatchStatus",
    "BatchUndo",
    "BulkOutcome",
    "BulkPlan",
    "BulkProgress",
    "Check",
    "Claim",
    "Command",
    "ConflictDetail",
    "ConflictPage",
    "Constraint",
    "Correction",
    "DialableLead",
    "Draft",
    "Hits",
    "LeadHit",
    "LeadPage",
    "LeadStory",
    "Linking",
    "LiveCall",
    "LiveCalls",
    "LiveLine",
    "Matches",
    "MergePreview",
    "Mode",
    "NewLeadPreview",
    "NormalisePreview",
    "NotLinked",
    "NumberGroup",
    "NumberPage",
    "Options",
    "OwnNumber",
    "Pair",
    "PhonePreview",
    "Rebuilt",
    "RequiredColumn",
    "Setting",
    "SharingLead",
    "Side",
    "Skip",
    "SkippedUndo",
    "Stage",
    "StageName",
    "StageState",
    "Story",
    "System",
    "Turn",
    "View",
    "Work",
    "WorklistFilter",
    "WorklistPage",
]
