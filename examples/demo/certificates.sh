# certificates.sh - the certificates, by the openssl command.
#
# The commands are those of two published procedures, one for several client
# certificates and one for certificates with subjectAltName and
# extendedKeyUsage.  They are older than today's openssl, which gives a CA no
# basicConstraints unless it is told to: hence openssl.cnf.
#
# shellcheck shell=bash disable=SC2016

ido=/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV

act_certificates()
{
	title "Certificates"

	about "Two CAs of a customer, and a client certificate from each; the second key is encrypted"
	openssl_config
	run "mkdir -p ca certs tls demoCA/newcerts; touch demoCA/index.txt; echo 01 > demoCA/serial"
	root_ca rootCA1
	root_ca rootCA2
	request certs/client1 "$ido/CN=client1"
	sign rootCA1 certs/client1
	run "openssl genrsa -aes256 -passout pass:password -out certs/client2.key 2048"
	run "openssl req -new -config openssl.cnf -key certs/client2.key -passin pass:password -subj $ido/CN=client2 -out client2.csr"
	run "openssl ca -config openssl.cnf -extensions client -batch -notext -days 365 -keyfile ca/rootCA2.key -cert ca/rootCA2.crt -out certs/client2.crt -infiles client2.csr"

	about "A company's root, its server certificate with SAN and serverAuth, and a client of its intermediate"
	run "openssl req -new -x509 -nodes -config openssl.cnf -extensions v3_ca -days 365 -subj '/CN=Your Company Root CA' -keyout ca/company.key -out ca/company.crt"
	run "openssl req -new -nodes -config openssl.cnf -subj /CN=localhost -keyout tls/server.key -out server.csr"
	run "openssl x509 -req -in server.csr -days 365 -CA ca/company.crt -CAkey ca/company.key -CAcreateserial -extfile openssl.cnf -extensions server -out tls/server.crt"
	run "openssl req -new -nodes -config openssl.cnf -subj '/CN=Your Company Client CA' -keyout ca/client_ca.key -out client_ca.csr"
	run "openssl x509 -req -in client_ca.csr -days 365 -CA ca/company.crt -CAkey ca/company.key -CAcreateserial -extfile openssl.cnf -extensions v3_ca -out ca/client_ca.crt"
	run "openssl req -new -nodes -config openssl.cnf -subj /CN=user1 -keyout certs/client.key -out client.csr"
	run "openssl x509 -req -in client.csr -days 365 -CA ca/client_ca.crt -CAkey ca/client_ca.key -CAcreateserial -extfile openssl.cnf -extensions client -out client.crt"
	run "cat client.crt ca/client_ca.crt > certs/client+client_ca.crt"

	about "The bundle of our client: three certificates of three CAs"
	show 'for f in certs/*.crt; do openssl x509 -in $f -noout -subject -issuer -ext extendedKeyUsage -nameopt RFC2253; done'
	want "issuer=CN=rootCA1,OU=DEV" "issuer=CN=rootCA2,OU=DEV" \
		"issuer=CN=Your Company Client CA" "TLS Web Client Authentication"
}

openssl_config()
{
	cat >openssl.cnf <<'CONFIG'
[ca]
default_ca = demo
[demo]
dir = ./demoCA
database = $dir/index.txt
new_certs_dir = $dir/newcerts
serial = $dir/serial
default_md = sha256
policy = any
unique_subject = no
[any]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[req]
distinguished_name = none
[none]
[v3_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[client]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[server]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
CONFIG
}

# root_ca NAME: a CA that signs itself.
root_ca()
{
	run "openssl req -new -nodes -config openssl.cnf -subj $ido/CN=$1 -keyout ca/$1.key -out $1.csr"
	run "openssl x509 -req -in $1.csr -days 3650 -extfile openssl.cnf -extensions v3_ca -signkey ca/$1.key -out ca/$1.crt"
}

# request FILE SUBJECT: a key, FILE.key, and a request for a certificate.
request()
{
	run "openssl req -new -nodes -config openssl.cnf -subj $2 -keyout $1.key -out $(basename "$1").csr"
}

# sign CA FILE [EXTENSIONS]: what the CA makes of it, FILE.crt.
sign()
{
	run "openssl ca -config openssl.cnf -extensions ${3:-client} -batch -notext -days 365 -keyfile ca/$1.key -cert ca/$1.crt -out $2.crt -infiles $(basename "$2").csr"
}
