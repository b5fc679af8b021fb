"""Host names for a script under test: TEST_HOSTS maps each name to its addresses, none for a name DNS does not know.

A script looks again after a tenth of a second, so that a test which changes something need not wait.
TEST_RIGHTS_GRACE is for how many seconds it takes a missing right for one on its way. Every TLS context starts as
strict as the newest Python's, so that the oldest one shows what the newest refuses.
"""

import json
import os
import socket
import ssl
import time

hosts = json.loads(os.environ.get("TEST_HOSTS", "{}"))
resolve = socket.getaddrinfo


def getaddrinfo(host, *arguments, **options):
    if host not in hosts:
        return resolve(host, *arguments, **options)
    if not hosts[host]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [answer for address in hosts[host] for answer in resolve(address, *arguments, **options)]


socket.getaddrinfo = getaddrinfo

sleep = time.sleep


def soon(seconds):
    sleep(min(seconds, 0.1))


time.sleep = soon

make = ssl.SSLContext.__new__


def strict(cls, *arguments, **options):
    context = make(cls, *arguments, **options)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


ssl.SSLContext.__new__ = staticmethod(strict)

if grace := os.environ.get("TEST_RIGHTS_GRACE"):
    import kube

    kube.RIGHTS_GRACE_SECONDS = float(grace)
