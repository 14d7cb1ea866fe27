"""kazoo over TLS and with SASL DIGEST-MD5 against a coordination server: ends with 'all good' or a traceback.

python3 kazoo_secured.py PLAIN SECURE FOLDER
  PLAIN, SECURE  host:port without TLS and with it; SASL users alice and bob have the password 'secret'
  FOLDER         client.pem (certificate of CN=client), client.key, stranger.pem, stranger.key, ca.pem
"""
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, ConnectionClosedError, NoAuthError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

plain, secure, folder = sys.argv[1:]


def tls(name):
    return {
        "hosts": secure,
        "use_ssl": True,
        "verify_certs": True,
        "ca": f"{folder}/ca.pem",
        **({"certfile": f"{folder}/{name}.pem", "keyfile": f"{folder}/{name}.key"} if name else {}),
    }


def sasl(user, password="secret"):
    return {"sasl_options": {"mechanism": "DIGEST-MD5", "username": user, "password": password}}


def started(limit=15, **options):
    client = KazooClient(timeout=6.0, connection_retry=KazooRetry(max_tries=1), **options)
    client.start(timeout=limit)
    return client


def tried(**options):
    # what does not get in at once does not get in: it is tried once
    return started(limit=3, **options)


def refused(error, attempt):
    try:
        attempt()
    except error:
        return
    raise SystemExit(f"{error} was expected")


def ended(*clients):
    for client in clients:
        client.stop()
        client.close()


# a certificate is somebody
certified = started(**tls("client"))
certified.create("/of-client", b"1", acl=[make_acl("x509", "CN=client", all=True)])
assert certified.get("/of-client")[0] == b"1"
certified.create("/ephemeral", b"", ephemeral=True)

# without TLS, without a certificate, with one of another authority
refused((KazooTimeoutError, AuthFailedError), lambda: tried(hosts=secure))
refused((KazooTimeoutError, AuthFailedError), lambda: tried(**tls(None)))
refused((KazooTimeoutError, AuthFailedError), lambda: tried(**tls("stranger")))

# a SASL user is somebody, and what is his nobody else may read
alice = started(hosts=plain, **sasl("alice"))
alice.create("/of-alice", b"2", acl=[make_acl("sasl", "alice", all=True)])
assert alice.get("/of-alice")[0] == b"2"
bob, nobody = started(hosts=plain, **sasl("bob")), started(hosts=plain)
refused(NoAuthError, lambda: bob.get("/of-alice"))
refused(NoAuthError, lambda: nobody.set("/of-alice", b"3"))
refused(NoAuthError, lambda: nobody.get("/of-client"))
# kazoo may think itself connected until it hears that it is not believed
for who in (sasl("alice", "wrong"), sasl("carol")):
    refused(
        (AuthFailedError, KazooTimeoutError, ConnectionClosedError),
        lambda: tried(hosts=plain, **who).get("/of-alice"),
    )

# both at once
both = started(**tls("client"), **sasl("alice"))
assert both.get("/of-client")[0] == b"1" and both.get("/of-alice")[0] == b"2"
assert both.exists("/ephemeral").ephemeralOwner == certified.client_id[0]
ended(certified)
assert both.exists("/ephemeral") is None
both.delete("/of-client")
both.delete("/of-alice")
ended(alice, bob, nobody, both)
print("all good")
