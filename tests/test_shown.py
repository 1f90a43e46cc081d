"""What others wrote is shown and never obeyed, and no address shows its secret: each place where people read, with nasty words."""

import json
import re
from html import unescape
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mlbot.errors import InputError, MlbotError, inert, is_secret_name, refuse_secrets, secrets_in, shown, without_secrets

ODD = st.text(st.sampled_from("abcXYZ059:/?#@&=%+.~$'\"!*(),;-_ äß€"), min_size=1, max_size=12)
WORD = st.text(st.sampled_from("abcdefgh"), min_size=1, max_size=6)
TELLING = st.sampled_from(["password", "token", "sig", "key", "secret", "sas", "X-Amz-Signature", "api_key", "p%61ssword"])


def hides(text: str, password: str) -> bool:
    """Whether a marked password is gone from a text, as it stands and percent-encoded."""
    return not any(f"zq{secret}zq" in text for secret in (password, quote(password), quote(password, safe="")))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["postgresql", "postgresql+psycopg", "https", "s3", "sqlite", "amqp"]), WORD, ODD, WORD, st.booleans())
@example("postgresql", "user", "pa/ss", "host", False)
def test_a_password_before_the_host_is_hidden_whatever_characters_it_has(scheme, user, odd, host, encoded):
    """`user:pa/ss@host`, encoded or not, alone and in a sentence; scheme, user and host stay."""
    written = f"zq{quote(odd, safe='') if encoded else odd}zq"
    address = f"{scheme}://{user}:{written}@{host}/path"
    found = without_secrets(address)
    assert "zq" not in found and found == f"{scheme}://{user}:***@{host}/path"
    assert written in secrets_in(address) and f"zq{odd}zq" in secrets_in(address) + [written]
    assume(not set(written) & {" "})
    assert "zq" not in without_secrets(f"the log at {address} is gone")
    assert "zq" not in str(MlbotError(f"no answer from {address!r}", place=address))


@settings(max_examples=300, deadline=None)
@given(TELLING, ODD, st.sampled_from(["s3://bucket/x?{}", "https://h/x?a=1&{}&b=2", "https://h/x#{}", "AccountName=x;{};Suffix=y",
                                      "https://h/?next=https%3A%2F%2Fh%2F%3F{}"]))
def test_a_password_in_a_parameter_is_hidden_in_query_fragment_and_connection_string(name, odd, around):
    """`?password=`, `?token=`, `#access_token=`, `AccountKey=`; also in an address within an address."""
    nested = "%3A" in around
    pair = f"{name}=zq{quote(odd, safe='')}zq"
    found = without_secrets(around.format(quote(pair, safe="") if nested else pair))
    assert "zq" not in found and "***" in found


@pytest.mark.parametrize("address", ["https://ghp_0123456789abcdef@example.org/x", "https://a%3Ab%40host/", "x://u:zq@y?q=a@b",
                                     "jdbc:postgresql://h/d?user=a&password=b", "SharedAccessSignature=sv=1&sig=zz",
                                     "redis://:pw@host", "s3://AKIA:secret/x+y@bucket/data", "https://u:p@[::1]:80/"])
def test_an_address_with_a_secret_is_refused_where_it_would_be_kept(address):
    """The error names the setting and does not say the secret itself."""
    assert secrets_in(address)
    with pytest.raises(InputError, match="data holds a password or a key") as caught:
        refuse_secrets(address, "data")
    assert all(secret not in str(caught.value) for secret in secrets_in(address) if len(secret) > 2)


@pytest.mark.parametrize("address", ["", "runs", "s3://bucket/a:b/c", "abfss://box@account.dfs.core.windows.net/data", "sqlite:///x@y",
                                     "postgresql://ann@db/mlbot?sslmode=require&sslkey=/etc/key", "http://localhost:5000/#/runs/1",
                                     "http://[::1]:8000/x", "tcp://host:8786", "C:\\data", "a = b"])
def test_an_address_without_a_secret_is_as_it_was(address):
    """Containers, ports, login names and files of keys are no secrets."""
    assert without_secrets(address) == address and secrets_in(address) == [] and refuse_secrets(address, "x") is None


def test_names_that_tell_of_a_secret():
    """As accounts and libraries write them."""
    assert all(map(is_secret_name, "Password pwd PGPASSWORD access_token refreshToken sig X-Amz-Security-Token x-goog-signature "
                   "AWS_SECRET_ACCESS_KEY SharedAccessKey client_secret apikey AccountKey sas".split()))
    assert not any(map(is_secret_name, "user side text design config role".split()))
