"""Texts that break tokenizers and graphs: what users, scrapers and attackers send. Made here, always the same.

Only the standard library is needed, so that every part of edgekd can ask them. No text holds a lone surrogate, which
UTF-8 cannot carry.
"""

from __future__ import annotations

import random
import unicodedata
from itertools import chain

LONG = 10_000  # characters
SEED = 0

_EMPTY = ["", "a", ".", "\u00e9", "\u4e2d", "\U0001f642"]
_WHITESPACE = [" ", "   ", "\t", "\n", "\r\n \t", "\u00a0", "\u3000\u2003", "\x0b\x0c", " leading and trailing  "]
_EMOJI = [
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",  # a family, joined
    "\U0001f1e9\U0001f1ea\U0001f1ef\U0001f1f5",  # two flags
    "\U0001f44d\U0001f3fb\U0001f44d\U0001f3ff",  # skin tones
    "\u2764\ufe0f good \u2764\ufe0e bad",  # variation selectors
    "1\ufe0f\u20e3 2\ufe0f\u20e3",  # keycaps
    "\U0001f600" * 50,
    "\u200d\u200d \ufe0f",  # joiners that join nothing
]
_RIGHT_TO_LEFT = [
    "\u0641\u064a\u0644\u0645 \u0631\u0627\u0626\u0639 \u062c\u062f\u0627",  # Arabic
    "\u0633\u0631\u0637 \u0645\u064e\u062f\u0652\u0631\u064e\u0633\u064e\u0629",  # with vowel marks
    "\u05e1\u05e8\u05d8 \u05d2\u05e8\u05d5\u05e2",  # Hebrew
    "\u202ea film that runs backwards\u202c",
    "\u200fmixed \u05e9\u05dc\u05d5\u05dd and \u200eEnglish\u200f",
    "\u2066isolated\u2069 \u061c 12\u066b5",
]
_MARKS = [
    "e\u0301a\u0308n\u0303",
    "\u0301\u0301alone at the start",
    "Z\u0351\u036b\u0343\u036a\u0302\u0313\u0353\u0329a\u0314\u0343\u030b\u030d\u031alg\u0363\u0363\u0302o",
    "q\u0323\u0307 q\u0307\u0323",  # the same letter, marks in two orders
    "a" + "\u0300" * 300,
]
_FORMS = [
    "caf\u00e9",
    "na\u00efve r\u00e9sum\u00e9",
    "\u1e9b\u0323",
    "\ud55c\uad6d\uc5b4",
    "\u212bngstr\u00f6m",
    "\ufb01ne",
]
_CONTROLS = [
    "\x00",
    "a\x00b",
    "one\x1ftwo\x1cthree\x85four\u2028five\u2029six",
    "\x1b[31mred\x1b[0m",
    "\x07\x08\x7f\x80\x9f",
    "".join(map(chr, range(32))),
    "\ufeffbyte order mark",
    "\ufffd\ufffe\uffff",
]
_SCRIPTS = [
    "\u8fd9\u90e8\u7535\u5f71\u975e\u5e38\u597d\u770b\u6211\u5f88\u559c\u6b22",  # Chinese without spaces
    "\u3053\u306e\u6620\u753b\u306f\u3068\u3066\u3082\u9762\u767d\u3044\u3067\u3059",  # Japanese
    "\u0e2b\u0e19\u0e31\u0e07\u0e40\u0e23\u0e37\u0e48\u0e2d\u0e07\u0e19\u0e35\u0e49\u0e14\u0e35",  # Thai
    "\u092f\u0939 \u092b\u093f\u0932\u094d\u092e \u0905\u091a\u094d\u091b\u0940 \u0939\u0948",  # Hindi
    "\u0444\u0438\u043b\u044c\u043c good \u03c4\u03b1\u03b9\u03bd\u03af\u03b1\u03c2 \u4e2dfilm\u6587",  # in one text
    "\u039f\u0394\u039f\u03a3 \u03a3\u03a3",  # Greek sigmas, which lower-casing tells apart
    "\u0130stanbul \u0131\u015f\u0131k STRASSE stra\u00dfe",  # one letter becomes two
    "\uff26\uff55\uff4c\uff4c\uff57\uff49\uff44\uff54\uff48 \u2460\u00bd\u2167",  # compatibility forms
    "\U00020000\U0002a6d6\U0001d54f\U0001f9ff",  # beyond the basic plane
    "\ud7ff\ue000\uf8ff\U0010ffff",  # beside the surrogates, private use, the last code point
]
_SPECIAL = [
    "[CLS] [MASK] [SEP]",
    "[PAD][PAD][PAD]",
    "[UNK]",
    "<s> </s> <pad> <mask> <unk>",
    "<|endoftext|>",
    "##ing ##",
    "\u2581under\u2581scores",
    "\u0120byte\u010alevel",
]
_MACHINE = [
    "0",
    "-1.5e-300 1,000,000.00 0x1F 3/4 \u00b2",
    "12345678901234567890" * 5,
    "https://example.org/a/b?c=%20d&e=f#g user@example.org",
    "<html><script>alert('x')</script><b>bold</b>&nbsp;&amp;&#0;</html>",
    '{"label": null} \\n \\u0000 %s %00 ${HOME}',
    "' OR 1=1; --",
    "../../etc/passwd C:\\film\\good",
    "!!!???...---***",
    "((((((((((" * 20,
]
_INVISIBLE = [
    "zero\u200bwidth\u200bspace",
    "soft\u00adhyphen",
    "\u200b",
    "\u2060\u2061\u180e",
    "a\u034fb\u115f",
    "\U000e0067\U000e007f",
]

# Where random texts take their characters from: first and last code point.
_BLOCKS = [
    (0x20, 0x7E),
    (0x00, 0x1F),
    (0x80, 0x24F),
    (0x300, 0x36F),
    (0x370, 0x6FF),
    (0x900, 0xD7F),
    (0x1100, 0x11FF),
    (0x2000, 0x206F),
    (0x3000, 0x30FF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xFE00, 0xFFEF),
    (0x1F000, 0x1FAFF),
]


def hostile_texts() -> list[str]:
    """Return about a hundred texts: empty, one character, emoji, right to left, 10,000 characters and so on."""
    given = [_EMPTY, _WHITESPACE, _EMOJI, _RIGHT_TO_LEFT, _MARKS, _CONTROLS, _SCRIPTS, _SPECIAL, _MACHINE, _INVISIBLE]
    pairs = chain.from_iterable((unicodedata.normalize(form, text) for form in ("NFC", "NFD")) for text in _FORMS)
    return list(dict.fromkeys([*chain.from_iterable(given), *pairs, *_long_texts(), *random_texts(16, seed=SEED)]))


def random_texts(count: int, *, seed: int, longest: int = 60) -> list[str]:
    """Return random mixes of scripts, spaces and control characters, of up to ``longest`` characters each."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    return ["".join(_character(rng) for _ in range(rng.randint(0, longest))) for _ in range(count)]


def _character(rng: random.Random) -> str:
    return " " if rng.random() < 0.2 else chr(rng.randint(*rng.choice(_BLOCKS)))


def _long_texts() -> list[str]:
    sentence = "a film that is not bad at all , it goes on and on ! "
    return [
        "a" * LONG,
        " " * LONG,
        (sentence * LONG)[:LONG],
        "\U0001f642" * LONG,
        "\u5f71" * LONG,
    ]
