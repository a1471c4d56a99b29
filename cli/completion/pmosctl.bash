# bash completion for pmosctl

_pmosctl_modes() {
    # Without pmosd there is nothing to offer, and nothing to say about it.
    mapfile -t COMPREPLY < <(compgen -W "$(pmosctl list 2>/dev/null)" -- "$1")
}

_pmosctl_volumes() {
    mapfile -t COMPREPLY < <(compgen -W "$(pmosctl volume list "$1" 2>/dev/null | awk 'NR > 1 { print $2 }')" -- "$2")
}

_pmosctl_options() {
    local common='--json --socket --bus --help'
    case $1 in
        stop) echo "$common --all --timeout" ;;
        switch) echo "$common --none --steps" ;;
        provision) echo "$common --pin-fd --ask" ;;
        unlock) echo "$common --pin-fd --ask --no-start --fingerprint" ;;
        volume) echo "$common --pin-fd --ask --new-pin-fd --yes" ;;
        auth) echo "$common --pin-fd --ask --new-pin-fd --out-fd --volume --finger" ;;
        erase) echo "$common --yes" ;;
        duress) echo "$common --pin-fd --duress-pin-fd" ;;
        lock) echo "$common --evict" ;;
        exec | shell) echo "$common --tty --no-tty --env --workdir --user" ;;
        status | devices) echo "$common --watch" ;;
        logs) echo "$common --follow --lines --denials" ;;
        events) echo "$common --count --denials" ;;
        handset) echo "$common --out --format" ;;
        modem) echo "$common --no-wait" ;;
        net) echo "$common --watch --new --import --show --peer --key-fd --yes" ;;
        image) echo "$common --output --hash-image --root-hash --all-root --limit --unpacker" ;;
        policy)
            echo "$common --format --resolved --origin --mode --dir --all --on-device --output --against --svg --dot --name --version --for --root
                --images --hooks --key --key-fd --digest --signature --public --trust"
            ;;
        *) echo "$common" ;;
    esac
}

_pmosctl() {
    local verbs='status list inspect logs events doctor version start stop restart switch notify
        provision unlock lock erase duress volume auth exec shell devices modem net handset
        image policy reload'
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local verb='' mode='' second='' i word places=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --socket | --pin-fd | --new-pin-fd | --duress-pin-fd | --out-fd | --key-fd | --volume | --finger | --timeout | -n | --lines | --count | -e | --env | -w | --workdir | -u | --user)
                ((i++))
                ;;
            --) return ;; # the command of exec: files, by the shell's own rules
            -*) ;;
            *)
                if [[ -z $verb ]]; then
                    verb=$word
                elif [[ $verb == @(volume|auth|duress|net) && -z $second ]]; then
                    second=$word
                elif [[ $verb == @(volume|auth|duress|net) ]]; then
                    places+=("$word")
                else
                    mode=$word
                fi
                ;;
        esac
    done
    case $prev in
        --socket)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --pin-fd | --new-pin-fd | --duress-pin-fd | --out-fd | --key-fd | --volume | --finger | --timeout | -n | --lines | --count | -e | --env | -w | --workdir | -u | --user) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_pmosctl_options "$verb")" -- "$cur")
        return
    fi
    case $verb in
        '') mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
        policy)
            if [[ $mode == diff || $mode == report || $mode == map ]]; then
                mapfile -t COMPREPLY < <(compgen -f -W phone -- "$cur")
            elif [[ -z $mode ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'check show explain diff score record separation report map test try rules explain-rule keygen pack sign copy verify install status confirm reject' -- "$cur")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            ;;
        devices)
            if [[ -z $mode ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'list who usage grants' -- "$cur")
            elif [[ $mode == grants ]]; then
                _pmosctl_modes "$cur"
            fi
            ;;
        modem)
            if [[ -z $mode ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'status call hangup sms' -- "$cur")
            fi
            ;;
        handset)
            if [[ -z $mode ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'detect check' -- "$cur")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            ;;
        image)
            if [[ -z $mode ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'build import verify' -- "$cur")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            ;;
        duress)
            if [[ -z $second ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'set remove' -- "$cur")
            elif ((${#places[@]} == 0)); then
                _pmosctl_modes "$cur"
            fi
            ;;
        net)
            if [[ -z $second ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'status top trace key' -- "$cur")
            elif ((${#places[@]} == 0)); then
                _pmosctl_modes "$cur"
            fi
            ;;
        volume)
            if [[ -z $second ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'list info passwd resize wipe-free trim reencrypt backup restore' -- "$cur")
            elif ((${#places[@]} == 0)); then
                _pmosctl_modes "$cur"
            elif ((${#places[@]} == 1)); then
                _pmosctl_volumes "${places[0]}" "$cur"
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            ;;
        auth)
            if [[ -z $second ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'list enroll remove test open-escrow' -- "$cur")
            elif [[ $second == open-escrow ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            elif ((${#places[@]} == 0)); then
                _pmosctl_modes "$cur"
            elif [[ $second == list ]]; then
                _pmosctl_volumes "${places[0]}" "$cur"
            else
                mapfile -t COMPREPLY < <(compgen -W 'pin passphrase recovery-key escrow tpm2+pin tpm2 fido2 fingerprint' -- "$cur")
            fi
            ;;
        status | inspect | logs | start | stop | restart | switch | provision | unlock | lock | erase | exec | shell)
            [[ -z $mode ]] && _pmosctl_modes "$cur"
            ;;
        notify) mapfile -t COMPREPLY < <(compgen -W 'screen-locked screen-unlocked sleep' -- "$cur") ;;
    esac
}

complete -o default -F _pmosctl pmosctl
