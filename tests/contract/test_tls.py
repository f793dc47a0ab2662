"""Certificates, checked with a real TLS server of our own: which CA is trusted, and who we say we are."""

import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_flinksql.clients.auth import Auth
from airflow_provider_flinksql.clients.http import SyncIO, request, run_sync
from airflow_provider_flinksql.errors import FlinkSqlError, Misconfigured


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def issued(name, folder, issuer=None):
    """A certificate and its key, signed by ``issuer`` or by itself; the files are <name>.pem and <name>.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by_name, by_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(by_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(private)
    return subject, key


@pytest.fixture
def papers(tmp_path):
    authority = issued("ca", tmp_path)
    issued("server", tmp_path, authority)
    issued("client", tmp_path, authority)
    return tmp_path


@pytest.fixture(params=[False, True], ids=["tls", "mtls"])
def server(request, papers):
    """Its URL, and whether it wants a certificate of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers / "server.pem", papers / "server.key")
    if request.param:
        context.load_verify_locations(papers / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    with HTTPServer(("127.0.0.1", 0), Hello) as http:
        http.handle_error = lambda *_: None  # a refused handshake is what some tests are about
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"https://127.0.0.1:{http.server_port}", request.param
        http.shutdown()
        thread.join()


def ask(url, **settings):
    with SyncIO(url, **settings) as io:
        return run_sync(request(io, "GET", "/", server="Flink JobManager"))


def test_a_ca_of_our_own_is_trusted_and_a_certificate_shown_where_wanted(server, papers):
    url, wanted = server
    ours = {"auth": "mtls", "cert": f"{papers}/client.pem", "key": f"{papers}/client.key"} if wanted else {}
    assert ask(url, verify=f"{papers}/ca.pem", auth=Auth.from_settings(ours)) == {}
    assert ask(url, verify=False, auth=Auth.from_settings(ours)) == {}


def test_an_unknown_ca_is_refused_at_once_with_what_to_check(server):
    with pytest.raises(Misconfigured, match=r"CERTIFICATE_VERIFY_FAILED.*the CA in verify"):
        ask(server[0])


def test_without_the_wanted_certificate_there_is_no_answer(server, papers):
    url, wanted = server
    if not wanted:
        assert ask(url, verify=f"{papers}/ca.pem") == {}
        return
    with pytest.raises(FlinkSqlError, match="Check"):
        ask(url, verify=f"{papers}/ca.pem")


def test_a_key_that_is_not_the_certificates_is_a_wrong_setting(papers):
    with pytest.raises(Misconfigured, match="certificate, key or CA"):
        SyncIO("https://127.0.0.1", auth=Auth(kind="mtls", cert=f"{papers}/client.pem", key=f"{papers}/ca.key"))
