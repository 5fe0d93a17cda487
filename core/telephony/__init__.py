"""Twilio: its client, its error codes in words, repair from it, the simulated carrier, test calls.

Nothing here imports Twilio's SDK before somebody is to be dialled or asked.
"""

from core.telephony.repair import BulkRepair, Difference, Repair, RepairPreview
from core.telephony.service import Telephony
from core.telephony.test_calls import TestCall, TestCalls, Watched
from core.telephony.test_stages import TestStage

__all__ = [
    "BulkRepair",
    "Difference",
    "Repair",
    "RepairPreview",
    "Telephony",
    "TestCall",
    "TestCalls",
    "TestStage",
    "Watched",
]
