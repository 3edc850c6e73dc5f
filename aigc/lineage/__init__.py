"""A run as OpenLineage events, for those who follow data across systems.

    facets     the values of the specification, and the one facet of the house's own
    events     run.json to an event: started, finished, failed, stopped
    transport  an event to a server or a file
"""

from __future__ import annotations

from aigc.lineage.events import ParentRun, abort_event, complete_event, fail_event, failure, lineage_id, start_event
from aigc.lineage.facets import Event
from aigc.lineage.transport import Emitter

__all__ = [
    "Emitter", "Event", "ParentRun", "abort_event", "complete_event", "fail_event", "failure", "lineage_id",
    "start_event",
]
