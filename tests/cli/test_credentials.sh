#!/bin/bash
# How a peer shows who it is: files with passwords and certificates, looked at before anybody is asked.
# $1: the keyward executable
set -u
keyward=$1
# shellcheck source=check.sh
. "$(dirname "$0")/check.sh"

# secret TEXT: a file of mode 0600
secret() {
	rm -f "$folder/secret"
	(umask 077 && printf "$1" >"$folder/secret")
}
secret 'Basic cGFzcw==\n'
check 1 "$unreachable" ns add a --net-id 000013 --authorization-file "$folder/secret"
chmod 640 "$folder/secret"
check 1 'secret: open to others.*chmod 600' ns add a --net-id 000013 --authorization-file \
	"$folder/secret"
check 1 'secret: open to others.*chmod 600' ns add a --net-id 000013 --basic-file "$folder/secret"
secret 'Authorization: Basic cGFzcw==\n'
check 1 'leave "Authorization:" out' ns add a --net-id 000013 --authorization-file "$folder/secret"
secret 'Basic a\nBasic b\n'
check 1 'one line' ns add a --net-id 000013 --authorization-file "$folder/secret"
secret 'Basic a\0b\n'
check 1 'one line' ns add a --net-id 000013 --authorization-file "$folder/secret"
secret 'Basic a\001b\n'
check 1 'control character' ns add a --net-id 000013 --authorization-file "$folder/secret"
secret '\n'
check 1 'secret: empty' ns add a --net-id 000013 --authorization-file "$folder/secret"
secret 'secretword\n'
check 1 'warning.*begins with its scheme' ns add a --net-id 000013 --authorization-file \
	"$folder/secret"
if grep -q secretword "$folder/out"; then
	echo 'a secret is in an error text'
	failed=1
fi
secret 'Bearer 0123456789abcdef\n'
check 1 'holds a bearer token; leave --token' ns add a --net-id 000013 --token \
	--authorization-file "$folder/secret"
check 1 "$unreachable" ns add a --net-id 000013 --authorization-file "$folder/secret"
for line in user user: :password ''; do
	secret "$line"
	check 1 'USER:PASSWORD' ns add a --net-id 000013 --basic-file "$folder/secret"
done
secret "user:$(printf '%01020d' 0)"
check 1 'longer than 1024' ns add a --net-id 000013 --basic-file "$folder/secret"
secret 'user:password\n'
check 1 "$unreachable" ns add a --net-id 000013 --basic-file "$folder/secret"

# Certificates. make NAME EXTENSION: $folder/NAME.pem and NAME.key
make() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 40 \
		-subj "/CN=$1" -addext "$2" -keyout "$folder/$1.key" -out "$folder/$1.pem" \
		2>/dev/null || exit 1
}
make leaf basicConstraints=critical,CA:FALSE
make ca basicConstraints=critical,CA:TRUE
openssl x509 -in "$folder/leaf.pem" -signkey "$folder/leaf.key" -days -1 -out "$folder/ended.pem" ||
	exit 1
sha256=$(openssl x509 -in "$folder/leaf.pem" -outform DER | sha256sum | cut -d ' ' -f 1)
check 1 "certificate .*leaf.pem: SHA-256 $sha256, ends 20[0-9-]*T[0-9:]*Z" \
	ns add a --net-id 000013 --certificate "$folder/leaf.pem"
check 1 "$unreachable" ns add a --net-id 000013 --certificate "$folder/leaf.pem"
# Of a chain the first one counts.
cat "$folder/leaf.pem" "$folder/ca.pem" >"$folder/chain.pem"
check 1 "SHA-256 $sha256" ns set a --certificate "$folder/chain.pem"
check 1 'chain.pem: 2 certificates' ns set a --ca "$folder/chain.pem" --subject s
check 1 'tls_client_ca' ns set a --ca "$folder/ca.pem" --subject s
check 1 'leaf.pem: not the certificate of a CA' ns set a --ca "$folder/leaf.pem" --subject s
check 1 'ended.pem: the certificate has ended (20' ns set a --certificate "$folder/ended.pem"
check 1 'leaf.key: holds a private key' ns set a --certificate "$folder/leaf.key"
check 1 'leaf.key: no certificate in PEM' ns set a --certificate "$folder/leaf.key"
cat "$folder/leaf.key" "$folder/leaf.pem" >"$folder/both.pem"
check 1 'warning: .*both.pem: holds a private key' ns set a --certificate "$folder/both.pem"
check 1 "SHA-256 $sha256" ns set a --certificate "$folder/both.pem"
openssl x509 -in "$folder/leaf.pem" -outform DER -out "$folder/leaf.der"
check 1 'no certificate in PEM.*inform DER' ns set a --certificate "$folder/leaf.der"
printf -- '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n' >"$folder/bad.pem"
check 1 'bad.pem: not a well-formed certificate' ns set a --certificate "$folder/bad.pem"
check 1 'No such file' ns set a --certificate "$folder/absent.pem"
exit "$failed"
