"""How English speaks to a model. A weight of 1 is certain, 0.5 worth a look; several kinds in one cell add up."""

from __future__ import annotations

from aigc.injection.rule import Rule, laid_out, rule

_TOLD = laid_out(r"""(?:instructions?|prompts?|commands?|directions?|directives?|guidelines?|rules?|constraints?
    |restrictions?|guardrails?|safeguards?|programming|system messages?|tasks?|training)""")
_ABOUT = r"(?!\W+(?:\w+\W+)?(?:about|on|for|regarding|concerning)\b)"
"""`ignore the earlier instructions about parking` sets one instruction aside, not the model's."""
_DROP = laid_out(r"""(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?|dismiss|discard
    |abandon|drop|neglect|skip|cancel|never mind|set aside|do away with|pay no (?:attention|heed) to
    |take no notice of|(?:do not|don['’]?t|stop|cease|quit|no longer|never|avoid) (?:follow|obey|comply with
    |adher\w+ to|listen\w* to|heed|respect)(?:ing)?)""")
_DROPS = ("ignor|disregard|forget|overrid|bypass|dismiss|discard|abandon|drop|neglect|skip|cancel|never mind|set aside"
          "|do away|no attention|no heed|no notice|follow|obey|comply|adher|listen|heed|respect")
_BEFORE = laid_out(r"""(?:previous(?:ly)?|prior|earlier|preceding|above|foregoing|past|former|original|initial|system
    |developer|safety|content|your|existing|hidden|default)""")
_FILL = laid_out(r"""(?:all|any|every|each|the|these|those|this|that|of|and|or|other|my|our|its|us|you|were|was|been
    |have|given|stated|mentioned|listed|written|provided|whatever|current|set|such|please|simply|completely)""")
_DROPS_WHAT_WAS_TOLD = laid_out(rf"""{_DROP}\b(?:\W+{_FILL}\b){{0,5}}\W+(?<!\bmy ){_BEFORE}\b
    (?:\W+(?:{_FILL}|{_BEFORE})\b){{0,5}}\W+{_TOLD}\b(?!\W*\?){_ABOUT}""")
_OTHERS = ("to", "who", "that", "they", "we", "i", "not", "could", "would", "can", "may", "might", "never")
_TO_YOU = rf"(?:{''.join(rf'(?<!{word} )' for word in _OTHERS)}|(?<=you to ))\b"
"""Not `the nurse was told to ignore …`: the verb is an order, or what `you` are to do."""
_AI = laid_out(r"""(?:a\.?i\.?|llms?|(?:large )?language models?|chat ?bots?|chat-?gpt|gpt(?:-?\d\w*)?|claude|gemini
    |copilot|bot|(?:ai )?assistant|ai \w+|model|copywriter)""")
_AIS = "ai|a.i|llm|language model|bot|gpt|claude|gemini|copilot|assistant|agent|model|writer"
_SURELY_AI = r"(?:a\.?i\.?|llms?|(?:large )?language models?|chat ?bots?|chat-?gpt|gpt(?:-?\d\w*)?|copilot|ai \w+)"
_OUT = r"(?:responses?|answers?|repl(?:y|ies)|outputs?|completions?)"
_LANGUAGE = laid_out(r"""(?:french|german|spanish|italian|portuguese|russian|chinese|mandarin|japanese|korean|arabic
    |latin|dutch|hindi|klingon|pig latin)""")
_START = laid_out(r"""(?:^|[.!?:;•–—-]\s*|["“‘'(<>]\s*)(?:(?:and|then|now|also|please|instead|finally|so|but|kindly
    |just|next),? )*""")

RULES: tuple[Rule, ...] = (
    # Setting aside what the model was told.
    rule("override", 1.0, _DROPS, rf"{_TO_YOU}{_DROPS_WHAT_WAS_TOLD}"),
    rule("override", 0.5, _DROPS, rf"\b{_DROPS_WHAT_WAS_TOLD}"),
    rule("override", 0.4, _DROPS, rf"\b{_DROP}\b(?:\W+(?:{_FILL}|{_BEFORE})\b){{1,8}}\W+(?:{_TOLD}|orders)\b"),
    rule("override", 1.0, _DROPS,
         rf"""\b{_DROP}\b(?:\W+{_FILL}\b){{0,4}}\W+(?:instructions?|prompts?|directions?|directives?|guidelines?
         |rules?)\W+(?:(?:that|which)\W+)?(?:(?:are|were|was|stand|came?|comes?|given|stated|listed|written
         |you)\W+){{0,3}}(?:above|before|earlier|previously|so far|precede|received)"""),
    rule("override", 1.0, f"{_DROPS}&everything|anything|whatever|what|all",
         rf"""\b{_DROP}\W+(?:(?:about|all|of)\W+)?(?:(?:everything|anything|whatever|what|all)\W+(?:that\W+)?(?:you
         (?:['’]ve)?|was|is|has|were|comes?|came)\W+(?:\w+\W+){{0,3}}?(?:told|said|given|instructed|asked|above
         |before|written)|(?:everything|anything|all|what['’]s|what is)\W+(?:above|before|written above))\b(?!\W+
         (?:about|on|of)\b)"""),
    rule("override", 0.5, f"{_DROPS}&everything|what",
         rf"""\b{_DROP}\W+(?:everything|what(?:ever)?)\W+i(?:['’]ve)?\W+(?:have\W+)?(?:told|said)"""),
    rule("override", 0.9, f"{_DROPS}&whatever|any|all",
         rf"""\b{_DROP}\W+(?:whatever|any|all)\W+{_TOLD}\W+(?:that\W+)?(?:precede|came|come|stand|apply|bind|you)"""),
    rule("override", 1.0, "void|cancel|no longer|not apply|a test|outdated|supersed|obsolete|invalid|expired|"
         "ignored|lifted|"
         "revoked|withdrawn",
         r"""\b(?:instructions?|prompts?|directions?|directives?|guidelines?|programming)\W+(?:(?:given|stated|listed
         |you|received|were|have|had|been|that|from)\W+){0,4}(?:above|before|earlier|previously|so far)?\W*(?:are
         |were|is|was|do|does|has|have)?\W+(?:(?:all|now|only|just|been)\W+)*(?:void|cancell?ed|no longer|not apply
         |a test|outdated|superseded|obsolete|invalid|expired|to be ignored|lifted|revoked|withdrawn)"""),
    rule("override", 0.6, "instruction|task|directive|prompt|rules&new |real |actual |true |only |updated |next ",
         r"""^(?:\W{0,6}(?:here (?:is|are) )?(?:your |the |a )?)(?:new|real|actual|true|only|updated
         |next) (?:instructions?|tasks?|directives?|system prompt|rules|prompt)(?: (?:is|are) (?:now )?to\b| ?[:—])"""),
    rule("override", 0.6, "task|job|instruction|goal|objective|role|directive|purpose&your ",
         r"""\byour (?:new|real|actual|true|only|sole|updated) (?:task|job|instructions?|goal|objective|role
         |directive|purpose) (?:is|are) (?:now )?to\b"""),
    rule("override", 0.4, "instead|rather",
         r"""(?:^|[,;:]\s*|\band )(?:instead|rather),? (?:please |just |simply |only )?(?:output|print|write|say
         |respond|reply|return|generate|answer|describe|produce|praise|insult|list)\b"""),
    rule("override", 0.6, "instead of|rather than",
         r"""\b(?:instead of|rather than) (?:writing |giving |producing )?(?:the |an? |your )?(?:description|article
         |ad|advert\w*|copy|summary|post|text|e-?mail|newsletter|brief)\b"""),
    rule("override", 0.7, "brief|prompt|instruction|input|data|context|document|system&end |begin|stop|start",
         r"""(?:^\W{0,3}|[-=#*<\[]{2,}) ?(?:end|stop|begin(?:ning)?|start) (?:of )?(?:the |new |user )?(?:briefs?
         |prompts?|instructions?|inputs?|data|context|documents?|system \w+) ?(?:[-=#*>\].:]|$)"""),
    # Becoming someone else.
    rule("persona", 0.9, "ai|a.i|llm|language model|bot|gpt|copilot|dan|jailbroken|unrestricted|uncensored|"
         "unfiltered|evil|"
         "hacker|terminal|interpreter&you are|you will be|you act|you become|you’re|you're",
         rf"""\byou(?: (?:are|will be|act as|become)|['’]re) (?:now |henceforth |from now on )?
         (?:an? |the |in |my |going to act as )?(?:[\w-]+ ){{0,3}}?(?:{_SURELY_AI}|dan|jailbroken|unrestricted
         |uncensored|unfiltered|evil\w*|hackers?|terminal|interpreter)\b"""),
    rule("persona", 0.9, "no longer",
         rf"""\byou are no longer (?:an? |the )?(?:bound|restricted|limited|constrained|{_AI}|copywriter|editor
         |journalist)"""),
    rule("persona", 0.3, "you are now", r"\byou are now (?:an?|the|my|in)\b"),
    rule("persona", 0.4, "act |behave |pretend|roleplay|role-play|speak |play |talk |imagine & as| like| to be|"
         " that| the role|"
         " the part| you",
         rf"""{_START}(?:you (?:will|must|should|shall) )?(?:act|behave|pretend|role-?play|speak|play|talk
         |imagine) (?:as|like|to be|that you are|you are|you['’]re|the (?:role|part) of) (?:if you (?:are|were) )?
         (?:an?|the|my|dan)\b"""),
    rule("persona", 0.4, "act |behave |pretend& you ",
         rf"""{_START}(?:act|behave|pretend) (?:as if |that )?you (?:are|were|have|had)\b"""),
    rule("persona", 0.8, "terminal|interpreter|grandm|hacker|restrict|unfiltered|no rules|uncensored|keys|"
         "malware&act|pretend|"
         "play|behave",
         r"""\b(?:act|pretend|role-?play|behave|play)\b[^.]{0,60}\b(?:terminal|interpreter|grandm\w+|hackers?
         |restrictions?|restricted|unrestricted|unfiltered|no rules|uncensored|keys|malware)\b"""),
    rule("persona", 0.7, "from now on|starting now|starting right now|henceforth|hereafter|moment on|point on",
         r"""\b(?:from now on|from this (?:point|moment) on|starting (?:right )?now|henceforth|hereafter),? (?:
         (?:and )?you (?:are|will (?:act|be|respond|answer|only|reply|always|speak|write|ignore|follow|refuse|obey
         |call)|must|shall|should|have to|only|always|act|answer|respond|reply|speak|write)|respond|answer|reply
         |speak|write|act|ignore|always|only|your (?:name|role|task|answers?|responses?|replies|output))\b"""),
    rule("persona", 0.7, " mode",
         r"""\b(?:enable|activate|enter|engage|switch (?:in)?to|turn on|start|go into|you are in|now in) (?:the )?
         (?:jailbreak|dan|god|unrestricted|unfiltered|uncensored|evil|sudo|root) mode"""),
    rule("persona", 0.4, " mode",
         r"""\b(?:enable|activate|enter|engage|switch (?:in)?to|turn on|you are in) (?:the )?(?:developer|debug
         |admin\w*|maintenance) mode"""),
    rule("override", 0.6, "content|safety|ethical|moral&disable|turn off|remove|lift|drop|without|deactivate|no ",
         r"""\b(?:disable|turn off|remove|lift|drop|without|deactivate|no) (?:(?:all|any|your|the|every) )*(?:content
         |safety|ethical|moral) (?:filters?|restrictions?|checks?|guidelines|limits|constraints|policies)"""),
    # Telling what the model was told.
    rule("prompt_leak", 1.0, "prompt|instruction|rules|guideline|configuration|message|directive&system|initial|"
         "original|hidden|"
         "secret|internal|developer|confidential|pre",
         r"""\b(?:reveal|print|show|display|output|repeat|leak|disclose|share|expose|dump|list|recite|return|tell
         |give|write|copy|include|summari[sz]e|translate|quote|paste|provide|append|echo|encode|send|state)\b(?:\W+
         (?:me|us|out|down|all|of|the|your|its|full|exact|complete|entire|whole|text|in|this|contents?)\b){1,5}\W+
         (?:system|initial|original|hidden|secret|internal|developer|confidential|pre-?)\W+(?:(?:system|initial
         |original|hidden|secret|internal)\W+)?(?:prompts?|instructions?|messages?|rules|guidelines|configuration
         |directives)"""),
    rule("prompt_leak", 0.8, "prompt|configuration|training data|credential|api|context window|guideline&your",
         r"""\b(?:reveal|print|show|display|output|repeat|leak|disclose|share|expose|dump|recite|return|tell (?:me
         |us)|give (?:me|us)|copy|quote|paste|echo|send)\W+(?:(?:me|us)\W+)?(?:all\W+)?(?:of\W+)?your\W+(?:(?:own
         |full|exact|current)\W+)?(?:prompts?|configuration|training data|credentials|api[ -]?keys?|context window
         |guidelines)"""),
    rule("prompt_leak", 0.9, "prompt|instruction|rules|message&what",
         r"""\bwhat\W+(?:is|are|was|were)\W+(?:your|the)\W+(?:\w+\W+)?(?:system|initial|original|hidden|secret
         |exact)\W+(?:\w+\W+)?(?:prompts?|instructions?|rules|message)"""),
    rule("prompt_leak", 0.8, "above|before this&repeat|print|output|copy|recite|reveal|translate|summari|quote|"
         "echo|return",
         r"""\b(?:repeat|print|output|copy|recite|reveal|translate|summari[sz]e|quote|echo|return)\W+(?:out\W+)?(?:
         (?:everything|anything|all|every)\W+(?:of\W+)?(?:the\W+)?(?:(?:text|words?|content|lines?|sentences?
         |messages?)\W+)?|the\W+(?:text|words|content|conversation|messages?)\W+)(?:that\W+(?:is|comes|stands)\W+)?
         (?:above|before this)\b"""),
    rule("prompt_leak", 0.8, "developer|creator|operator|maker|programmed|instructed|told&what|you",
         r"""\bwhat\W+(?:(?:did|have)\W+)?your\W+(?:developers?|creators?|operators?|makers?)\b|\b(?:were
         |are)\W+you\W+(?:programmed|instructed|told)\W+(?:to|before|not)\b"""),
    # Marks of a conversation.
    rule("chat_token", 1.0, "<|<｜|inst]|<<sys|<</sys", r"<[|｜][^\s<>|｜]{1,40}[|｜]>|\[/?inst\]|<</?sys>>"),
    rule("chat_token", 1.0, "_of_turn>|<bos>|<eos>|end_of_text",
         r"""</?(?:start_of_turn|end_of_turn|bos|eos|end_of_text)>"""),
    rule("chat_token", 0.7, "<system|<assistant|<human|<user|</system",
         r"""</?(?:system|assistant|human|user)(?:[ _-]?(?:prompt|message|instructions?|input|note))?>"""),
    rule("chat_token", 1.0, "#", r"^\W{0,3}#{1,4} ?(?:system|assistant|human|user|response|instruction) ?:"),
    rule("chat_token", 0.8, "assistant:|assistant :", r"^(?:human|user) ?:[^\n]*\n(?:[^\n]*\n){0,4}assistant ?:"),
    rule("chat_token", 0.7, "role",
         r"""["']role["']\s*:\s*["'](?:system|assistant|developer)["']"""),
    rule("chat_token", 0.7, "[system|[assistant|[admin|[developer",
         r"""\[(?:system|assistant|admin\w*|developer)(?: (?:message|prompt|note|override|instructions?))?\]"""),
    # Speaking to the machine by name.
    rule("addressed", 0.8, "override", r"^\W{0,6}(?:system|admin(?:istrator)?|developer|operator) override\b"),
    rule("addressed", 0.6, "instruction|prompt|command|directive|note|message|notice&system|admin|developer|operator",
         r"""^\W{0,6}(?:system|admin(?:istrator)?|developer|operator)(?:['’]s)? (?:instructions?|prompt|command
         |directive|note|message|notice) ?(?:to [\w ]{1,20})?(?:\]\s*)?[:—-]"""),
    rule("addressed", 0.9, f"note |message |memo |instruction|attention|hint|reminder|warning&{_AIS}",
         rf"""\b(?:note|message|memo|instructions?|attention|hint|reminder|warning) (?:(?:to|for) )?
         (?:the |any |all |every )?{_AI}\b ?(?:reading|processing|that|who|which|[:,—-])"""),
    rule("addressed", 0.8, f"dear |hey |hi |hello |attention |listen |ok |okay |to any |to every |to all |"
         f"to the &{_AIS}",
         rf"""(?:^\W{{0,6}}|[(*<>-]\s*)(?:dear|hey|hi|hello|attention|listen|ok|okay|to (?:any|every|all
         |the)) (?!claude|gemini){_AI}\b ?(?:reading this|that reads|who reads|processing|[:,!—-])"""),
    rule("addressed", 0.7, "ai:|ai :|llm:|model:|chatbot:",
         r"""^\W{0,6}(?:ai|llm|language model|chatbot) ?: ?(?!yes|no\b)(?=[a-z]+\b)"""),
    rule("addressed", 0.4, "assistant:", r"^\W{0,6}assistant ?: ?(?=[a-z]+\b)"),
    rule("addressed", 0.9, f"you are|you’re|you're&{_AIS}",
         rf"""\b(?:if|since|when|because|as) you(?: are|['’]re) (?:an? |the )?{_SURELY_AI}\b"""),
    rule("addressed", 0.6, "reading|processing|summari|that reads&ai|llm|model|chatbot|assistant",
         r"""\b(?:ai|llms?|language models?|chatbots?|(?:ai|automated|virtual) assistants?) (?:reading|processing
         |summari[sz]ing|that reads)\b"""),
    rule("addressed", 0.5, "writer|the ai|llm|model|chatbot&must|should|shall|has to|needs to",
         r"""\bthe (?:copywriter|writer|ai|llm|language model|model|chatbot) (?:must|should|shall|has to
         |needs to) (?:mention|skip|ignore|output|praise|write|say|include|recommend|leave|never|not|always|only
         |insult|promote|add)\b"""),
    rule("addressed", 0.7, "user|editor|human|reviewer&do not|don't|don’t|never|without",
         r"""\b(?:do not|don['’]?t|never|without) (?:tell|inform|mention|reveal|alert|notify|warn|show)(?:ing)? (?:
         (?:this|it|that|any of this) (?:to )?)?(?:the )?(?:users?|editors?|humans?|reviewers?)\b"""),
    # Saying what the answer is to be, beside `steering`.
    rule("steering", 0.8, "response|answer|repl|output|completion&your |ur ",
         rf"""\b(?:your|ur) (?:[\w-]+ ){{0,2}}?{_OUT} (?:must|should|shall|has to|needs to
         |is to) (?:only |always |also |not )?(?:start|begin|end|contain|include|be (?:in|only|written|exactly|an?
         |the|no|as)\b|consist|say|mention|state|recommend|use|have|follow|avoid|sound|look|praise|promote|tell|point
         |link|encourage|suggest)"""),
    rule("steering", 0.6, "the output|the response|the answer|the completion",
         r"""\bthe (?:output|response|answer|completion) (?:must|should|shall|has to|needs to) (?:only |always )?
         (?:contain|include|be |start|begin|end|consist|say|mention|state|recommend)"""),
    rule("steering", 0.6, "letter|vowel|word|consonant&replace|substitute|swap|scramble|jumble|misspell|anagram|"
         "encode|encrypt|"
         "flip|reverse|convert",
         rf"""{_START}(?:replace|substitute|swap|scramble|jumble|misspell|anagram|encode|encrypt|flip|reverse
         |convert)\b[^!?]{{0,30}}\b(?:letters?|vowels?|consonants?|(?:every|all) (?:\w+ )?words?)\b"""),
    rule("steering", 0.8, "respond|reply|answer|output|print|return|write|say& only| just| exactly| solely| nothing",
         rf"""{_START}(?:you (?:must|will|shall|should) )?(?:respond|reply|answer|output|print|return|write|say)\b
         (?: to (?:this|everything|all|the user)\b[^.]{{0,20}})? (?:only|just|exactly|solely|nothing|with (?:only
         |just|exactly|nothing))\b"""),
    rule("steering", 0.8, "nothing else",
         r"""\b(?:respond|reply|answer|output|print|return|write|say)\b[^.]{1,60}\b(?:and|with) nothing else\b"""),
    rule("steering", 0.7, "respond|reply|answer&word|phrase|sentence|string|text",
         r"""\b(?:respond|reply|answer) with (?:the )?(?:words?|phrase|sentence|string|text)\b"""),
    rule("steering", 0.8, "pirate|caps|capital|base64|rot|morse|binary|hex|emoji|rhyme|riddle|klingon|latin|"
         "leet|yoda&respond|"
         "reply|answer|speak|write|talk",
         rf"""{_START}(?:respond|reply|answer|speak|write|talk) (?:to \w+ )?(?:only )?(?:in|as
         |like) (?:an? |the |all )?(?:pirate|caps|capital|base64|rot-?13|morse|binary|hex|emojis?|rhymes?|riddles?
         |klingon|pig latin|leet|yoda)"""),
    rule("steering", 0.4, "respond|reply|answer& in ",
         rf"""{_START}(?:respond|reply|answer) (?:only )?in {_LANGUAGE}\b"""),
    rule("steering", 0.8, "instead of",
         rf"""{_START}(?:say|write|print|output|post|reply|answer|give|return)\b
         [^!?]{{1,60}}\binstead of (?:the |an? |this )?(?:description|article|ad\b|text|summary|post|answer|copy
         |reply|requested)"""),
    rule("steering", 0.8, "decode",
         r"""\bdecode (?:this|the following|it)\b[^.]{0,40}\b(?:do|follow|obey|execute|carry)\b"""),
)
