#!/usr/bin/python3
"""A Python program that sends each server the certificate it will accept.

    select.py "host=db.example.com dbname=postgres user=alice" ~/certs

psycopg is built on libpq, so sslcert and sslkey are all that it needs to be
told, and pgcertsel tells them.
"""
import json
import subprocess
import sys

import psycopg2


def choose(conninfo, bundle):
    """The certificate's parameters, to be added to those of conninfo.

    Where no certificate fits they say "send nothing", and what pgcertsel has
    to say about it goes to stderr.  The key's password, if it needs one,
    comes through the pipe as well.
    """
    output = subprocess.run(
        ["pgcertsel", "select", conninfo, "--bundle", bundle,
         "--format=json", "--show-password"],
        stdout=subprocess.PIPE, check=False).stdout
    choice = json.loads(output)
    if "sslcert_hex" in choice or "sslkey_hex" in choice:
        sys.exit("the path of the certificate or its key is not UTF-8")
    return {name: choice[name] for name in ("sslcert", "sslkey", "sslpassword")
            if choice.get(name) is not None}


def main():
    """Connects, and says as whom."""
    if len(sys.argv) != 3:
        sys.exit("usage: select.py CONNINFO DIRECTORY")
    conninfo, bundle = sys.argv[1:]
    try:
        connection = psycopg2.connect(conninfo, **choose(conninfo, bundle))
    except psycopg2.OperationalError as error:
        sys.exit(str(error).strip())
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, client_dn FROM pg_stat_ssl"
                       " WHERE pid = pg_backend_pid()")
        print("%s sent %s" % cursor.fetchone())
    connection.close()


if __name__ == "__main__":
    main()
