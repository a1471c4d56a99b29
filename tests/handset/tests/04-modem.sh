#!/bin/bash
# The modem answers on the phone's port, and events reach it.
. "$HANDSET_LIB"

check "the simulator runs" systemctl is-active handset-modem.service
equal "the stable name leads to the port" /dev/ttyS2 "$(readlink -f /dev/pmos-modem)"
equal "handset.json names it" /dev/ttyS2 "$(jq -r '.devices.modem[0]' /etc/pmos/handset.json)"
at E0 >/dev/null
equal "AT" OK "$(at '')"
matches "ATI" "pmos handset modem" "$(at I)"
matches "signal" '^\+CSQ: 20,99$' "$(at +CSQ)"
matches "registered" '^\+CREG: 2,1,' "$(at +CREG?)"
matches "SIM is ready" 'READY' "$(at +CPIN?)"
matches "operator" 'TestNet' "$(at +COPS?)"
equal "an unknown command" ERROR "$(at +NOSUCH)"
echo "signal 7" >/run/handset-modem.ctl
within 5 "an event of the network arrives" bash -c '. "$HANDSET_LIB"; trap - EXIT; at +CSQ | grep -qx "+CSQ: 7,99"'
matches "the simulator keeps a log" 'AT\+CSQ' "$(cat /run/handset-modem.log)"
note "no mode has it"
secure=/usr/share/pmos/profiles/secure.json
borrow_profile "$secure"
sed -i 's/"modem": \["sms", "voice"\]/"modem": "port"/; /"modem": { "rest": true },/d' "$secure"
matches "a profile that asks for the port is refused" "'port'" "$(pmosctl policy check "$secure" 2>&1)"
return_profile
modem_of() { pmosctl inspect "$1" | jq -r '.plan.deviceNodes[] | select(.class == "modem") | .path'; }
for mode in personal secure; do equal "no node of it in $mode" "" "$(modem_of $mode)"; done
cp /etc/pmos/handset.json /run/handset.json.kept
echo '{"devices": {"modem": ["/dev/late-modem"]}}' >/etc/pmos/handset.json
check "reload" pmosctl reload
matches "the doctor tells of a port that is not there" "late-modem' is not there" "$(pmosctl doctor)"
mv /run/handset.json.kept /etc/pmos/handset.json
check "reload" pmosctl reload

event() { echo "$*" >/run/handset-modem.ctl; }
answers() { at "$1" 2>&1 | grep -qE -- "$2"; }
heard() { grep -qxF -- "$1" /run/handset-modem.log; }

note "calls and texts without anybody above the port"
equal "it dials" OK "$(at 'D+4915112345678;')"
within 10 "the other side picks up" answers +CLCC '^\+CLCC: 1,0,0,0,0,"\+4915112345678",145$'
equal "a tone" OK "$(at +VTS=5)"
equal "it hangs up" OK "$(at H)"
check "all of it was heard" heard "hung up +4915112345678"
event "sms +4915112345678 good morning"
within 5 "a text is in the memory" answers '+CMGL=4' '^\+CMGL: 1,0,,31$'
equal "it is deleted" OK "$(at +CMGD=1)"

note "faults"
event "no-sim on"
within 5 "no SIM" answers '+CPIN?' '^\+CME ERROR: 10$'
equal "no call then" "+CME ERROR: 10" "$(at 'D+4915112345678;')"
equal "but an emergency call" OK "$(at 'D112;')"
equal "which ends" OK "$(at H)"
event "no-sim off"
within 5 "the SIM is back" answers '+CPIN?' READY
event "pin 4711"
within 5 "a SIM that wants its PIN" answers '+CPIN?' 'SIM PIN'
equal "a wrong one" "+CME ERROR: 16" "$(at '+CPIN="1111"')"
equal "the right one" OK "$(at '+CPIN="4711"' | tail -1)"
event "pin off"
event "late 2"
within 5 "it knows" heard "control late 2"
asked=$SECONDS
check "a late answer" at +CSQ
check "took its time" [ $((SECONDS - asked)) -ge 2 ]
event "late 0"
event "nonsense on"
within 5 "it knows that, too" heard "control nonsense on"
expect_code 2 "rubbish is no answer" at +CSQ
event "nonsense off"
event "reset 8"
within 5 "it knows even that" heard "control reset 8"
expect_code 2 "no answer while it starts again" at +CSQ
within 20 "it is back" answers +CSQ '^OK$'
event "signal 20"
