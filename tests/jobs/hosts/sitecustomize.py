"""Host names for a script under test: TEST_HOSTS maps each name to its addresses, none for a name DNS does not know."""

import json
import os
import socket

hosts = json.loads(os.environ.get("TEST_HOSTS", "{}"))
resolve = socket.getaddrinfo


def getaddrinfo(host, *arguments, **options):
    if host not in hosts:
        return resolve(host, *arguments, **options)
    if not hosts[host]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [answer for address in hosts[host] for answer in resolve(address, *arguments, **options)]


socket.getaddrinfo = getaddrinfo
