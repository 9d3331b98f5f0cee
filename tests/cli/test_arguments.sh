#!/bin/bash
# Usage errors, help and an unreachable daemon: what needs no daemon. $1: the keyward executable
set -u
keyward=$1
# shellcheck source=check.sh
. "$(dirname "$0")/check.sh"

check 2 'which command'
check 2 'unknown command nonsense' nonsense
check 2 'unknown option --nonsense' --nonsense status
check 2 'behind --config' --config
check 0 'Usage: keyward' --help
check 0 '^keyward [0-9]' --version
check 2 'which command' device
check 2 'unknown command device nonsense' device nonsense
check 0 'device reset-nonces' device --help
check 0 'ns remove' ns --help
check 0 'ns test' ns --help

# Every command explains itself, with an example, and names an option that it does not know.
for command in init status events backup restore check 'intake certificate' \
	'device import' 'device add' 'device list' 'device show' 'device set' 'device block' \
	'device unblock' 'device remove' 'device reset-nonces' \
	'ns add' 'ns list' 'ns show' 'ns set' 'ns remove' 'ns test' \
	'as add' 'as list' 'as show' 'as set' 'as remove' 'kek add' 'kek list' \
	'kek retire' 'dns zone' simulate; do
	# shellcheck disable=SC2086
	check 0 'Example' $command --help
	# shellcheck disable=SC2086
	check 2 '--nonsense' $command --nonsense=1
done

eui=0004A30B001C0530
check 2 'FILE is missing' device import
check 2 'b: not expected' device import a b
check 2 'NetID has 6' device import a --net-id 13
check 2 'inline, inline-id' device import a --app-s-key clear
check 2 'EUI has 16' device import a --ns-id 1
check 2 'DEVEUI is missing' device show
check 2 'x is not a DevEUI' device show x
check 2 'nothing to change' device set $eui
check 2 'needs a value' device set $eui --name
check 2 'no value belongs to --generate' device add --generate=1
check 2 'join-eui is missing' device add --dev-eui $eui --lorawan-version 1.0.3
check 2 'lorawan-version is missing' device add --dev-eui $eui --join-eui $eui
check 2 '1.0.0 to 1.0.4' device add --dev-eui $eui --join-eui $eui --lorawan-version 2
check 2 'name: at most 63' device add --name "$(printf '%064d' 0)"
check 2 'limit: a number' events --limit 0
check 2 'device: a DevEUI' events --device 1
check 2 'NAME is missing' ns add --net-id 000013 --token
check 2 'net-id is missing' ns add a --token
check 2 'who it is, is missing: --token, --token-file' ns add a --net-id 000013
check 2 'who it is, is missing' ns add a --net-id 000013 --token-file ''
check 2 'who it is, is missing' ns add a --net-id 000013 --certificate ''
check 2 'exclude each other' ns add a --net-id 000013 --token --token-file f
check 2 'kek-file needs --kek-label' ns add a --net-id 000013 --token --kek-file f
check 2 'kek-label needs --kek-file' ns add a --net-id 000013 --token --kek-label l
check 2 'both come from standard input' ns add a --net-id 000013 --token-file - \
	--kek-label l --kek-file -
check 2 'join-eui: write' ns add a --net-id 000013 --token --join-eui 70b3
check 2 'at most 8' ns add a --token --net-id=1{0,1,2,3,4,5,6,7,8}0000
check 2 'as-id is missing' as add a --token
check 2 'authorization-file and --basic-file exclude' ns add a --net-id 000013 \
	--authorization-file f --basic-file f
check 2 'ca needs --subject' ns add a --net-id 000013 --ca f
check 2 'ca needs --subject' ns add a --net-id 000013 --ca f --subject ''
check 2 'subject needs --ca' ns add a --net-id 000013 --token --subject s
check 2 'subject needs --ca' ns set a --ca '' --subject s
check 2 'certificate: at most 4' ns add a --net-id 000013 --certificate={1,2,3,4,5}
check 2 'ca: at most 2' ns add a --net-id 000013 --ca={1,2,3} --subject s
check 2 'basic-file and --certificate cannot both' ns add a --net-id 000013 --basic-file - \
	--certificate f --certificate -
check 2 'certificate and --ca cannot both' ns add a --net-id 000013 --certificate - --ca - \
	--subject s
check 2 'unknown option --app-s-key-in-clear' ns add a --net-id 000013 --token --app-s-key-in-clear
check 2 'nothing to change' ns set a
check 2 'nothing to change' as set a
check 2 'ns NAME or --as NAME is missing' kek add --kek-label l --kek-file f
check 2 'ns NAME or --as NAME is missing' kek list --ns ''
check 2 'ns or --as, once' kek list --ns a --as a
check 2 'kek-label is missing' kek add --ns a --kek-file f
check 2 'kek-label is missing' kek retire --as a
check 2 'kek-label is missing' kek retire --as a --kek-label ''
check 2 'kek-file is missing' kek add --ns a --kek-label l
check 2 'unknown option --force' kek add --ns a --kek-label l --kek-file f --force
check 2 'a: not expected' kek list --ns a a
check 2 'needs a value' ns add a --print-config
check 2 'print-config: one of chirpstack, tts' ns show a --print-config chirp
check 2 'exclude each other' ns show a --print-config tts --json
check 2 'url needs --print-config' ns add a --net-id 000013 --token --url https://a/
check 2 'url: write https' ns add a --net-id 000013 --token --print-config tts --url js.example
check 2 'unknown option --print-config' as show a --print-config tts
check 2 'unknown option --print-config' as add a --print-config tts
check 2 'key go together' ns test a --key f
check 2 'at a time' ns test a --token-file f --basic-file f

check 1 "$unreachable" status
check 1 "$unreachable" device list
check 1 "$unreachable" device show $eui
check 1 "$unreachable" ns add a --net-id 000013 --token
check 1 "$unreachable" kek list --ns a
check 1 "$unreachable" kek retire --ns a --kek-label l --force
check 1 "$unreachable" ns set a --token-file ''
check 1 "$unreachable" ns set a --certificate '' --subject '' --answer-url ''
check 1 "$unreachable" events --follow
check 1 "$unreachable" intake certificate

# Files are looked at before anybody is asked.
check 1 'No such file' device import "$folder/absent.csv"
check 1 'a directory' device import "$folder"
printf 'join_eui,dev_eui,lorawan_version,app_key\n%s,%s,1.0.3,00\n' $eui $eui >"$folder/bad.csv"
check 1 'bad.csv:2: column app_key: 2 hexadecimal digits' device import "$folder/bad.csv"
check 1 '1 of 1 rows refused; nothing was added' device import "$folder/bad.csv"
check 1 'others may read it' device import "$folder/bad.csv"
printf 'abcdefghijklmnopqrstuvwxyz\n' >"$folder/token"
chmod 644 "$folder/token"
check 1 'token: open to others' ns add a --net-id 000013 --token-file "$folder/token"
chmod 600 "$folder/token"
check 1 "$unreachable" ns add a --net-id 000013 --token-file "$folder/token"
check 1 '32, 48 or 64 hexadecimal digits' ns add a --net-id 000013 --token --kek-label l \
	--kek-file "$folder/token"
check 1 '32, 48 or 64 hexadecimal digits' kek add --as a --kek-label l --kek-file "$folder/token"
: >"$folder/empty"
chmod 600 "$folder/empty"
check 1 'a token has 16 to' ns add a --net-id 000013 --token-file "$folder/empty"
check 1 'not a regular file' ns add a --net-id 000013 --token-file /dev/null
check 1 'column app_key\|app_key is empty' device add --dev-eui $eui --join-eui $eui \
	--lorawan-version 1.0.3

# What simulate reads and writes; nothing is sent.
printf 'app_key=00112233445566778899aabbccddeeff\n' >"$folder/keys"
one="--url http://127.0.0.1:1/ --dev-eui $eui --join-eui $eui --lorawan-version 1.0.4 --net-id 000013
	--keys $folder/keys --print-request"
# shellcheck disable=SC2086
{
	check 0 '"RxDelay":10}' simulate $one --dev-nonce 0x10 --rx-delay 010
	check 0 '"PHYPayload":"00................................1000........"' simulate $one --dev-nonce 0x10
	check 0 '"PHYPayload":"00................................0a00........"' simulate $one --dev-nonce 010
	check 2 'dev-nonce 0x: a number' simulate $one --dev-nonce 0x
	check 2 'rx-delay 0x10: a number from 0 to 15' simulate $one --rx-delay 0x10
	# The new state goes into a file of its own, whatever is there under its name.
	echo precious >"$folder/victim"
	ln -s victim "$folder/state.new"
	check 0 '"RxDelay":5}' simulate $one --state "$folder/state"
	check 0 '"PHYPayload":"00................................0200........"' simulate $one --state "$folder/state"
	if [ "$(cat "$folder/victim")" != precious ] || [ -L "$folder/state" ] ||
		[ "$(stat -c %a "$folder/state")" != 600 ]; then
		echo 'a state was written through a link'
		failed=1
	fi
	# A disk that is full leaves the old state, and nothing else.
	before=$(cat "$folder/state")
	said=$(trap '' XFSZ; ulimit -f 0
		"$keyward" simulate $one --state "$folder/state" 2>&1 >/dev/null </dev/null)
	if [[ $said != *state.new:\ File\ too\ large* ]] || [ "$(cat "$folder/state")" != "$before" ] ||
		[ -e "$folder/state.new" ]; then
		echo "a full disk: $said"
		ls -l "$folder"
		failed=1
	fi
}

# A mistyped configuration is said, an absent one of one's own too.
printf '[admin]\nsokcet = x\n' >"$folder/keyward.conf"
check 1 'keyward.conf:2' status
rm "$folder/keyward.conf"
check 1 'keyward.conf' status

# A reader that goes away ends it quietly.
"$keyward" --help 2>"$folder/out" | true
if [ -s "$folder/out" ]; then
	echo 'a broken pipe is not quiet'
	failed=1
fi
exit $failed
