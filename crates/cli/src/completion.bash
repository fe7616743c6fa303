
# bash takes `apps:create` for three words. This joins them again, asks, and cuts off what is typed already.
_PROGRAM_colons() {
    local program="$1" words=() index=0 at=0 glue="" word current i
    for word in "${COMP_WORDS[@]}"; do
        if [[ ${#words[@]} -gt 1 && ( "$word" == :* || -n "$glue" ) ]]; then
            i=$((${#words[@]} - 1))
            words[i]="${words[i]}$word"
        else
            words+=("$word")
        fi
        glue=""
        [[ "$word" == *: ]] && glue=1
        [[ $index -eq $COMP_CWORD ]] && at=$((${#words[@]} - 1))
        index=$((index + 1))
    done
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$at
    current="${words[at]}"
    _PROGRAM "$program" "$current" "${words[at > 0 ? at - 1 : 0]}"
    if [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        local typed="${current%"${current##*:}"}"
        COMPREPLY=("${COMPREPLY[@]#"$typed"}")
    fi
}
complete -F _PROGRAM_colons -o bashdefault -o default PROGRAM
