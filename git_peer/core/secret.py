"""Secrets in text: what looks like a key, a token or a password. Pure, and quick enough to run before every write.

The list is ours, kept up with detect-secrets' (tests/core/test_secrets.py compares them), whose names of detectors it
keeps; loading that library took a quarter of a second. Measures of entropy are left out: they take commit ids, hashes
and long names for secrets. Nothing is verified over a network: what looks like a secret is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from git_peer.core.errors import PeerError

SHORTEST = 8  # characters of a text that can hold one
MARK = "[redacted: {}]"


class Detector(NamedTuple):
    """One kind of secret. `hints`: words, in lower case, without one of which no text has it.

    A pattern's first group, where it has one, is the secret itself. `loose`: what it finds counts only if it is no
    word, placeholder or reference.
    """

    kind: str
    hints: tuple[str, ...]
    patterns: tuple[str, ...]
    loose: bool = False


_START = r"(?<![A-Za-z0-9_])"
_END = r"(?![A-Za-z0-9_])"
# An assignment to a key or a password, as code, configuration, JSON and shells write it.
_NAMED = (
    r"(?:(?:api|auth|service|account|db|database|priv|private|client|access|encryption|signing)[_-]?key|(?:db|database"
    r"|key)[_-]?pass|password|passwd|passphrase|pwd|secret|token|credential|contraseña|contrasena)\w{0,40}"
)
_WORDS_OF = r"[^\n]{0,300}?\s"  # of a command line, before the option in question
_GETS = r"[\]'\"]{0,2}\s{0,8}(?::=|={1,3}>?|!==?|=>|:)\s{0,8}"
_ASSIGNED = (
    rf"{_NAMED}{_GETS}@?(['\"`])(?P<quoted>[^\s'\"`]{{8,512}})\1",
    rf"{_NAMED}{_GETS}(?P<bare>[^\s'\"`(){{}}\[\]<>,;]{{8,512}})(?=[\s,;)\]}}'\"`]|\Z)",
    rf"(['\"`])(?P<quoted>[^\s'\"`]{{8,512}})\1\s{{0,8}}[!=]{{2,3}}\s{{0,8}}\w{{0,40}}{_NAMED}",
    rf"--{_NAMED}[ \t]+(?P<bare>[^\s'\"`(){{}}\[\]<>,;-][^\s'\"`(){{}}\[\]<>,;]{{7,512}})(?=[\s,;)\]}}'\"`]|\Z)",
    rf"--{_NAMED}[ \t]+(['\"])(?P<quoted>[^\s'\"`]{{8,512}})\1",
    rf"{_NAMED}(?:\.assign)?\(\s{{0,8}}(['\"`])(?P<quoted>[^\s'\"`]{{8,512}})\1",
)


def _vendor(names: str, words: str, value: str) -> str:
    """A key of a vendor that has no prefix: known by what it is assigned to."""
    gets = r"['\"]?\]? *(?:=|:|:=|=>| +|::) *['\"]?"
    return rf"(?i:(?<![A-Za-z0-9])\[?['\"]?(?:{names})(?:_|-|)(?:{words}){gets})({value})"


_PRIVATE = "(?:[A-Z0-9]{2,12} )?(?:ENCRYPTED )?PRIVATE KEY(?: BLOCK)?"
_MARGIN = r"[ \t>|E]{0,12}"  # of a line that a program shows
_WORDS = "(?:api)?[_-]?(?:key|pwd|pw|password|pass|token)"
DETECTORS: dict[str, Detector] = {
    "AnthropicDetector": Detector("Anthropic API Key", ("sk-ant-",), (rf"{_START}sk-ant-[A-Za-z0-9_-]{{16,}}",)),
    "ArtifactoryDetector": Detector(
        "Artifactory Credentials",
        ("akc", "ap"),
        (r"(?:\s|=|:|\"|^)((?:AKC|AP[\dA-F])[a-zA-Z0-9]{10,})(?:\s|\"|$)",), True
    ),
    "AtlassianDetector": Detector("Atlassian API Token", ("atatt3",), (rf"{_START}ATATT3[A-Za-z0-9_=-]{{32,512}}",)),
    "AWSKeyDetector": Detector(
        "AWS Access Key",
        ("akia", "asia", "abia", "acca", "a3t", "aws"),
        (
            rf"{_START}(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{{16}}{_END}",
            r"(?i:aws.{0,20}?(?:key|pwd|pw|password|pass|token).{0,20}?['\"= ])([0-9a-zA-Z/+]{40})(?![0-9a-zA-Z/+])",
        ),
    ),
    "AzureStorageKeyDetector": Detector(
        "Azure Storage Account access key", ("accountkey=",), (r"AccountKey=([a-zA-Z0-9+/=]{88})",)
    ),
    "BasicAuthDetector": Detector(
        "Basic Auth Credentials",
        ("://", "curl", "wget", "http", "mysql", "mariadb", "sshpass", " login", "redis-cli"),
        (
            r"://(?P<user>[^:/?#\[\]@!$&'()*+,;=\s]{0,256}):(?P<password>[^:/?#\[\]@!$&'()*+,;=\s]{3,256})@",
            (rf"\b(?:curl|wget|https?|xh)\b{_WORDS_OF}-(?:u|U|a|-user|-proxy-user|-auth)[ =]?['\"]?"
            r"(?P<user>[\w.@+-]{1,64}):(?P<password>[^\s'\"]{3,256})"),
            (rf"\b(?:mysql\w{{0,8}}|mariadb\w{{0,8}}|sshpass|redis-cli|\w{{2,16}} (?:registry )?login)\b{_WORDS_OF}"
            r"(?:-p ?|-a )['\"]?(?P<bare>[^\s'\"]{6,256})"),
        ),
        True,
    ),
    "BearerDetector": Detector(
        "Authorization header",
        ("bearer", "basic "),
        (
            r"(?i:\bbearer)[ \t]+([A-Za-z0-9._~+/=-]{16,})",
            r"(?i:authorization['\"]?[:=]\s{0,8}['\"]?basic)[ \t]+([A-Za-z0-9+/=]{12,})",
        ),
        True,
    ),
    "CloudantDetector": Detector(
        "Cloudant Credentials",
        ("cl",),
        (
            _vendor("cloudant|cl|clou", _WORDS, r"[0-9a-f]{64}(?![0-9a-f])"),
            _vendor("cloudant|cl|clou", _WORDS, r"[a-z]{24}(?![a-z])"),
            r"(?i:https?://[\w-]{1,64}:)([0-9a-f]{64}|[a-z]{24})(?i:@[\w-]{1,64}\.cloudant\.com)",
        ),
    ),
    "DatabricksDetector": Detector("Databricks Token", ("dapi",), (rf"{_START}dapi[0-9a-f]{{32}}{_END}",)),
    "DigitalOceanDetector": Detector("DigitalOcean Token", ("_v1_",), (rf"{_START}do[opr]_v1_[0-9a-f]{{64}}{_END}",)),
    "DiscordBotTokenDetector": Detector(
        "Discord Bot Token",
        (".",),
        (rf"{_START}[MNO][a-zA-Z\d_-]{{23,25}}\.[a-zA-Z\d_-]{{6}}\.[a-zA-Z\d_-]{{27}}{_END}",)
    ),
    "DockerDetector": Detector("Docker Token", ("dckr_",), (rf"{_START}dckr_[a-z]{{2,8}}_[A-Za-z0-9_-]{{20,}}",)),
    "GitHubTokenDetector": Detector(
        "GitHub Token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        (rf"{_START}(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9_]{{36,255}}", rf"{_START}github_pat_[A-Za-z0-9_]{{22,255}}"),
    ),
    "GitLabTokenDetector": Detector(
        "GitLab Token",
        ("gl", "gr1348941"),
        (
            rf"{_START}(?:glpat|gldt|glft|glsoat|glrt|glptt|glagent|gloas|glimt|glffct)-[A-Za-z0-9_.-]{{20,1024}}",
            rf"{_START}glcbt-(?:[0-9a-fA-F]{{1,2}}_)?[A-Za-z0-9_-]{{20,50}}",
            rf"{_START}GR1348941[A-Za-z0-9_-]{{20,50}}",
        ),
    ),
    "GoogleApiKeyDetector": Detector(
        "Google API Key",
        ("aiza", "ya29.", "gocspx-"),
        (rf"{_START}AIza[0-9A-Za-z_-]{{35}}", rf"{_START}ya29\.[0-9A-Za-z_-]{{20,}}", rf"{_START}GOCSPX-[\w-]{{24,}}"),
    ),
    "GroqDetector": Detector("Groq API Key", ("gsk_",), (rf"{_START}gsk_[A-Za-z0-9]{{52}}{_END}",)),
    "HuggingFaceDetector": Detector("Hugging Face Token", ("hf_",), (rf"{_START}hf_[A-Za-z0-9]{{30,}}{_END}",), True),
    "IbmCloudIamDetector": Detector(
        "IBM Cloud IAM Key",
        ("ibm", "iam", "cloud"),
        (_vendor("ibm[_-]?cloud[_-]?iam|cloud[_-]?iam|ibm[_-]?cloud|ibm[_-]?iam|ibm|iam|cloud", _WORDS,
                 r"[a-zA-Z0-9_-]{44}(?![a-zA-Z0-9_-])"),),
        True,
    ),
    "IbmCosHmacDetector": Detector(
        "IBM COS HMAC Credentials",
        ("secret",),
        (_vendor("(?:ibm)?[-_]?cos[-_]?(?:hmac)?|", "secret[-_]?(?:access)?[-_]?key", r"[a-f0-9]{48}(?![a-f0-9])"),),
    ),
    "JwtTokenDetector": Detector(
        "JSON Web Token",
        ("eyj",),
        (rf"{_START}eyJ[A-Za-z0-9_=-]{{8,}}\.eyJ[A-Za-z0-9_=-]{{4,}}(?:\.[A-Za-z0-9_.+/=-]*)?",)
    ),
    "KeywordDetector": Detector(
        "Secret Keyword",
        ("key", "pass", "pwd", "secret", "token", "credential", "contrase"),
        tuple(f"(?i:{pattern})" for pattern in _ASSIGNED),
        True,
    ),
    "LinearDetector": Detector("Linear API Key", ("lin_api_",), (rf"{_START}lin_api_[A-Za-z0-9]{{40}}{_END}",)),
    "MailchimpDetector": Detector("Mailchimp Access Key", ("-us",), (rf"{_START}[0-9a-z]{{32}}-us[0-9]{{1,2}}{_END}",)),
    "NpmDetector": Detector(
        "NPM tokens",
        ("npm_", "_authtoken"),
        (
            rf"{_START}npm_[A-Za-z0-9]{{36}}{_END}",
            r"//[^\s]{1,256}/:_authToken=[ \t]*([A-Za-z0-9_-]{8,})",
        ),
    ),
    "OpenAIDetector": Detector(
        "OpenAI Token",
        ("sk-",),
        (
            rf"{_START}sk-[A-Za-z0-9_-]{{0,128}}[A-Za-z0-9]{{20}}T3BlbkFJ[A-Za-z0-9]{{20}}",
            rf"{_START}sk-(?:proj|svcacct|admin|None|or-v1)-[A-Za-z0-9_-]{{20,}}",
            rf"{_START}sk-[A-Za-z0-9]{{32,}}{_END}",
        ),
    ),
    "PrivateKeyDetector": Detector(
        "Private Key",
        ("private key", "putty-user-key"),
        (
            rf"BEGIN {_PRIVATE}(?s:.{{0,16384}}?END {_PRIVATE})?",
            rf"(?:^{_MARGIN}[A-Za-z0-9+/=]{{20,100}}[ \t\r]{{0,4}}\n){{1,200}}{_MARGIN}-{{5}}END {_PRIVATE}",
            r"PuTTY-User-Key-File-[23](?s:.{0,16384}?Private-MAC: ?[0-9a-f]+)?",
        ),
    ),
    "PypiTokenDetector": Detector(
        "PyPI Token", ("pypi-ag",), (rf"{_START}pypi-Ag(?:EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{{70,}}",)
    ),
    "ReplicateDetector": Detector("Replicate API Token", ("r8_",), (rf"{_START}r8_[A-Za-z0-9]{{37}}{_END}",)),
    "SendGridDetector": Detector(
        "SendGrid API Key", ("sg.",), (rf"{_START}SG\.[a-zA-Z0-9_-]{{22}}\.[a-zA-Z0-9_-]{{43}}",)
    ),
    "ShopifyDetector": Detector("Shopify Token", ("shp",), (rf"{_START}shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}{_END}",)),
    "SlackDetector": Detector(
        "Slack Token",
        ("xox", "xapp-", "hooks.slack.com"),
        (
            rf"{_START}(?i:xox[a-z](?:\.xox[a-z])?-(?:\d+-)*[a-z0-9-]{{10,}})",
            rf"{_START}(?i:xapp-\d-[a-z0-9]+-\d+-[a-z0-9]{{16,}})",
            r"(?i:https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9_]+/[A-Za-z0-9_]+/[A-Za-z0-9_]+)",
        ),
        True,
    ),
    "SoftlayerDetector": Detector(
        "SoftLayer Credentials",
        ("softlayer", "sl"),
        (
            _vendor("softlayer|sl", "(?:api)?[_-]?(?:key|pwd|password|pass|token)", r"[a-z0-9]{64}(?![a-z0-9])"),
            r"(?i:https?://api\.softlayer\.com/soap/v3(?:\.1)?/)([a-z0-9]{64})",
        ),
    ),
    "SquareOAuthDetector": Detector("Square OAuth Secret", ("sq0csp-",), (r"sq0csp-[0-9A-Za-z\\_-]{43}",)),
    "StripeDetector": Detector(
        "Stripe Access Key", ("k_live_", "k_test_", "whsec_"),
        (rf"{_START}[rs]k_(?:live|test)_[0-9a-zA-Z]{{24,}}", rf"{_START}whsec_[0-9a-zA-Z]{{24,}}"),
    ),
    "TelegramBotTokenDetector": Detector(
        "Telegram Bot Token", (":",), (rf"{_START}\d{{8,10}}:[0-9A-Za-z_-]{{35}}(?![0-9A-Za-z_-])",), True
    ),
    "TwilioKeyDetector": Detector("Twilio API Key", ("ac", "sk"), (rf"{_START}(?:AC|SK)[a-f0-9]{{32}}{_END}",)),
    "VaultDetector": Detector("Vault Token", ("hvs.", "hvb."), (rf"{_START}hv[sb]\.[A-Za-z0-9_-]{{24,}}",)),
    "XaiDetector": Detector("xAI API Key", ("xai-",), (rf"{_START}xai-[A-Za-z0-9]{{80}}{_END}",)),
}  # fmt: skip
_GENERAL = {DETECTORS[name].kind for name in ("KeywordDetector", "BearerDetector", "BasicAuthDetector")}
GIVEN = "a value that the environment calls secret"

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
# What stands for a secret in a text: a variable, a template, a row of one character, a word for it.
_STANDS_FOR = re.compile(
    r"[$%{<].*|.*(?:\$\{|\{\{|<[a-z]).*|(?:(.)\1+[-_.]?)+|\W+|.*(?:\.\.\.|…|\*\*\*|xxxx).*"
    r"|(?:your|my|the|some|an?|test|fake|dummy|sample|example|mock|replace|change|insert|enter|fill|put|set|todo|fixme"
    r"|tbd|not|no)[-_.].*|(?:changeme|replaceme|placeholder|redacted|example).*",
    re.IGNORECASE,
)
_WORD_FOR = frozenset(
    "pass password passwd pwd secret token user username key credentials xxx x-access-token x-oauth-basic".split()
)
# A name, a path or an expression of a program, not a value: it has a dot, slash or call in the middle of words.
_CODE = re.compile(r"[A-Za-z_][\w-]*(?:(?:\.|->|::|/)[A-Za-z_][\w-]*)+[;:.]?|/?[\w.-]+/[\w./-]*|[A-Za-z_]\w*:")
# A constant's name (JWT_RS256), a name of a secret and not itself (k8s-secret-name1), or a rule (min_length=12): words,
# each with a digit or two at most, and for the second one that says so.
_PIECE = r"(?:[A-Za-z]{2,20}[0-9]{0,3}|[a-z][0-9]{1,2}[a-z]|v?[0-9]{1,4})"
_NAME = re.compile(
    r"[A-Z]{2,20}[0-9]{0,3}(?:_(?:[A-Z]{1,20}[0-9]{0,3}|[0-9]{1,4}))+"
    r"|(?=.*(?<![A-Za-z])(?:secret|secrets|name|key|keys|token|tokens|creds?|credentials?|config|ref|id|auth)[0-9]{0,3}"
    rf"(?![A-Za-z])){_PIECE}(?:[-_]{_PIECE})+"
    r"|[A-Za-z][A-Za-z_.-]{2,40}(?:[=:<>]=?)(?:[0-9]{1,6}[a-z]{0,2}|true|false|null|none)"
)
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789", "0123456789abcdefghijklmnopqrstuvwxyz",
         "0123456789abcdef", "1234567890", "qwertyuiopasdfghjklzxcvbnm")  # fmt: skip


class Found(NamedTuple):
    """A secret in a text, from `start` to `end`."""

    kind: str
    start: int
    end: int


def find(text: str, chosen: Sequence[str] = (), allowed: str = "", given: Iterable[str] = ()) -> list[Found]:
    """The secrets in `text`, in order, none inside another.

    `chosen`: names of DETECTORS, else all; ("none",): nothing is looked for. `allowed`: a regular expression of what
    is none. `given`: texts that are secrets wherever they stand. PeerError("invalid") for a detector that there is not.
    """
    if list(chosen) == ["none"]:
        return []
    names = _checked(tuple(chosen))
    if len(text) < SHORTEST:
        return []
    low, excuse = text.lower(), re.compile(allowed) if allowed else None
    found: list[Found] = []
    for secret in given:
        at = text.find(secret)
        while secret and at >= 0:
            found.append(Found(GIVEN, at, at + len(secret)))
            at = text.find(secret, at + len(secret))
    for name in names:
        detector = DETECTORS[name]
        if any(hint in low for hint in detector.hints):
            for pattern in _compiled(name):
                found += _matches(detector, pattern, text, name == "KeywordDetector")
    if excuse is not None:
        found = [one for one in found if not excuse.search(text[one.start : one.end])]
    return _apart(found)


def _checked(chosen: tuple[str, ...]) -> Iterable[str]:
    for name in chosen:
        if name not in DETECTORS:
            raise PeerError(
                "invalid", f"peer.secrets: there is no detector {name}", f"there are {', '.join(DETECTORS)}"
            )
    return chosen or DETECTORS


@cache
def _compiled(name: str) -> tuple[re.Pattern[str], ...]:
    """Late: most texts have no hint of most kinds."""
    return tuple(re.compile(pattern, re.MULTILINE) for pattern in DETECTORS[name].patterns)


def _matches(detector: Detector, pattern: re.Pattern[str], text: str, assigned: bool) -> Iterator[Found]:
    at = 0
    while match := pattern.search(text, at):
        names = match.groupdict()
        user = names.pop("user", None)
        group: str | int = next((name for name in names if names[name] is not None), 0)
        if not names and pattern.groups and match[1] is not None:
            group = 1
        start, end = match.span(group)
        at = max(match.end(), at + 1)
        value = text[start:end]
        mixed = group != "password"  # behind a user's name a password has a place of its own: words count there
        if not detector.loose or (value != user and _is_value(value, mixed, bare=group == "bare")):
            yield Found(detector.kind, start, end)
        elif assigned:
            at = max(match.start() + 1, min(start, at))  # what follows the word may be assigned in its turn


def _is_value(value: str, mixed: bool, bare: bool) -> bool:
    """Whether a text that stands where a secret would can be one: a letter and a digit, and no word or reference."""
    plain = value.strip("\"'`.,;:")
    low = plain.lower()
    if low in _WORD_FOR or _STANDS_FOR.fullmatch(value) or _STANDS_FOR.fullmatch(plain) or _UUID.fullmatch(plain):
        return False
    if mixed and not (re.search("[0-9]", plain) and re.search("[A-Za-z]", plain)):
        return False
    if mixed and _NAME.fullmatch(plain):
        return False
    if len(low) >= SHORTEST and any(low in row + row for row in _ROWS):
        return False
    return not ((bare or value[0] == "/") and _CODE.fullmatch(plain))


def _apart(found: Iterable[Found]) -> list[Found]:
    """In order of place; of those that overlap, one that has all of them."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if kept and one.start < kept[-1].end:
            last = kept[-1]
            kind = one.kind if last.kind in _GENERAL else last.kind  # the one that says more
            kept[-1] = Found(kind, last.start, max(last.end, one.end))
        else:
            kept.append(one)
    return kept


def redacted(text: str, found: Sequence[Found]) -> str:
    """`text` with a mark in the place of each secret that find() found in it."""
    parts, at = [], 0
    for one in found:
        parts += [text[at : one.start], MARK.format(one.kind)]
        at = one.end
    return "".join([*parts, text[at:]])
