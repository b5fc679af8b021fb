"""Host names for a script under test: TEST_HOSTS maps each name to its addresses, none for a name DNS does not know.

Every TLS context starts as strict as the newest Python's, so that the oldest one shows what the newest refuses.
"""

import json
import os
import socket
import ssl

hosts = json.loads(os.environ.get("TEST_HOSTS", "{}"))
resolve = socket.getaddrinfo


def getaddrinfo(host, *arguments, **options):
    if host not in hosts:
        return resolve(host, *arguments, **options)
    if not hosts[host]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [answer for address in hosts[host] for answer in resolve(address, *arguments, **options)]


socket.getaddrinfo = getaddrinfo

make = ssl.SSLContext.__new__


def strict(cls, *arguments, **options):
    context = make(cls, *arguments, **options)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


ssl.SSLContext.__new__ = staticmethod(strict)
