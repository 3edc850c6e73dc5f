"""A model that learned from editors: tuned, compared with what it was, and called better only where that is shown.

    recipes     how a model is tuned, from the size of the data
    writing     held-out briefs written by a model, and judged by the filters of their type
    comparison  before and after, and whether the difference can be chance
    statement   tuning.json: what was made of what, how, and what came of it
    pictures    loss.png
    card        README.md
    tuning      all of it in order; the same call goes on with one that was stopped
"""
