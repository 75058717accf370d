"""git peer completion: what makes a shell complete `git peer <TAB>` and `git-peer <TAB>`."""

from __future__ import annotations

import click

from git_peer.cli._output import Call, Reply
from git_peer.cli.main import COMPLETE_VAR, command

# git's own completion calls _git_<command>, with the words in `words` and `cword`; click answers "type,value" lines.
_BASH = """\
_git_peer() {
    local at=${__git_cmd_idx:-1} line cut=
    COMPREPLY=()
    # A colon ends a word to bash: what stands before the last one is there already.
    [[ $COMP_WORDBREAKS == *:* ]] && cut=${words[cword]%"${words[cword]##*:}"}
    while IFS= read -r line; do
        case $line in
        plain,*)
            line=${line#*,}
            printf -v line %q "${line#"$cut"}"
            COMPREPLY+=("$line")
            ;;
        dir,* | file,*) compopt -o default 2>/dev/null ;;
        esac
    done < <(COMP_WORDS="git-peer ${words[*]:at+1}" COMP_CWORD=$((cword - at)) @VAR@=bash_complete git-peer)
}
_git_peer_alone() {
    local words=("${COMP_WORDS[@]}") cword=$COMP_CWORD __git_cmd_idx=1
    declare -F _get_comp_words_by_ref >/dev/null && _get_comp_words_by_ref -n : words cword
    words=(git peer "${words[@]:1}") cword=$((cword + 1))
    _git_peer
}
complete -F _git_peer_alone git-peer
"""

_ZSH = """\
_git-peer() {
    local -a found
    local kind key text
    for kind key text in ${(f)"$(env COMP_WORDS="git-peer ${words[2,-1]}" COMP_CWORD=$((CURRENT - 1)) \\
        @VAR@=zsh_complete git-peer)"}; do
        if [[ $kind == plain ]]; then
            key=${key//:/\\\\:}
            [[ $text == _ ]] && found+=("$key") || found+=("$key:$text")
        else
            _files
        fi
    done
    (( $#found )) && _describe 'git peer' found
}
zstyle ':completion:*:*:git:*' user-commands peer:'coordinate agents without a server'
compdef _git-peer git-peer
"""


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
def completion_command(call: Call, shell: str) -> Reply:
    """Print what to source for tab completion: `source <(git peer completion bash)`, after git's own."""
    text = (_BASH if shell == "bash" else _ZSH).replace("@VAR@", COMPLETE_VAR)
    return Reply({"shell": shell, "script": text}, text.removesuffix("\n").split("\n"))
