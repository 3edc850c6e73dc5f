"""English sentences that say what is to become of `your answer`: written backwards, or with a link in it."""

from __future__ import annotations

import re

from aigc.injection.rule import any_of, laid_out

_OUTPUT = laid_out(r"""\b(?:your|ur) (?:[\w-]+ ){0,2}?(?:responses?|answers?|repl(?:y|ies)|outputs?|completions?)\b
    (?! (?:card|slip|form|sheet|box|key|paper|book|list|envelope|button|jack|socket|power|device)s?\b)""")
_LED_IN = laid_out(r"""^\W{0,6}(?:(?:and|then|now|also|please|instead|finally|so|but|kindly|just|next|ai|assistant
    |hey [\w-]+|note|important|(?:when|before) you [^,]{2,30}|while [^,]{2,30}|at the end|to (?:the|any
    |every) [\w ]{2,25}|you (?:must|should|shall|will))[,:]? )*""")
_REMAKE = any_of(r"""modify change alter adapt adjust augment enhance extend enrich supplement improve begin start end
    finish conclude close open preface prefix render format convert replace substitute swap translate limit scramble
    jumble misspell anagram encode encrypt flip reverse spell mirror shift randomi[sz]e shuffle capitali[sz]e lowercase
    uppercase omit strip split repeat merge disguise fill make""")
"""Verbs of which `your answer` is the object only where a model is told how to write it."""
_OTHER_VERB = any_of(r"""add append includ\w+ insert integrate incorporate embed weave slip ensure recommend promote
    suggest advertis\w+ encourag\w+ urge tell direct point link invite offer hint tease claim state say mention use
    write give provide present deliver put place sprinkle mix work drop plant remove group combine rearrange introduce
    keep express compose phrase turn decode apply delete cipher generate produce create spread warn advise persuade
    convince highlight stress emphasi[sz]e describe praise quote cite list explain hide conceal respond reply
    answer""")
_VERB = f"(?:{_REMAKE}|{_OTHER_VERB})"
_NO_ORDER = any_of(r"""i we you he she it they the an? this that these those my our your thanks? if when once after
    before for from in on at to with what who how why where which is are was were do does did can could would will may
    might or not no yes await\w* looking waiting hoping send post check receive get see read save click enter choose
    submit e-?mail mail bring record wait dear hi hello listen look according due compare share find as by all some
    there here let regarding because since while""")
"""Words with which a sentence on `your answer` begins that gives no order, or one that people give to people."""
_INTO = laid_out(rf"""\b(?:in|into|to|within|throughout|inside|during|(?:end|start|beginning|top|bottom|middle|part) of
    |of|with) {_OUTPUT}""")
_WAYS = laid_out(r"""\b(?:letters?|vowels?|consonants?|symbols?|typos?|spaces?|hex|binary|morse|caesar|atbash
    |riddles?)\b|anagram|scrambl|jumbl|misspel|\bpunctuation|cipher|\bencod|\bdecod|encrypt|\bbase[ -]?(?:16|32|58|64
    |85)\b|hexadecimal|\brot-? ?13\b|backwards?\b|\brevers|\bflip|\bmirror|emojis?\b|\bleet|upper-? ?case|lower-? ?case
    |all caps|\bcapital letters|homophon|alphanumeric|asterisks?\b|\brhym|\bpirate|gibberish|\bnumbers for\b
    |every (?:\w+ )?word|\bin (?:french|german|spanish|italian|portuguese|russian|chinese|japanese|korean|arabic|latin
    |klingon|pig latin|dutch|hindi)\b""")
_OWED_WORDS = r"""invoices? receipts? order_numbers? tracking attach\w* photos? label copy_of booking quote eta i me
    my us our mine"""
_EXERCISE_WORDS = r"""evidence examples?_from examples?_in_your reasons partner paragraphs? board worksheet working
    calculator classmates? connectives? full_sentences whole_sentences textbook diagram graph units marks quiz win
    prize draw competition contest"""

_OUTPUTS = re.compile(_OUTPUT)
_WRITING = re.compile(r"\b(?:your|ur) (?:[\w-]+ ){0,2}?(?:message|text|writing|words|sentences?)\b")
_TELLS = re.compile(rf"{_LED_IN}{_VERB}\b")
_REMAKES = re.compile(rf"{_LED_IN}{_REMAKE}\b")
_MAY_TELL = re.compile(rf"{_LED_IN}(?!{_NO_ORDER}\b)[a-z]+ ")
_INTO_OUTPUT = re.compile(_INTO)
_IN_OUTPUT = re.compile(rf"{_INTO},? (?:please |also |always )?{_VERB}\b")
_WAY = re.compile(_WAYS)
_READERS = re.compile(r"\b(?:users?|readers?|customers?|buyers?|visitors?|people|audience|subscribers?)\b")
_LINK = re.compile(laid_out(r"""https?:|www\.|@|\bdownload|\bcall \+?\d
    |\b[\w-]+\.(?:com|net|org|xyz|io|co|info|biz|example|ru|top|cn)\b"""))
_OWED = re.compile(rf"(?<!\.)\b{any_of(_OWED_WORDS)}\b(?!\.\w)")
_EXERCISE = re.compile(rf"(?<!\.)\b{any_of(_EXERCISE_WORDS)}\b(?!\.\w)")
"""What customers ask to have in a reply; what teachers and competitions ask to have in an answer."""


def may_steer(lower: str) -> bool:
    return "your " in lower or " ur " in lower or lower.startswith("ur ")


def steered(sentence: str) -> float:
    """How surely a sentence in lower case tells a model what to do with its answer, 0 to 1."""
    if not may_steer(sentence):
        return 0.0
    if not _OUTPUTS.search(sentence):
        # Weaker: `your message` may be the reader's own, as in an advertisement for a keyboard.
        return 0.5 if _WRITING.search(sentence) and _TELLS.match(sentence) and _WAY.search(sentence) else 0.0
    into = _INTO_OUTPUT.search(sentence)
    is_human = _EXERCISE.search(sentence) or (_OWED.search(sentence) and not _LINK.search(sentence))
    if not (_TELLS.match(sentence) or _IN_OUTPUT.search(sentence)):
        return 0.5 if into and _MAY_TELL.match(sentence) and not is_human else 0.0
    if _WAY.search(sentence):
        return 1.0
    if not (into or _REMAKES.match(sentence)) or _EXERCISE.search(sentence):
        return 0.3
    if _READERS.search(sentence) or _LINK.search(sentence):
        return 1.0
    return 0.3 if is_human else 0.7
