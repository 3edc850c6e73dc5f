"""The parameters of a chat completion: those that are done, those that are ignored and those that are refused."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from aigc.records import Value
from aigc.settings_ranges import LONGEST_STOP, MOST_STOPS

MOST_CHOICES = 128
Number: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)] | None


class Part(Value, frozen=True):
    type: Literal["text"]
    text: str


class Turn(Value, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]


class Schema(Value, frozen=True):
    schema: dict[str, object] | None = None


class ResponseFormat(Value, frozen=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class Body(Value, frozen=True):
    """The parameters of a chat completion that decide its text. None is as good as absent, as in OpenAI's API."""

    messages: Annotated[list[Turn], Meta(min_length=1)]
    model: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=5)] | None = None
    top_p: Annotated[float, Meta(ge=1e-6, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=1_000_000)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(ge=0.1, le=10)] | None = None
    max_tokens: Number = None
    max_completion_tokens: Number = None
    min_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    stop: (
        Annotated[str, Meta(min_length=1, max_length=LONGEST_STOP)]
        | Annotated[list[Annotated[str, Meta(min_length=1, max_length=LONGEST_STOP)]], Meta(max_length=MOST_STOPS)]
        | None
    ) = None
    seed: Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    n: Annotated[int, Meta(ge=1, le=MOST_CHOICES)] | None = None
    response_format: ResponseFormat | None = None


KNOWN = frozenset(Body.__struct_fields__)
IGNORED = frozenset({
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "parallel_tool_calls",
})
"""Parameters that do not decide a text."""
NEUTRAL: dict[str, tuple[object, ...]] = {
    "stream": (False,), "stream_options": (), "logprobs": (False,), "top_logprobs": (0,), "tools": ([],),
    "tool_choice": ("none", "auto"), "functions": ([],), "function_call": ("none", "auto"), "logit_bias": ({},),
    "presence_penalty": (0,), "frequency_penalty": (0,), "modalities": (["text"],), "audio": (), "prediction": (),
    "reasoning_effort": ("none",), "verbosity": (), "web_search_options": (),
    "ignore_eos": (False,), "stop_token_ids": ([],), "bad_words": ([],), "prompt_logprobs": (0,), "echo": (False,),
    "use_beam_search": (False,), "skip_special_tokens": (True,), "guided_json": (), "guided_regex": (),
    "guided_choice": (), "guided_grammar": (), "structured_outputs": (), "chat_template": (),
    "chat_template_kwargs": ({},), "add_generation_prompt": (True,), "continue_final_message": (False,),
}
"""Parameters of OpenAI's API and vLLM's that are not supported, with the values that ask for nothing; so does null."""
EXPECTED = {
    "messages": "a list of at least one message", "role": "'system', 'developer', 'user' or 'assistant'",
    "content": "a text or a list of text parts", "text": "a text", "model": "the name of the model",
    "temperature": "a number from 0 to 5", "top_p": "a number above 0 and at most 1",
    "top_k": "a whole number, with 0 or -1 for no limit", "min_p": "a number from 0 to 1",
    "repetition_penalty": "a number from 0.1 to 10", "max_tokens": "a whole number from 1 to 1,000,000",
    "max_completion_tokens": "a whole number from 1 to 1,000,000", "min_tokens": "a whole number from 0 to 1,000,000",
    "seed": "a whole number of 64 bits",
    "stop": f"a text of 1 to {LONGEST_STOP} characters, or at most {MOST_STOPS} of them",
    "n": f"a whole number from 1 to {MOST_CHOICES}", "type": "'text'", "schema": "a JSON schema as an object",
    "response_format": "an object with type 'text', 'json_object' or 'json_schema'",
    "json_schema": "an object with a schema",
}
FAULTS = {
    "prompt_too_long": ("context_length_exceeded", "messages",
                        "Shorten the messages, lower max_tokens, or take a model with a longer context."),
    "empty_prompt": ("empty_prompt", "messages", "Give the user message text."),
    "not_encodable": ("not_encodable", "messages", "Remove what is not valid Unicode."),
    "special_token": ("special_token", "messages", "Remove it: it would let the text speak as the model."),
    "chat_template": ("chat_template", "messages", "Order the roles as the model's chat template asks for."),
    "bad_schema": ("invalid_json_schema", "response_format", "Correct or simplify the schema."),
    "grammar": ("grammar", "response_format", "Simplify the schema."),
    "out_of_memory": ("out_of_memory", "messages", "Shorten it, lower max_tokens, or take a smaller model."),
}
"""An engine's fault code to OpenAI's code, the parameter and a remedy in terms of a request."""
