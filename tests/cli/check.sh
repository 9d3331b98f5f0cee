# A folder with a configuration, and check: for tests of the command line without a daemon. Sourced;
# $keyward is the executable.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
printf '[admin]\nsocket = %s/admin.sock\n' "$folder" >"$folder/keyward.conf"

# check STATUS PATTERN ARGUMENT...: exit status, and words in what is printed
check() {
	local want=$1 pattern=$2 status
	shift 2
	"$keyward" -c "$folder/keyward.conf" "$@" >"$folder/out" 2>&1 </dev/null
	status=$?
	if [ "$status" != "$want" ] || ! grep -q -e "$pattern" "$folder/out"; then
		echo "keyward $*: status $status instead of $want, or not \"$pattern\" in:"
		cat "$folder/out"
		failed=1
	fi
}

# shellcheck disable=SC2034
unreachable='cannot reach keywardd at .*/admin.sock: .*is it running'
