// Reasons of filters in English, where the code does not read as words. What is not here is shown as its code, with spaces.

const CODES_EN = {
  empty: 'no text', empty_field: 'empty field', not_in_form: 'not in the form asked for', mojibake: 'garbled characters', lone_surrogate: 'broken character',
  replacement_character: 'lost character', control_character: 'control character', bidi_override: 'direction override', bidi_mark: 'direction mark',
  zero_width: 'invisible character', private_use: 'character without meaning', cut_off: 'not finished', field_cut_off: 'field not finished',
  repaired: 'form was repaired', no_end_mark: 'no full stop at the end', repeated_tail: 'end repeats itself', distinct_ngrams_low: 'says the same again',
  repeated_field: 'field repeated', compressible: 'much repetition', refusal: 'refuses to answer', speaks_as_ai: 'speaks as an AI', opening: 'needless opening words',
  closing: 'needless closing words', placeholder: 'placeholder left in', chat_token: 'chat mark left in', thinking_tag: 'thinking mark left in',
  unclosed_fence: 'code block not closed', html: 'HTML left in', markdown_marks: 'Markdown marks left in', wrong_variant: 'wrong variant of Chinese',
  mixed_script: 'mixed scripts', mixed_variants: 'mixed variants of Chinese', foreign_passage: 'passage in another language', mixed_letters: 'letters of two alphabets',
  missing_keyword: 'keyword missing', missing_name: 'name missing', misspelt_name: 'name misspelt', brief_speaks_to_model: 'brief gives the model orders',
  forbidden_by_policy: 'forbidden by policy', prompt_echo: 'repeats its prompt', copied_instruction: 'copies an instruction', too_many_exclamations: 'too many exclamation marks', emoji: 'too many emoji',
  questions: 'too many questions', unproven_authority: 'authority without proof', green_claim: 'environmental claim', secret: 'password or key',
  disclosure_missing: 'AI label missing', disclosure_unclear: 'AI label unclear', disclosure_repeated: 'AI label repeated', claims_human_author: 'claims a human author',
  near_duplicate: 'like another text', safety: 'safety', judge: 'marked low by the judge', filter_error: 'check broke down', safety_error: 'safety check broke down',
  judge_error: 'judge broke down', not_made: 'not made again', few_texts: 'few texts to choose from', token_budget: 'tokens spent', engine_died: 'engine stopped',
  unfinished_dialogue: 'dialogue not finished',
};
