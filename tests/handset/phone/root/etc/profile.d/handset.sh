# A serial line knows neither the terminal's size nor its type: the host says them at boot.
if [ "$(tty)" = /dev/ttyS0 ]; then
    for handset_word in $(cat /proc/cmdline); do
        case $handset_word in
        handset.rows=*) stty rows "${handset_word#*=}" ;;
        handset.cols=*) stty cols "${handset_word#*=}" ;;
        handset.term=*) export TERM="${handset_word#*=}" ;;
        esac
    done
    unset handset_word
fi
[ -z "$BASH_VERSION" ] || . /usr/share/bash-completion/bash_completion
# No logind here, which systemctl would ask first, and say so.
alias poweroff='systemctl start --no-block poweroff.target'
