"""The Salesforce org as simple-salesforce is told of it."""

from urllib.parse import urlsplit, urlunsplit

from requests import Session
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

from checks import TIMEOUT, given

URL = given("SALESFORCE_URL")
VERSION = "60.0"


class Door(HTTPAdapter):
    """Stands for the name service and the end of TLS in front of the simulator.

    The client only knows https://<domain>.salesforce.com; the simulator speaks plain HTTP on a port of this machine.
    """

    def send(self, request, **options):
        request.url = urlunsplit(urlsplit(URL)[:2] + urlsplit(request.url)[2:])
        options["timeout"] = options.get("timeout") or TIMEOUT
        return super().send(request, **options)


def session():
    """A session of requests whose addresses lead to the simulator."""
    opened = Session()
    opened.mount("https://", Door())
    return opened


def sign_in(**changed):
    """Signs in with the client credentials flow of a My Domain."""
    options = {
        "consumer_key": given("SALESFORCE_CLIENT_ID"),
        "consumer_secret": given("SALESFORCE_CLIENT_SECRET"),
        "domain": "acme.my",
        "version": VERSION,
        "session": session(),
    }
    return Salesforce(**{**options, **changed})
