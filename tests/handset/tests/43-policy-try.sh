#!/bin/bash
# timeout: 120
# What the evaluator says of both modes, and what the kernel does.
. "$HANDSET_LIB"

pin=4711
fresh_secure "$pin" >/dev/null 2>&1
pmosctl start personal >/dev/null
with_pin "$pin" unlock secure >/dev/null
pmosctl switch secure >/dev/null

try() { pmosctl policy try "$@" 2>&1; }

# pmos-try: judged calls are not carried out, files are neither left nor run.
equal "the filter is asked, the call is not made" "ok 0 errno 1 judge errno 38 judge" \
    "$(try secure 'judge exit_group 1' 'judge ptrace' 'judge clone3' | xargs)"
equal "nothing can be executed where the mode writes" "errno 13 execute" \
    "$(try secure 'execute /data')"
equal "nothing is left there" "" \
    "$(pmosctl exec secure -T -- find /data -name '.pmos-try*')"
equal "a program of the image is loaded, and ends before it runs" "ok 0" \
    "$(try secure 'execute /usr/bin/env')"
equal "what is tried has no other rights than the mode" "errno 30 open errno 1 mount_setattr" \
    "$(try secure 'write /usr/bin/env' 'remount /' | xargs)"
expect_code 10 "a frozen mode is not tried" pmosctl policy try personal 'read /'
expect_code 2 "a call that does not exist is named" pmosctl policy try secure 'judge ptrac'
