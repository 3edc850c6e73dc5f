"""Editors' decisions on a run's texts: what they are, where they are kept, and what stands.

    decisions   the values, and what makes two decisions the same
    words       verbs and reasons in the languages of editors
    reviewable  the rows of a run that an editor can read
    ledger      decisions.jsonl in the run's folder: a chain that only grows
    standing    what all decisions on a record amount to
    intake      decisions that came back in a file: checked, then appended
    page_file   the file that review.html exports
    agreement   how far editors agree: Cohen's kappa, Fleiss' kappa
    status      how far a review has come
"""
