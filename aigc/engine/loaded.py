"""A model in memory with all that belongs to it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aigc.engine.chat import ChatEncoder, Tokenizer
from aigc.engine.grammar import Grammars
from aigc.engine.loader import end_tokens, load_model, load_tokenizer
from aigc.engine.runners import RowRunner, Runner, open_runner
from aigc.engine.sizing import Sizes
from aigc.models import ModelRef
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_log = logging.getLogger(__name__)


class Loaded:
    """Model, tokenizer, grammars, and the runner that steps it."""

    def __init__(self, settings: EngineSettings, ref: ModelRef) -> None:
        folder = ref.folder()
        self.tokenizer: Tokenizer = load_tokenizer(folder, settings)
        self.model: PreTrainedModel = load_model(folder, settings)
        self.chat = ChatEncoder(self.tokenizer)
        self.end_tokens = end_tokens(self.model, self.tokenizer)
        self.vocabulary = int(self.model.get_output_embeddings().out_features)
        self._grammars: Grammars | None = None
        self._runner: Runner | None = None
        self._told_why = False

    @property
    def grammars(self) -> Grammars:
        if self._grammars is None:
            self._grammars = Grammars(self.tokenizer, self.vocabulary, sorted(self.end_tokens))
        return self._grammars

    def runner(self, slots: int, sizes: Sizes) -> Runner:
        """The runner for `slots` rows; its cache is kept between batches of the same size."""
        if self._runner is None or self._runner.slots != slots:
            self.drop_runner()
            self._runner = open_runner(self.model, slots, sizes.pages_for(slots), sizes.context)
            if isinstance(self._runner, RowRunner) and not self._told_why:
                self._told_why = True
                _log.warning(
                    "%s does not run over pages (%s): each row is computed by itself, which is slower",
                    type(self.model).__name__,
                    self._runner.reason,
                )
        return self._runner

    def drop_runner(self) -> None:
        """Free the cache of keys and values."""
        self._runner = None
