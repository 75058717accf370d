"""Secrets in text: each kind is found and taken out, the library's list is not ahead of ours, and prose is none."""

from __future__ import annotations

import base64
import random
import re
import string
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from git_peer.core import secret
from git_peer.core.errors import PeerError

_DICE = random.Random(20261130)
ROOT = Path(__file__).parents[2]


def some(count: int, letters: str = string.ascii_letters + string.digits) -> str:
    """So many characters, a letter and a digit among them where there may be: no secret stands in this file."""
    while True:
        found = "".join(_DICE.choice(letters) for _ in range(count))
        if not (set(letters) & set(string.digits) and set(letters) & set(string.ascii_letters)) or (
            re.search("[0-9]", found) and re.search("[A-Za-z]", found)
        ):
            return found


HEX, LOW, CAPS = "0123456789abcdef", string.ascii_lowercase + string.digits, string.ascii_uppercase + string.digits
URL = string.ascii_letters + string.digits + "-_"

# detector → (text, the secret in it)
EXAMPLES: dict[str, list[tuple[str, str]]] = {}


def example(name: str, value: str, around: str = "%s") -> None:
    EXAMPLES.setdefault(name, []).append((around % value, value))


example("AnthropicDetector", "sk-ant-" + "api03-" + some(90, URL))
example("ArtifactoryDetector", "AKC" + some(20), " %s ")
example("ArtifactoryDetector", "AP5" + some(20), '"%s"')
example("AtlassianDetector", "ATATT3" + "xFf" + some(180, URL))
example("GroqDetector", "gsk_" + some(52))
example("LinearDetector", "lin_" + "api_" + some(40))
example("ReplicateDetector", "r8_" + some(37))
example("XaiDetector", "xai-" + some(80), "key %s")
example("AWSKeyDetector", "AKIA" + some(16, CAPS), "id %s,")
example("AWSKeyDetector", "ASIA" + some(16, CAPS))
example("AWSKeyDetector", some(40), "aws_secret_access_key = '%s'")
example("AzureStorageKeyDetector", some(86) + "==", "AccountName=x;AccountKey=%s;")
example("BasicAuthDetector", "hunter22", "https://bob:%s@example.com/")
example("BasicAuthDetector", "correct-horse", "postgres://app:%s@db:5432/app")
example("BasicAuthDetector", "hunter22", "redis://:%s@cache/0")
example("BearerDetector", some(40), "Authorization: Bearer %s")
example("BearerDetector", some(32), "curl -H 'authorization: bearer %s' x")
example("BearerDetector", some(24) + "==", "Authorization: Basic %s")
example("CloudantDetector", some(64, HEX), "cloudant_password = '%s'")
example("CloudantDetector", some(24, string.ascii_lowercase), "cloudant-key=%s")
example("DatabricksDetector", "dapi" + some(32, HEX))
example("DigitalOceanDetector", "dop_v1_" + some(64, HEX))
example("DiscordBotTokenDetector", "M" + some(23) + "." + some(6) + "." + some(27))
example("DockerDetector", "dckr_" + "pat_" + some(27))
example("GitHubTokenDetector", "ghp_" + some(36), "push with %s now")
example("GitHubTokenDetector", "ghs_" + some(36))
example("GitHubTokenDetector", "github" + "_pat_" + some(22) + "_" + some(59))
example("GitLabTokenDetector", "glpat-" + some(20))
example("GitLabTokenDetector", "gldt-" + some(20))
example("GitLabTokenDetector", "glcbt-" + "1f_" + some(20))
example("GitLabTokenDetector", "GR1348941" + some(20))
example("GoogleApiKeyDetector", "AIza" + some(35, URL))
example("GoogleApiKeyDetector", "GOCSPX-" + some(28, URL))
example("HuggingFaceDetector", "hf_" + some(34))
example("IbmCloudIamDetector", some(44), 'ibm_cloud_iam_key: "%s"')
example("IbmCosHmacDetector", some(48, HEX), "cos_secret_access_key=%s")
_PARTS = ('{"alg":"HS256","typ":"JWT"}', '{"sub":"1234567890","admin":true}')
_PARTS_64 = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in _PARTS]
example("JwtTokenDetector", ".".join([*_PARTS_64, some(43, URL)]))
example("KeywordDetector", "hunter2hunter2", "DB_PASSWORD=%s")
example("KeywordDetector", "hunter2hunter2", '  "client_secret": "%s",')
example("KeywordDetector", "hunter2hunter2", "export SOME_TOKEN='%s'")
example("KeywordDetector", "hunter2!Hunter", "password := `%s`")
example("KeywordDetector", "hunter2hunter2", 'if "%s" == password {')
example("KeywordDetector", "hunter2hunter2", "api-key: %s")
example("KeywordDetector", "hunter2hunter2", "secret => '%s'")
example("MailchimpDetector", some(32, LOW) + "-us12")
example("NpmDetector", "npm_" + some(36))
example("NpmDetector", "1f1f2a2b-" + some(4, HEX) + "-4aaa-8bbb-" + some(12, HEX), "//npm.example.com/:_authToken=%s")
example("OpenAIDetector", "sk-" + "proj-" + some(80, URL))
example("OpenAIDetector", "sk-" + some(48))
example("OpenAIDetector", "sk-" + some(20) + "T3Blbk" + "FJ" + some(20))
_BODY = "\n".join(some(64) for _ in range(6))
for _name in ("RSA ", "EC ", "DSA ", "OPENSSH ", "", "ENCRYPTED ", "PGP "):
    _what = f"{_name}PRIVATE KEY" + (" BLOCK" if _name == "PGP " else "")
    example("PrivateKeyDetector", f"BEGIN {_what}-----\n{_BODY}\n-----END {_what}", "key:\n-----%s-----\nrest")
example("PrivateKeyDetector", "BEGIN RSA PRIVATE KEY", "it begins with -----%s-----")
example("PrivateKeyDetector", f"{_BODY}\n-----END RSA PRIVATE KEY", "%s-----")  # an output that was cut
example("PrivateKeyDetector", "PuTTY-User-Key-File-3: ssh-ed25519\n" + _BODY + "\nPrivate-MAC: " + some(64, HEX))
example("PypiTokenDetector", "pypi-" + "AgEIcHlwaS5vcmc" + some(80))
example("SendGridDetector", "SG." + some(22) + "." + some(43))
example("ShopifyDetector", "shpat_" + some(32, HEX))
example("SlackDetector", "xox" + "b-1234567890-1234567890-" + some(24))
example(
    "SlackDetector", "https://hooks.slack.com/services/" + "T" + some(8, CAPS) + "/B" + some(8, CAPS) + "/" + some(24)
)
example("SoftlayerDetector", some(64, LOW), "softlayer_api_key=%s")
example("SquareOAuthDetector", "sq0csp-" + some(43, URL))
example("StripeDetector", "sk_" + "live_" + some(24))
example("TelegramBotTokenDetector", some(9, string.digits) + ":" + some(35, URL), "bot %s.")
example("TwilioKeyDetector", "AC" + some(32, HEX))
example("VaultDetector", "hvs." + some(24))


@pytest.mark.parametrize("name", secret.DETECTORS)
def test_each_kind_is_found_and_taken_out(name: str) -> None:
    """Alone and with all others, in a line, at the end of one, in many lines; what is left has nothing of it."""
    for text, value in EXAMPLES[name]:
        assert secret.find(text, [name]), text
        for around in ("{}", "ran it:\n{}\nand went on", "\t{}", "  {}  "):
            whole = around.format(text)
            found = secret.find(whole)
            assert found, whole
            left = secret.redacted(whole, found)
            assert not any(value[at : at + 12] in left for at in range(max(1, len(value) - 11))), (left, value)
            assert "[redacted: " in left
            assert secret.find(left) == [], left


def test_the_library_is_not_ahead() -> None:
    """Each detector of detect-secrets has one of that name here, and finds our examples; but for the noisy ones."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    noisy = {"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector"}
    plugins: list[Any] = list(get_mapping_from_secret_type_to_class().values())
    library = {one.__name__: one for one in plugins}
    assert set(library) - noisy <= set(secret.DETECTORS)
    for name in set(library) & set(secret.DETECTORS):
        lines = [line for text, _ in EXAMPLES[name] for line in text.split("\n")]
        assert any(library[name]().analyze_line(filename="x.ini", line=line) for line in lines), name


def test_what_the_library_finds_is_found() -> None:
    """Strings made from the library's own expressions, of the kinds that have a prefix."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    prefixed = (
        "GitHubTokenDetector", "GitLabTokenDetector", "OpenAIDetector", "PypiTokenDetector", "SendGridDetector",
        "SquareOAuthDetector", "StripeDetector", "AzureStorageKeyDetector", "PrivateKeyDetector",
    )  # fmt: skip
    plugins: list[Any] = list(get_mapping_from_secret_type_to_class().values())
    for plugin in plugins:
        if plugin.__name__ not in prefixed:
            continue
        for pattern in plugin.denylist:
            ascii_only = re.compile(pattern.pattern, pattern.flags & ~re.UNICODE | re.ASCII)

            @given(st.just(plugin.__name__), st.from_regex(ascii_only, fullmatch=True))
            @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            def agrees(name: str, text: str) -> None:
                assert secret.find(f"x {text} y", [name]), text

            agrees()


PROSE = """\
since 3f2a9c1b4d5e6f708192a3b4c5d6e7f809182736 login(password: str) -> Token
uuid 550e8400-e29b-41d4-a716-446655440000, sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
integrity sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==
the token must be renewed; secret: the API returns an email; set API_KEY=$OPENAI_API_KEY or password=${DB_PASSWORD}
POST /v1/users {"token": "string", "password": "string"}; password = os.environ["DB_PASSWORD"]; token = tokens.next_v2()
postgres://user:password@localhost/app and https://user:pass@example.com, https://${USER}:${TOKEN}@host/x
Authorization: Bearer <token>; a Bearer token in the Authorization header; bearer authentication, Basic authentication
src/very/long/path/to/some/file_with_a_name.py calls get_user_by_email_address_and_organisation_id
fencing token: 1099511627776; Peer-Token: 5242881; "token": 3145728, ttl=1800; key: session-9f86d081 (lock)
ssh://git@github.com:22/a/b.git git@github.com:a/b.git http://localhost:8080/@scope/pkg npm:@types/node@20.1.0
secret = "your-secret-key1", password: changeme1, api_key = "xxxxxxxxxxxx1", token: abcdefgh12345678...
ask-ant-colony risk-proj-management hf_model npm_config_registry pypi-mirror AC/DC SKU12345 eyJ is base64 for {"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"], TOKEN_URL = "/api/v2/token", secret_name: app2
"""


@pytest.mark.parametrize("line", PROSE.splitlines())
def test_prose_is_none(line: str) -> None:
    assert secret.find(line) == []


# What looks like one by its place, and is a name, a rule, a placeholder or a default that everybody knows.
HARMLESS = [
    "password: min_length=12",
    "token: JWT_RS256",
    "api_key=REPLACE_ME_123",
    "secret: k8s-secret-name1",
    "mysql://root:root@localhost",
    "postgres://postgres:postgres@db/app",
    "amqp://guest:guest@mq",
    "curl -u user:pass https://x",
    "curl -u $USER:$PW https://x",
    "curl -u admin:admin http://localhost",
    "git push -u origin main:topic1",
    "docker run -p 8080:80 x",
    "redis-cli -p 6379 -a $PW",
    "--token TOKEN_NAME_2",
    "password: max_age=90d",
    "secretName: db-credentials-2",
    "token: access_token_v2",
    "api_key: CHANGE_ME_1",
    "--password prompt-me",
    "password: min-length:12",
    "mysql -uroot -p mydb1",
    "docker login -u bob -p $DOCKER_PASS2",
    "secret: ES256_KEY_ID",
    "token: todo_fill_in_1",
    "https login page2 -p",
    "run `npm login` and then -a note1",
]
# And what is one, in the shapes that shells, tools and configuration have.
SECRET = [
    "curl -u user:S3cr3tPw99x",
    "curl -sS --user 'bob:S3cr3tPw99x' https://x",
    "wget --user=bob --password=S3cr3tPw99x https://x",
    "http -a bob:hunter22 https://x",
    "mysql -uroot -pS3cr3tPw9 db",
    "sshpass -p S3cr3tPw9 ssh x",
    "docker login -u bob -p S3cr3tPw9 reg",
    "redis-cli -h x -a S3cr3tPw9",
    "deploy --password S3cr3tPw99x now",
    "tool --api-key 'S3cr3tPw99x'",
    "DB_PASSWORD=hunter2hunter2",
    "password: correct-horse-9battery",
    "mysql://root:t00r@localhost",
    "token=ab12cd34ef56gh78",
    "secret: Xk9-fp2-qq81z",
    "password=Summer2024!",
    "curl https://bob:hunter22@x.com",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_precision(text: str) -> None:
    """Names of secrets, rules about them, placeholders, well-known defaults, other options of the same letter."""
    assert secret.find(text) == []
    assert secret.find(f"ran it:\n  {text}\nand went on") == []


@pytest.mark.parametrize("text", SECRET)
def test_recall(text: str) -> None:
    """Passwords on a command line, in an address and in an assignment, words with digits among them."""
    found = secret.find(text)
    assert found, text
    assert not re.search("S3cr3tPw9|hunter2|9battery|t00r|ab12cd34|fp2-qq|Summer2024", secret.redacted(text, found))


def test_this_repository_has_none() -> None:
    """What engineers write all day, 80,000 lines of it; only tests that say so have what looks like one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    own = {
        "tests/cli/test_conflicts.py",
        "tests/cli/test_deltas.py",
        "tests/planner/test_failures.py",
        "tests/planner/test_good.py",
    }
    lines = 0
    wrong = []
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if not name or name in own or "secret" in name or path.suffix not in (".py", ".md", ".toml", ".json", ".1", ""):
            continue
        try:
            text = path.read_text("utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        lines += text.count("\n")
        wrong += [(name, text[one.start : one.end]) for one in secret.find(text)]
    assert wrong == []
    assert lines > 30_000


def test_no_text_takes_long() -> None:
    """The largest text that the log takes, made to go back and forth."""
    for part in (
        "password", "://a", "curl -u ", "mysql ", "x login -a ", "--token ", "a-secret-",
        "a:", "secret=", "//a", "BEGIN PRIVATE KEY", "aws key ", "AKIA", "bearer ", "'", "token='",
        "key:=>", "sk-", "xoxb-1-", "eyJaaaaaaaa.", "a1", "AP1", "1", "secret ", "AAAAAAAAAAAAAAAAAAAAAAAA\n",
    ):  # fmt: skip
        text = part * (32 * 1024 // len(part))
        began = time.process_time()
        secret.find(text)
        assert time.process_time() - began < 5, part  # measured: 0.2 s at most; a runaway takes minutes


def test_what_is_chosen_and_allowed() -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    assert secret.find(f"use {key}", ["PrivateKeyDetector"]) == []
    assert secret.find(f"use {key}", ["none"]) == []
    assert secret.find(f"use {key}", (), "EXAMPLE$") == []
    with pytest.raises(PeerError) as refusal:
        secret.find("x", ["NoSuchDetector"])
    assert refusal.value.code == "invalid"
    told = secret.find("it said s3cr3t-of-mine, s3cr3t-of-mine", given=["s3cr3t-of-mine"])
    assert [one.start for one in told] == [8, 24]
