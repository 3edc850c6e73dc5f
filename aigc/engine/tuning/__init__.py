"""A model tuned on conversations: the tokens that it is to say made likelier, in the very form in which it is asked.

    values      what to learn, how, and how it went
    tokens      a conversation as the engine would ask it and the model would answer
    likelihood  how likely a model says what it should
    methods     what is learned, examples or pairs, and how TRL is told so
    trainer     TRL's trainer: checkpoints, early stop, going on after a kill
"""

import os

# TRL tells a hub of every trainer that is made, unless this is set when huggingface_hub is first imported. The trainer
# here leaves that out too; this is for a version of TRL that does it elsewhere.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
