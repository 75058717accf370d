"""Which language a file is in, by its name, and which files nobody wrote here."""

from __future__ import annotations

import re

# language → extensions. Those up to PHP are read for their symbols, the others only counted.
_EXTENSIONS = {
    "Python": "py pyi pyw",
    "JavaScript": "js mjs cjs jsx",
    "TypeScript": "ts mts cts",
    "TSX": "tsx",
    "Go": "go",
    "Rust": "rs",
    "Java": "java",
    "C": "c h",
    "C++": "cc cpp cxx c++ hh hpp hxx h++ ipp",
    "Ruby": "rb rake gemspec",
    "C#": "cs",
    "PHP": "php",
    "Ada": "adb ads",
    "Assembly": "s asm",
    "CSS": "css scss sass less",
    "CSV": "csv tsv",
    "Clojure": "clj cljs cljc",
    "Dart": "dart",
    "Elixir": "ex exs",
    "Erlang": "erl hrl",
    "F#": "fs fsi fsx",
    "Fortran": "f f90 f95",
    "GraphQL": "graphql gql",
    "Groovy": "groovy gradle",
    "HTML": "html htm",
    "Haskell": "hs lhs",
    "JSON": "json jsonc json5",
    "Julia": "jl",
    "Jupyter": "ipynb",
    "Kotlin": "kt kts",
    "Lua": "lua",
    "Make": "mk",
    "Markdown": "md markdown",
    "Nix": "nix",
    "OCaml": "ml mli",
    "Objective-C": "m mm",
    "Perl": "pl pm t",
    "PowerShell": "ps1 psm1",
    "Protobuf": "proto",
    "R": "r",
    "SQL": "sql",
    "SVG": "svg",
    "Scala": "scala sc",
    "Shell": "sh bash zsh fish ksh",
    "Svelte": "svelte",
    "Swift": "swift",
    "TOML": "toml",
    "Terraform": "tf tfvars",
    "Text": "txt rst adoc",
    "Vue": "vue",
    "XML": "xml xsd xsl",
    "YAML": "yaml yml",
    "Zig": "zig",
}
_LANGUAGE = {extension: name for name, extensions in _EXTENSIONS.items() for extension in extensions.split()}
_NAMES = {
    "makefile": "Make", "gnumakefile": "Make", "dockerfile": "Docker", "containerfile": "Docker",
    "cmakelists.txt": "CMake", "rakefile": "Ruby", "gemfile": "Ruby", "jenkinsfile": "Groovy",
}  # fmt: skip
SYMBOLS = ("Python", "JavaScript", "TypeScript", "TSX", "Go", "Rust", "Java", "C", "C++", "Ruby", "C#", "PHP")
SECTIONS = (*SYMBOLS, "Kotlin", "Swift", "Markdown", "JSON", "YAML", "TOML")  # that have a grammar of their own

_VENDORED = re.compile(
    r"(?:^|/)(?:node_modules|bower_components|vendor|vendored|third[_-]party|Godeps|site-packages|\.yarn)/"
)
_GENERATED = re.compile(
    r"""(?:^|/)(?:dist|__generated__|__pycache__)/
    | [.-]min\.(?:js|mjs|cjs|css)$ | \.(?:js|css)\.map$ | \.bundle\.js$
    | _pb2(?:_grpc)?\.pyi?$ | \.pb\.(?:go|cc|h)$ | _generated\.\w+$ | \.g(?:enerated)?\.(?:cs|dart|ts)$
    | \.designer\.cs$ | \.lock$ | \.lockb$
    | (?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.ya?ml|go\.sum|packages\.lock\.json)$""",
    re.VERBOSE | re.IGNORECASE,
)
_TEST = re.compile(
    r"(?:^|/)(?:tests?|__tests__|specs?|testdata|fixtures)/|(?:^|/)(?:test_|conftest)[^/]*$|[_.-](?:test|spec)s?\.\w+$",
    re.IGNORECASE,
)


def of(path: str) -> str:
    """The language of a path; "" where its name does not tell."""
    name = path.rpartition("/")[2].lower()
    if name in _NAMES:
        return _NAMES[name]
    stem, dot, extension = name.rpartition(".")
    return _LANGUAGE.get(extension, "") if dot and stem else ""


def unwritten(path: str) -> str:
    """`vendored` or `generated` where the name says that nobody wrote the file here; else ""."""
    if _VENDORED.search(path):
        return "vendored"
    return "generated" if _GENERATED.search(path) else ""


def is_test(path: str) -> bool:
    """Whether the name says that the file is part of a test."""
    return _TEST.search(path) is not None
