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
note "a modem that comes later"
modem_of() { pmosctl inspect secure | jq -r '.plan.deviceNodes[] | select(.class == "modem") | .path'; }
cp /etc/pmos/handset.json /run/handset.json.kept
echo '{"devices": {"modem": ["/dev/late-modem"]}}' >/etc/pmos/handset.json
check "reload" pmosctl reload
equal "a port that is not there is nobody's" "" "$(modem_of)"
matches "the doctor says so" "late-modem' is not there" "$(pmosctl doctor)"
ln -s ttyS2 /dev/late-modem
udevadm trigger --action=add --name-match=/dev/ttyS2
within 5 "it is granted when it comes" bash -c "pmosctl inspect secure | grep -q '\"ttyS2\"'"
equal "by its own name" ttyS2 "$(modem_of)"
mv /run/handset.json.kept /etc/pmos/handset.json
rm /dev/late-modem
check "as it was" pmosctl reload

echo "signal 20" >/run/handset-modem.ctl
