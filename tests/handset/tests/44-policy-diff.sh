#!/bin/bash
# timeout: 120
# The phone against a directory: what pmosd uses, and not what stands in its files by now.
. "$HANDSET_LIB"

installed=/usr/share/pmos/profiles
new=$(mktemp -d)
cp -r "$installed/." "$new"

equal "the phone means what is installed" "they mean the same" \
    "$(pmosctl policy diff phone "$installed" | tail -n 1)"
check "and says so by its status" pmosctl policy diff phone "$new"

# What somebody would install: both directions, by mode, line and danger.
sed -i 's/"gpu": "render"/"gpu": "none"/; s/"network": "loopback"/"network": "none"/' \
    "$new/personal.json"
sed -i 's/"unlock": \["pin"\]/"unlock": ["passphrase"]/' "$new/secure.json"
expect_code 1 "a difference is told by the status" pmosctl policy diff phone "$new"
told=$(pmosctl policy diff phone "$new")
matches "personal loses the GPU" '^- personal loses the GPU \(render nodes\)$' "$told"
matches "the line of the phone's file is named" '^    a: phone/personal.json:[0-9]+:[0-9]+$' "$told"
matches "and the line of the new one" "^    b: $new/personal.json:[0-9]+:[0-9]+\$" "$told"
matches "secure gains a way to be opened" \
    "^\+ serious: secure's volume 'data' can be opened by 'passphrase'\$" "$told"
equal "the worst comes first" serious \
    "$(pmosctl policy diff --json phone "$new" | jq -r '.[0].danger')"
equal "the other way round it is gained" gain "$(pmosctl policy diff --json "$new" phone |
    jq -r '.[] | select(.what == "gpu" and .kind == "device") | .turn')"
expect_code 1 "the system bus answers too" pmosctl --bus policy diff phone "$new"

# A file that was changed since is not what the phone uses, until it is read again.
cp "$installed/personal.json" "$new/before"
cp "$new/personal.json" "$installed/personal.json"
matches "an edit alone changes nothing on the phone" '^- personal loses the GPU' \
    "$(pmosctl policy diff phone "$installed")"
pmosctl reload >/dev/null
equal "a reload does" "they mean the same" \
    "$(pmosctl policy diff phone "$installed" | tail -n 1)"
echo '{' >"$installed/personal.json"
pmosctl reload >/dev/null
matches "a phone with a broken profile is said to have one" '^~ severe: personal cannot be compared' \
    "$(pmosctl policy diff phone "$new" || true)"
expect_code 2 "which is trouble" pmosctl policy diff phone "$new"
cp "$new/before" "$installed/personal.json"
pmosctl reload >/dev/null

# Callers who may not call pmosd may not read its profiles either.
expect_code 2 "nobody else is answered" setpriv --reuid 65534 --regid 65534 --clear-groups \
    pmosctl --bus policy diff phone "$new"
rm -r "$new"
