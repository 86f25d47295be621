"""Whom a figure in a sentence is about: this model, another one, a part of the data, or nobody's at all."""

from __future__ import annotations

import re

from assay.evaluation.names import squeeze

_SUBJECT = re.compile(
    r"^\W*(?:achiev|reach|obtain|scor|accuracy|f1)|\b(?:this|the|our|my)\s+(?:[\w-]+\s+){0,2}"
    r"(?:model|checkpoint|classifier|version|network|adapter|detector|approach|method|system|encoder)\b|\b(?:it|we|ours)\b|"
    r"\bresults?\b",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"\b(?:has|have|had|gets?|got|achiev\w+|reach(?:es|ed)|obtain\w+|scores|scored|attain\w+|reports?|reported|shows?|"
    r"yield\w*|gives?|gave|performs?)\b",
    re.IGNORECASE,
)  # a verb that has a subject: some other one, where no word for this model stands in the sentence
_FALLS = r"(?:drop(?:s|ped)?|fall(?:s|en)?|fell)\b(?!\s+(?:from\s+\S+\s+)?to\b)"
_OTHER = re.compile(
    r"\b(?:than|versus|vs|compared|comparison|baselines?|teacher|original|base|parent|previous(?:ly)?|earlier|human|"
    r"humans|random|chance|majority|agreement|agrees?|annotat\w+|correlation (?:between|of)|"
    r"(?:state[- ]of[- ]the[- ]art|sota)\s+(?:is|was|of|at|model)|unlike|published|ensembles?|target|goal|"
    r"aim\w*|hope\w*|requir\w+|plan\w*|siblings?|quanti[sz]\w+|int[48]|gguf|leaderboard|"
    r"the paper|the authors|literature|et al|expect(?:ed)?(?! calibration)|towards?|family|correction|wish\w*|"
    r"should|could|would|might|"
    r"may|if|train(?:ing)? (?:set|data|split|part|accuracy)|"
    + _FALLS
    + r"|only(?!\s+(?:about\s+)?[~≈]?[\d.])|without|outperform\w*|whereas|while|"
    r"im vergleich|verglichen|gegenüber|comparé\w*|contre|en comparación|comparado|frente a|rispetto|"
    r"в сравнении|по сравнению|enquanto|mientras|tandis)\b|相比|高于|低于|比べ|より(?:高|低)|보다",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\b(?:translated|perturb\w*|attack\w*(?! success)|adversarial\w*|nois[ey]\w*|corrupt\w*|masked|shuffled|filtered|"
    r"paraphras\w*|typos?|uppercase\w*|per[- ]class|subset|slice|"
    r"(?<!test )(?<!validation )(?<!held-out )(?<!evaluation )portion|"
    r"(?:easy|hard|short|long)(?:er|est)? (?:sentences|texts|examples|subset)|"
    r"(?:positive|negative|minority|majority|each)[- ](?:class|label|f1|precision|recall|accuracy)|"
    r"threshold(?!\s*(?:of|=|:)?\s*0?\.50?\b)|coverage|"
    r"confidence (?:above|over|of at least|>)|best of|(?:max|maximum) over|(?:average|avg|mean)(?: score)?"
    r"(?! (?:accuracy|acc|f1|precision|recall|test|macro|micro)))\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not(?!\s+(?:only|just|including))|never|cannot|fails?\s+to|unable|nicht|kein\w*|n'est|pas|jamais|nunca|não|"
    r"не|нет|never)\b|n't\b|没有|未达|ない|않",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^[^.,;]{0,60}?\b(?:(?:is|was|were|are|has|have|could|can|did|does)\s+(?:not|never)\b|\w+n't\b|nicht\b|не\s)",
    re.IGNORECASE,
)
_SEGMENT = re.compile(r"[,;:()]|\b(?:and|but|yet|und|aber|et|mais|y|pero|e|ma)\b", re.IGNORECASE)
_LEAD = re.compile(
    r"^\W*[与與].{1,40}?相比\s?[\uff0c,]|"
    r"^\W*(?:im\s+vergleich|verglichen\s+mit|par\s+rapport|comparé\w*|en\s+comparación|rispetto|"
    r"по\s+сравнению)\b[^,]{1,120},|"
    r"^\W*(?:when\s+|as\s+)?(?:compared\s+(?:to|with)|in\s+contrast\s+to|in\s+comparison\s+(?:to|with)|relative\s+to|"
    r"unlike|whereas|while)\b[^,]{1,120},(?:\s*(?:which|that|who|with)\b[^,]{1,120},)?",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"[,(]?\s*\b(?:compared\s+(?:to|with)|in\s+comparison|as\s+opposed|versus|vs|whereas|while|up\s+from|(?:[a-z]+er|more|"
    r"less)\s+than|outperform\w*|beat(?:s|ing)?|surpass\w*|exceed\w*|ahead\s+of|(?:well|far|clearly)\s+above|behind|against|but|which|although|though)"
    r"\b.*$",
    re.IGNORECASE | re.DOTALL,
)
# Models that cards compare themselves with.
_FAMILY = re.compile(
    r"(?<![\w-])(?:(?:distil|al|ro|de|mo|tiny|mobile|camem|sci|bio|fin|modern|deutsche)?bert(?:a|weet)?|electra|xlnet|"
    r"xlm(?:-r)?|(?:chat)?gpt|llama|mistral|mixtral|qwen|gemma|gemini|claude|phi|t5|flan|bart|palm|falcon|vicuna|alpaca|"
    r"bloom|opt|pythia|minilm|mpnet|deepseek|olmo|smollm|(?:bi)?lstm|svm|fasttext|vader|xgboost|resnet|vit|swin|deit|"
    r"convnext|efficientnet|elmo|ulmfit|setfit|cnn|naive\s+bayes)(?:[-_ ]?v?\d[\w.-]*|[-_][\w.-]+)?(?![\w])",
    re.IGNORECASE,
)
_MADE_OF = re.compile(
    r"(?:fine-?tun\w+|based\s+on|version\s+of|built\s+(?:on|from|upon)|starting\s+from|initiali[sz]ed\s+(?:from|with)|"
    r"using|trained|distil\w+(?:\s+from)?|from|our|this|my|proposed|adapted|compressed|pruned|basiert\s+auf)\s+"
    r"(?:(?:a|an|the|pretrained|pre-trained|small|tiny|\w+er)\s+){0,3}$",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"\b(?:(?:this|the|our|my)\s+(?:[\w-]+\s+){0,2}(?:model|checkpoint|classifier|version|network|adapter|detector)|it|we|"
    r"ours|our|this|das\s+modell|unser\w*|wir|ce\s+modèle|le\s+modèle|notre|el\s+modelo|este\s+modelo|nuestro|o\s+modelo|"
    r"nosso|il\s+modello|nostro|модель)\b|该模型|本模型|我们|モデル|모델",
    re.IGNORECASE,
)
_OF_IT = re.compile(r"(?:of|by|for|with|from|what|to|in|at)\s+(?:the\s+|an?\s+)?(?:[\w-]+\s+)?$", re.IGNORECASE)
_ASIDE = re.compile(r"\b(?:size|speed|cost|parameters?|params|memory|latency|time|layers)\b", re.IGNORECASE)
_OF_NAME = re.compile(
    r"\b(?:accuracy|f1|auc|auroc|precision|recall|perplexity|performance|score)\s+(?:of|by)\s+(?:the\s+)?"
    r"([A-Z][\w.]*(?:-[\w.]+)*)\s+(?:on|for|in)\b"
)
_WHOSE = re.compile(
    r"\b([A-Z]\w*[A-Z\d]\w*(?:-\w+)*)['\u2019]s\s+(?:[\w-]+\s+){0,2}(?:accuracy|f1|auc|auroc|precision|recall|perplexity)\s+"
    r"(?:score\s+)?(?:on|for|in)\b"
)
COMPARES = "the sentence compares models or speaks of another one"
_DENIES = "the sentence denies the figure"
_IN_PART = "the figure is about a part of the data or one class"


def stance(sentence: str, begin: int, end: int, own: tuple[str, ...]) -> str | None:
    """What stands against a figure in a sentence being a claim about this model on all of its data.

    Args:
        sentence: the whole.
        begin: where the figure begins.
        end: where it ends.
        own: squeezed names of this model.

    Returns:
        None where the sentence speaks of another model alone, an empty string where nothing stands against it.
    """
    if not is_about_this(sentence, own):
        return None
    lead = _LEAD.match(sentence)
    if lead and end <= lead.end():
        return COMPARES
    start = lead.end() if lead else 0
    tail = _TAIL.search(sentence, end)
    head = sentence[start : tail.start() if tail else len(sentence)]
    begin, end = begin - start, end - start
    if obstacle := obstacle_in(head):
        return obstacle
    if _of_another(head, begin, end, own):
        return COMPARES
    before = _SEGMENT.split(head[:begin])[-1]
    return _DENIES if _DENIED.search(before) or _DENIED_AFTER.match(head[end:]) else ""


def is_about_this(sentence: str, own: tuple[str, ...]) -> bool:
    """Whether a sentence speaks of this model: by its name, by a word for it, or because it names no other subject."""
    plain = squeeze(sentence)
    named = bool(_SUBJECT.search(sentence)) or any(name in plain for name in own)
    return named or not _ANOTHER.search(sentence)


def obstacle_in(sentence: str) -> str:
    """Why no figure in a sentence is a claim about this model on all of its data; empty: nothing says so."""
    if _OTHER.search(sentence):
        return COMPARES
    return _IN_PART if _PART.search(sentence) else ""


def is_known_model(name: str, own: tuple[str, ...] = ()) -> bool:
    """Whether a name is one of a model that many cards compare with, and not this one's."""
    return bool(_FAMILY.match(name.strip())) and not _is_own(name, own)


def _is_own(name: str, own: tuple[str, ...]) -> bool:
    plain = squeeze(name)
    return any(plain in one for one in own)


def _of_another(text: str, begin: int, end: int, own: tuple[str, ...]) -> bool:
    """Whether the nearest model that a figure can belong to is another one."""
    whom = [match.end() for match in _WHO.finditer(text, 0, begin)]
    others = [
        match
        for match in _FAMILY.finditer(text)
        if not _is_own(match[0], own) and not _MADE_OF.search(text[: match.start()])
    ]
    if any(match.end() <= begin and match.start() > max(whom, default=-1) for match in others):
        return True
    behind = [
        match
        for match in others
        if match.start() >= end and _OF_IT.search(gap := text[end : match.start()]) and not _ASIDE.search(gap)
    ]
    named = [match[1] for pattern in (_OF_NAME, _WHOSE) for match in pattern.finditer(text)]
    return (bool(behind) and not whom) or any(not _is_own(name, own) for name in named)
