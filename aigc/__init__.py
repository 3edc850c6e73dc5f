"""`aigc`: sheets of content briefs in, reviewed and traceable content out, in batches, overnight."""

__version__ = "0.1.0"
