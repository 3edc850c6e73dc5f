"""Facts of a text: what it states that can be held against what its brief says."""

from aigc.filters.facts.fact import Fact, Kind
from aigc.filters.facts.ground import Ground, cells_of, ground_of
from aigc.filters.facts.reading import facts_in

__all__ = ["Fact", "Ground", "Kind", "cells_of", "facts_in", "ground_of"]
