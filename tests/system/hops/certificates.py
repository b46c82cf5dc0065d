"""A certification authority of a test's own, and certificates of every kind of trouble, made by openssl."""
import os
import subprocess

HOST = "mx.hop.example"
KINDS = {
    # name: (subject alternative names, when it begins and ends)
    "good": (f"DNS:{HOST},DNS:hop.example,IP:127.0.0.1", None),
    "other": ("DNS:other.example", None),
    "expired": (f"DNS:{HOST},DNS:hop.example,IP:127.0.0.1", ("20200101000000Z", "20200201000000Z")),
    "wild": ("DNS:*.hop.example", None),
}


def openssl(*arguments, cwd):
    done = subprocess.run(["openssl", *arguments], cwd=cwd, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout.decode()


class Authority:
    """Made in DIRECTORY: ca.pem, and KIND.pem (key and chain) for each of KINDS, and self.pem, which signs itself."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self._authority("ca", "Hops' authority")
        self._authority("stranger", "Nobody's authority")
        for kind in KINDS:
            self._leaf(kind, "ca", *KINDS[kind])
        self._leaf("untrusted", "stranger", *KINDS["good"])
        self._authority("self", HOST)
        own = open(self.file("self.pem")).read()
        with open(self.file("self.pem"), "w") as f:
            f.write(open(self.file("self.key")).read() + own)

    def file(self, name):
        return os.path.join(self.dir, name)

    @property
    def ca(self):
        return self.file("ca.pem")

    def chain(self, kind):
        return self.file(kind + ".pem")

    def fingerprint(self, kind, digest="sha256"):
        """As smtp_tls_fingerprint_cert_match takes it."""
        text = openssl("x509", "-in", kind + ".pem", "-noout", "-fingerprint", "-" + digest, cwd=self.dir)
        return text.strip().partition("=")[2]

    def _key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name + ".key", cwd=self.dir)

    def _authority(self, name, subject):
        self._key(name)
        openssl("req", "-x509", "-new", "-key", name + ".key", "-subj", f"/CN={subject}", "-days", "3650", "-out",
                name + ".pem", "-addext", "basicConstraints=critical,CA:TRUE", cwd=self.dir)

    def _leaf(self, name, signer, names, times):
        self._key(name)
        openssl("req", "-new", "-key", name + ".key", "-subj", f"/CN={HOST}", "-out", name + ".csr", cwd=self.dir)
        config = f"""[ca]
default_ca = d
[d]
database = {self.dir}/{name}.index
new_certs_dir = {self.dir}
rand_serial = yes
default_md = sha256
policy = p
x509_extensions = x
[p]
commonName = supplied
[x]
subjectAltName = {names}
"""
        for end, text in ((".cnf", config), (".index", "")):
            with open(self.file(name + end), "w") as f:
                f.write(text)
        dates = ["-startdate", times[0], "-enddate", times[1]] if times else ["-days", "3650"]
        openssl("ca", "-batch", "-notext", "-config", name + ".cnf", "-cert", signer + ".pem", "-keyfile",
                signer + ".key", "-in", name + ".csr", "-out", name + ".crt", *dates, cwd=self.dir)
        with open(self.file(name + ".pem"), "w") as f:
            for part in (name + ".key", name + ".crt", signer + ".pem"):
                f.write(open(self.file(part)).read())
