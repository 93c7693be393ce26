"""Where agents may be, and that what was checked is what is connected to."""

import datetime
import socket

import httpx
import pytest
from chat.refusing import code
from chat.scripted import Endpoint, answer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from phoenix_sessions.contrib.chat.agents.targets import TargetRefused, check_url, is_public
from phoenix_sessions.contrib.chat.agents.threads import Threads
from phoenix_sessions.contrib.chat.agents.transport import CheckedTransport
from phoenix_sessions.contrib.chat.errors import ChatError

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_of_the_public_internet_are_none_of_an_agent(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808"]
)
def test_public_addresses_may_be_an_agents(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://agent.example/", "file:///etc/passwd", "gopher://agent.example/", "agent.example", "", "http://",
        "//x/y",        "https://user:password@agent.example/", "https://user@agent.example/", "http://localhost/", "http://LOCALHOST./",
        "http://127.0.0.1:8000/", "http://[::1]/", "http://[::ffff:169.254.169.254]/", "http://169.254.169.254/latest",
        "http://agent.example:99999/", "http://\0/", "https://[fe80::1]/",
        "http://2130706433/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://127.1/", "http://127.0.0.1./",
        "http://agent.localhost/",
    ],
)  # fmt: skip
def test_a_url_that_is_none_of_an_agent_is_invalid(url):
    assert code(check_url, url) == "invalid"


@pytest.mark.parametrize("url", ["https://agent.example/hook?a=b", "http://agent.example:8080/", "https://8.8.8.8/"])
def test_a_url_of_an_agent_is_taken(url):
    assert check_url(url) is None


def test_a_site_may_allow_private_addresses_but_no_passwords(settings):
    settings.PHOENIX_SESSIONS_CHAT = {"ALLOW_PRIVATE_WEBHOOKS": True}
    assert check_url("http://localhost:8000/") is None
    with pytest.raises(ChatError, match="password"):
        check_url("http://user:password@localhost/")


@pytest.fixture
def resolver(monkeypatch):
    """Says what names mean: each time the next of the answers."""
    asked = []

    def install(*answers):
        left = list(answers)

        def look_up(host, port, *args, **kwargs):
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return install


@pytest.fixture
async def client():
    """What webhooks are sent with."""
    async with httpx.AsyncClient(transport=CheckedTransport(4, Threads("test", 4)), trust_env=False) as client:
        yield client


@pytest.fixture
def endpoint():
    """An endpoint that is on loopback."""
    with Endpoint() as endpoint:
        endpoint.script = [answer(204)]
        yield endpoint


@pytest.fixture
def private(settings):
    settings.PHOENIX_SESSIONS_CHAT = {"ALLOW_PRIVATE_WEBHOOKS": True}


async def test_the_name_is_looked_up_once_and_told_to_the_endpoint(client, endpoint, resolver, private):
    asked = resolver(["127.0.0.1"])
    url = f"http://agent.example:{endpoint.server_port}/hook?a=b"
    response = await client.post(url, json={})
    assert (response.status_code, asked) == (204, ["agent.example"])
    assert endpoint.requests[0].headers["Host"] == f"agent.example:{endpoint.server_port}"
    assert endpoint.requests[0].path == "/hook?a=b"


async def test_a_name_that_means_this_machine_is_refused(client, endpoint, resolver):
    resolver(["127.0.0.1"])
    with pytest.raises(TargetRefused):
        await client.post(f"http://agent.example:{endpoint.server_port}/", json={})
    assert endpoint.requests == []


async def test_a_name_is_as_good_as_the_worst_of_its_addresses(client, endpoint, resolver):
    resolver(["8.8.8.8", "127.0.0.1"])
    with pytest.raises(TargetRefused):
        await client.post(f"http://agent.example:{endpoint.server_port}/", json={})


async def test_a_name_that_means_something_else_a_moment_later_changes_nothing(client, endpoint, resolver):
    """The address that was checked cannot be connected to here; that of the second answer is not asked for."""
    asked = resolver(["192.88.99.1"], ["127.0.0.1"])
    with pytest.raises(httpx.TransportError):
        await client.post(f"http://agent.example:{endpoint.server_port}/", json={}, timeout=0.2)
    assert asked == ["agent.example"]
    assert endpoint.requests == []


async def test_the_next_address_is_tried_if_one_cannot_be_connected_to(client, endpoint, resolver, private):
    resolver(["127.0.0.2", "127.0.0.1"])
    response = await client.post(f"http://agent.example:{endpoint.server_port}/", json={})
    assert response.status_code == 204


async def test_a_name_that_is_not_known_is_a_connection_error(client, monkeypatch):
    def look_up(*args, **kwargs):
        raise socket.gaierror("not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(httpx.ConnectError, match=r"agent\.example"):
        await client.post("https://agent.example/", json={})


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """That of agent.example, which the environment says is good."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.DNSName("agent.example")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + datetime.timedelta(days=2))
    signed = builder.add_extension(names, critical=True).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


@pytest.mark.parametrize(("name", "good"), [("agent.example", True), ("other.example", False)])
async def test_a_certificate_is_checked_against_the_name_though_the_address_is_connected_to(
    certificate, resolver, private, name, good
):
    resolver(["127.0.0.1"])
    with Endpoint(certificate) as endpoint:
        endpoint.script = [answer(204)]
        async with httpx.AsyncClient(transport=CheckedTransport(4, Threads("test", 4)), trust_env=False) as client:
            sending = client.post(f"https://{name}:{endpoint.server_port}/", json={})
            if good:
                assert (await sending).status_code == 204
            else:
                with pytest.raises(httpx.ConnectError, match="certificate"):
                    await sending
