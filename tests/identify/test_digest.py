"""Golden digests: what a value's digest is today it is in every release, or the key's schema number rises."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import itertools
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi_assets.errors import NotFingerprintable
from odibi_assets.identify.digest import Digest, encode, keyed_digest

GOLDEN = [
    ("None", "f09d9ec896c1d6605201d5d9b3b3731f7f3c4448de990da1616c5125f7476e2c"),
    ('""', "a7a2a190c714e5b121007086859b042ed180edb24561d2f75ad7c43a6c915ef3"),
    ("0", "6975c002f3e0f0baa04b39071d1e9f64e73897a14b86d084ce33cbd66ea78502"),
    ("1", "d81e2b8a63e143e1a8a2e3546e5c2697079044e03d92ea9a2f8d49edd2a44540"),
    ("-1", "81f170d662244170a35e99bbfafd61cc2ac8892551bbcbdb817480b474b4340e"),
    ("2**70", "6eaeae3e8e55e2a879113bdf683046116861a92ed904c4f380a1e82893a31b23"),
    ("True", "037eeb1ea202ed59a554c4feda985453c4ef064f08b4c7de91187aeec754f006"),
    ("False", "fa600dba8bed05ef43acd7a1396e22989418723fc397fd938e8e62cb4a90019d"),
    ("1.0", "68531bd5d2c24ed5beedd7e3cb2d0e31a8238e097b43eb64b666d344f5c54c63"),
    ("0.0", "079be0a0273260b0b2d22aa1cdfc92aeb10a3b48ec4057b2bd3fa2dadb58edb9"),
    ("-0.0", "5e2a7693d65e61c5f379381ae1ac11907409be848dfbfa6548437ed7d2459709"),
    ('float("nan")', "2b00eb8e5edc0c70f7c19e8cae799210a2fcfd610505c0dd5a911a1ef176c7b7"),
    ('-float("nan")', "2b00eb8e5edc0c70f7c19e8cae799210a2fcfd610505c0dd5a911a1ef176c7b7"),
    ('float("inf")', "82efd06316bf63324064efdf3dc8bbbbe6dc3dde64ee6cb977de4ac937284cda"),
    ("1j", "5592c264373836a5e43d18ed1c80cadf1b719ba63e38df9af75c44a32b4c51da"),
    ('"1"', "4485b1d86e38ab64d6f531a82fc3fe126d6c7e0820d82f1980214dd68141a32f"),
    ('"é"', "594d5c7080007560eed5eb5178cbaec22db2f14ee39b7b819de54162615c1c7c"),
    ('"\\ud800"', "16fe79974e23006a1917f7435c927eba06dcfef4881dbd4bede1f6f1e818c3d2"),
    ('b""', "3430c599599c56a166be85061edfd3f0bea00ba44434e36b50f83523911f52ff"),
    ('b"1"', "ba001ce8cecc237902dc2fc9c3323ae35a7d38b8c7d9043d38119a94f0b68c35"),
    ('bytearray(b"1")', "f7a7d3d1d13be82c3962fdf67c1be013e304b16e8622e52436ad1605c5ba442d"),
    ("[]", "2c978b1c66f98ad1e28fe5a12e995e40896155e569d719010802cf8e5bf51999"),
    ("[1]", "5780001481b54c28eb198d394eb7ada707655579232f49c4a72668dbea1c0da7"),
    ("[[1]]", "98e7524cad49df1a2a9072f545940d2a98893d263566981494936180fa977e17"),
    ("[1, 2]", "0ece781db3083be620e4a066e1ee7f83043b8903c19c6544372e9e6f61631d07"),
    ("[2, 1]", "a4f42d766c44a1a44a16ee949a30cb1313c2bd8c996dd12abc334f18114f431b"),
    ('["a", "b"]', "2b29519a78c27c7178a1cb4d981b32123784b2cef7930fa6b91f916e5abdccc1"),
    ('["ab"]', "e4afa827186019e47ecbbb856c3b7d1e82aaca56c3603748a5c7e24d4dad37d4"),
    ("()", "173b6a9ceb0463e836fa35447bc99466e759b03a3b005a30d17162d935e160b7"),
    ("(1,)", "8bc3fa385bbc623be729139c9ad613762a91ae646b06c0b6e9862ee185a08ace"),
    ("{}", "b46b0926ed21566be662c1e503b535d8fa7040c503f4496b5c70a183e9a09c52"),
    ('{"a": 1, "b": 2}', "911f8b584b4c94bc85ffe5f112c1f8ee3da5e93e377920ccd0d4fc8f9ad87821"),
    ('{"b": 2, "a": 1}', "f7724233bb040d6ee2bf98706956733880795cc4241fa2837418562fe0c56f2c"),
    ('{1: "x"}', "231aba70c6ed89ecbacfdd0e66579232d2b8fea3c7d8e7b07147f387a5e8b9b5"),
    ('{"1": "x"}', "018cddfae2d457faeda634985e7b85fee1cb61f0207431b67adaf41f2702f101"),
    ("set()", "e924cd8be0e4961eba3c78bd9a5f03da77773cbe978f648d94a6aedd16dad2d4"),
    ("{1, 2}", "01f11f50e493f514b9c121ed3d95dc4cb39969525e72fa90ab4d516d5e5da029"),
    ("frozenset({1, 2})", "280db59c513297a7e808f1509a5bb3982ac33b574f6700e61b6d3961d18f2ee1"),
    ("range(3)", "0f2a057ad1882228664213e8af8de68e6b25c649624b6d0540f1270e41632655"),
    ("range(0, 3, 2)", "20ec36f8237ddec31d8a1cfaa54a811519bb56f0ca76077818310a99f7c256d1"),
    ("slice(1, 2)", "52aa7ffc126158cbb475c8c8305ce57f4b82c1adaa5fd031f1a5a6a373f249af"),
    ("...", "0e313a3c080ae507ea73ab3e57411edf2e9c79136d486744875e52af12b79be8"),
    ("datetime.date(2013, 1, 1)", "6eb11e00cbd63fe5bf50f3713361b40b169725992a94fb35525ce5eb72c46328"),
    ("datetime.datetime(2013, 1, 1)", "1c35030e3e4db16e6b9f8f58bfbf10dda033a3fa3514a0a3b7f2fa518a0c3a13"),
    (
        "datetime.datetime(2013, 1, 1, tzinfo=datetime.timezone.utc)",
        "cfb5007b3f80012ec20f9a60512ac186f981c77eedbf7bbd6b1446a547cf57ac",
    ),
    ("datetime.time(1)", "bc199eaa962c2672023eb353e68f51111682fa058186066df05be8a141d5a5bf"),
    ("datetime.timedelta(1)", "577632c340700b47647b290ed9ced8ce666a46e4385e997d2cdd63101985ee8d"),
    ("datetime.timezone.utc", "bee2a58d4b2a4402b25ce6d3a13baac5ef59926be18d6789166374de5be96770"),
    ('decimal.Decimal("1")', "07fa6139f9a525c2e76dccd63c90c6c2c7f13f893d2d2ffd1362287af5b8fbb0"),
    ('decimal.Decimal("1.0")', "a8b58750672f0368d9abef3bbd509d39513023456790cd1e881ff493779b794f"),
    ("uuid.UUID(int=1)", "ada1e03c12de45d7f3110bd94b427886947e4f9569566f697413f4247df162ee"),
    ('Path("a")', "66c1e80d588466a56cb371ea9de4358d6dd1ea1a0613e9ec85e262486ea20aa9"),
    ('PurePosixPath("a/b")', "e4b1bfd82bf05e90515b0e2f34d631343698e830a0b9f4abe6eda0e8cddbea98"),
    ('Digest("0" * 64)', "e8aac18ec286ca9eb692a214ea529ce886e27fd9aab1f0c8798b22995b01e169"),
    ('{"a": [1, (None, {"b": {2.0}})]}', "7589071aa107631f082ecb1ead7b2684c706e1ab34dc2c2d71a8fcf1a0fd6435"),
]
SCOPE = {
    "datetime": datetime, "decimal": decimal, "uuid": uuid, "Path": Path, "PurePosixPath": PurePosixPath,
    "Digest": Digest,
}  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), GOLDEN, ids=[source for source, _ in GOLDEN])
def test_the_digest_of_a_value_is_what_it_ever_was(source: str, expected: str) -> None:
    assert Digest.of_struct("golden", eval(source, SCOPE)).hex == expected


def test_no_two_of_them_are_alike_but_every_nan_is_one_value() -> None:
    alike = [{one, other} for (one, a), (other, b) in itertools.combinations(GOLDEN, 2) if a == b]
    assert alike == [{'float("nan")', '-float("nan")'}]


def test_every_type_that_can_be_encoded_has_a_golden_digest() -> None:
    from odibi_assets.identify.digest import _ENCODERS

    assert set(_ENCODERS) <= {type(eval(source, SCOPE)) for source, _ in GOLDEN}


def test_the_tag_keeps_kinds_of_values_apart() -> None:
    assert Digest.of_struct("a", "b") != Digest.of_struct("b", "b")
    assert Digest.of_struct("a", "bc") != Digest.of_struct("ab", "c")


def test_the_order_of_a_set_does_not_count_and_that_of_a_mapping_does() -> None:
    one, other = {f"x{i}" for i in range(50)}, {f"x{i}" for i in reversed(range(50))}
    assert Digest.of_struct("s", one) == Digest.of_struct("s", other)
    assert Digest.of_struct("m", {"a": 1, "b": 2}) != Digest.of_struct("m", {"b": 2, "a": 1})


def test_time_zones_count_even_where_the_moment_is_the_same() -> None:
    utc = datetime.datetime(2013, 1, 1, 12, tzinfo=datetime.UTC)
    paris = utc.astimezone(datetime.timezone(datetime.timedelta(hours=1)))
    assert utc == paris
    assert Digest.of_struct("t", utc) != Digest.of_struct("t", paris)


class Text(str):
    pass


class Number(enum.IntEnum):
    ONE = 1


Point = collections.namedtuple("Point", "x")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "params"),
        (lambda: 1, "params"),
        (Text("x"), "params"),
        (Number.ONE, "params"),
        (Point(1), "params"),
        (collections.OrderedDict(), "params"),
        (np.int64(1), "params"),
        (memoryview(b"1"), "params"),
        ({"filters": [1, 2, object()]}, "params.filters[2]"),
        ({"a": {"b": (0, {"c": object()})}}, "params.a.b[1].c"),
        ({object(): 1}, "a key of params"),
        ([{(1, object())}], "an element of params[0][1]"),
    ],
)
def test_what_has_no_canonical_encoding_is_refused_with_the_path_to_it(value: Any, path: str) -> None:
    with pytest.raises(NotFingerprintable) as caught:
        Digest.of_struct("params", value)
    assert str(caught.value).startswith(f"{path} is a ")
    assert "has no canonical encoding" in str(caught.value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotFingerprintable, match="params holds itself"):
        Digest.of_struct("params", value)


def test_a_number_of_any_length_has_a_digest() -> None:
    assert Digest.of_struct("n", 10**5000) != Digest.of_struct("n", 10**5000 + 1)


def test_a_digest_reads_what_it_writes() -> None:
    digest = Digest.of_bytes(b"x")
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    "text", ["", "b3:", "b3:" + "0" * 63, "b3:" + "G" * 64, "sha:" + "0" * 64, "0" * 64, "b3:" + "A" * 64]
)
def test_a_text_that_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a digest"):
        Digest.parse(text)


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    for size in (0, 1, 5_000_000):
        data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        (tmp_path / "f").write_bytes(data)
        assert Digest.of_file(tmp_path / "f") == Digest.of_bytes(data)


def test_a_keyed_digest_needs_its_key() -> None:
    assert keyed_digest(bytes(32), b"secret") != keyed_digest(b"1" * 32, b"secret")
    assert keyed_digest(bytes(32), b"secret") != Digest.of_bytes(b"secret")


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


def shown(value: Any) -> str:
    return f"{type(value).__name__}:{value!r}"


@given(values, values)
def test_equal_encodings_mean_equal_values_of_equal_types(one: Any, other: Any) -> None:
    assert (encode(one) == encode(other)) == (shown(one) == shown(other))


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_no_way_to_cut_a_list_of_texts_differently_has_the_same_encoding(one: list[str], other: list[str]) -> None:
    assert (encode(one) == encode(other)) == (one == other)
