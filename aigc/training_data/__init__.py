"""What editors decided, as data that a model learns from: answers to imitate, and pairs of a better and a worse one.

    values     what an example, a pair and the folder's own statement are
    materials  a run's rows: what each was asked, the text that stands, the texts that were refused
    dialogues  a user's own dialogues, checked line by line
    splits     which briefs are held out
    building   materials and dialogues to examples and pairs, without doubles
    writing    the folder: a file a split, dataset.json, README.md
    reading    the folder again, for tuning
"""
