"""Tiny random models that ask and answer as published guards do: their chat templates, shortened, and their labels.

What each template takes and how it ends is as the model cards have it; the policies in between are left out.
"""

from __future__ import annotations

from pathlib import Path

import torch
import transformers

from aigc.models import ModelRef

from . import tiny

CONVERSATION = (
    "{% for m in messages %}{{ 'USER' if m.role == 'user' else 'ASSISTANT' }}: {{ m.content }}\n\n{% endfor %}"
)
QWEN3GUARD = (
    "<|im_start|>user\n# Task:\n<BEGIN SAFETY POLICY>\n**Safety: Controversial**\n<END SAFETY POLICY>\n\n"
    "<BEGIN UNSAFE CONTENT CATEGORIES>\nViolent.\nPII.\n<END UNSAFE CONTENT CATEGORIES>\n\n"
    f"<BEGIN CONVERSATION>\n\n{CONVERSATION}<END CONVERSATION><|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>{{ '\n\n' }}"
)
LLAMA_GUARD_3_8B = (
    "{% if messages|length % 2 == 0 %}{% set role = 'Agent' %}{% else %}{% set role = 'User' %}{% endif %}"
    "<|im_start|>user\n\nTask: Check if there is unsafe content in '{{ role }}' messages.\n\n"
    "<BEGIN UNSAFE CONTENT CATEGORIES>\nS1: Violent Crimes.\nS2: Non-Violent Crimes.\nS10: Hate.\n"
    "S14: Code Interpreter Abuse.\n<END UNSAFE CONTENT CATEGORIES>\n\n<BEGIN CONVERSATION>\n\n"
    "{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles') }}{% endif %}"
    "{{ m.role + ': ' + m.content.strip() + '\n\n' }}{% endfor %}<END CONVERSATION>\n\n"
    " - First line must read 'safe' or 'unsafe'.<|im_end|><|im_start|>assistant"
)
"""Takes a turn's content as a text."""
LLAMA_GUARD_3_1B = (
    "<|im_start|>user\n\n<BEGIN UNSAFE CONTENT CATEGORIES>\n{{- 'S1: ' + 'Violent Crimes.' }}\n"
    "<END UNSAFE CONTENT CATEGORIES>\n\n"
    "{%- for m in messages -%}{%- for part in m.content | selectattr('type', 'equalto', 'text') -%}"
    "{{- m.role + ': ' + part.text | trim + '\n\n' -}}{%- endfor -%}{%- endfor -%}"
    "<END CONVERSATION><|im_end|><|im_start|>assistant"
)
"""Takes a list of parts. A text is rendered as nothing, without an error."""
SHIELDGEMMA = (
    "<|endoftext|>You are a policy expert trying to help determine whether an AI response is in violation.\n\n"
    "<|im_start|>\nHuman Question: {{ messages[0].content }}\n<|im_end|>\n"
    "{% if messages|length > 1 %}<|im_start|>\nChatbot Response: {{ messages[1].content }}\n<|im_end|>\n{% endif %}"
    "\nOur safety principle is defined in the below:\n\n* {{ guideline }}\n\n===\n\n"
    "Does it violate the above principle?{{ '\n\n' }}"
)
GRANITE_GUARDIAN = (
    "{% set risk = guardian_config['risk_name'] if guardian_config else 'harm' %}"
    "<|im_start|>user\nYou are a safety agent. {{ messages[-2].content if messages|length > 1 else '' }}\n"
    "{{ messages[-1].content }}\n<start_of_risk_definition>\n* {{ risk }}\n<end_of_risk_definition><|im_end|>\n"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GRANITE_GUARDIAN_3_3 = (
    "<|im_start|>system\n{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "### Criteria: {{ guardian_config['criteria_id'] }}<|im_end|>\n"
    "{% if add_generation_prompt %}<|im_start|>judge{{ '{think}' if think else '{no_think}' }}{% endif %}"
)
TEMPLATES = {
    "qwen3guard": ("Qwen3", QWEN3GUARD),
    "llama_guard": ("Llama", LLAMA_GUARD_3_8B),
    "shieldgemma": ("Gemma2", SHIELDGEMMA),
    "granite_guardian": ("Granite", GRANITE_GUARDIAN),
}


def guard(folder: Path, kind: str, template: str) -> ModelRef:
    """A random model of the architecture `kind` behind a chat template."""
    tiny.model(kind, max_position_embeddings=2048).save_pretrained(folder)
    made = tiny.tokenizer()
    made.chat_template = template
    made.save_pretrained(folder)
    return ModelRef(ref=folder.name, path=folder, digest="sha256:guard", chat_template=True)


def scorer(folder: Path, labels: list[str], *, problem: str | None = None, positions: int = 64) -> ModelRef:
    """A random BERT with a classification head for `labels`."""
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=259, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=positions, pad_token_id=0, problem_type=problem,
        id2label=dict(enumerate(labels)), label2id={label: at for at, label in enumerate(labels)},
    )
    made = transformers.BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0)
    made.save_pretrained(folder)
    tokenizer = tiny.tokenizer(chat=False)
    tokenizer.model_max_length = positions
    tokenizer.save_pretrained(folder)
    return ModelRef(ref=folder.name, path=folder, digest="sha256:scorer")
