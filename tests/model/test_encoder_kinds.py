"""Encoders of several kinds are read as data: one file of 4 bits, MPNet, a zip in parts, a vocabulary of many scripts."""

import hashlib
import json
import zipfile
from dataclasses import replace
from math import erf

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from mlbot.errors import InputError
from mlbot.model import encoder as encoder_module
from mlbot.model import encoder_vocabulary
from mlbot.model.artefact import ENCODER, TOKENS
from mlbot.model.encoder import Encoder, Parts, both_sizes, load_encoder, needed_parts, read_parts, tokenizer_file
from mlbot.model.encoder_files import Recipe, find_encoder, read_recipe, write_tiny_encoder
from mlbot.model.encoder_graph import bert
from mlbot.model.encoder_packed import packed_arrays, read_packed, write_tiny_packed
from mlbot.model.encoder_weights import in_bytes
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor
from mlbot.model.train import train
from mlbot.settings import load_settings

WORDS = "i need a new card lost my badge leave holiday book room please the for".split()
SETTINGS = load_settings()


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return write_tiny_packed(tmp_path_factory.mktemp("packed") / "tiny.bin", [*WORDS, "карта", "カード"])


def dense(arrays, name, x):
    return x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]


def normed(arrays, name, x, epsilon):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon) * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]


def step_as_its_makers_have_it(away: int) -> int:
    """The step of a distance, one at a time and in single precision, as in the published code of MPNet."""
    step, apart = (16, away) if away > 0 else (0, -away)
    return step + (apart if apart < 8 else min(15, 8 + int(np.log(np.float32(apart) / 8) / np.float32(np.log(16)) * 8)))


def by_hand(arrays, ids, heads, layers, epsilon=1e-5) -> np.ndarray:
    """The vector of MPNet in plain numpy, written down from its paper and not from our graph."""
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    places = arrays["embeddings.position_embeddings.weight"][2:2 + len(ids)]
    x = normed(arrays, "embeddings.LayerNorm", arrays["embeddings.word_embeddings.weight"][ids] + places, epsilon)
    steps = [[step_as_its_makers_have_it(there - here) for there in range(len(ids))] for here in range(len(ids))]
    apart, width = arrays["encoder.relative_attention_bias.weight"][np.array(steps)], x.shape[1] // heads
    for layer in (f"encoder.layer.{number}" for number in range(layers)):
        query, key, value = (dense(arrays, f"{layer}.attention.attn.{name}", x) for name in "qkv")
        said = np.empty_like(x)
        for head in range(heads):
            own = slice(head * width, (head + 1) * width)
            fit = np.exp(query[:, own] @ key[:, own].T / np.sqrt(width) + apart[:, :, head])
            said[:, own] = fit / fit.sum(axis=1, keepdims=True) @ value[:, own]
        x = normed(arrays, f"{layer}.attention.LayerNorm", x + dense(arrays, f"{layer}.attention.attn.o", said), epsilon)
        inner = dense(arrays, f"{layer}.intermediate.dense", x)
        inner *= 0.5 * (1 + np.vectorize(erf)(inner / np.sqrt(2)))
        x = normed(arrays, f"{layer}.output.LayerNorm", x + dense(arrays, f"{layer}.output.dense", inner), epsilon)
    return x.mean(axis=0) / np.linalg.norm(x.mean(axis=0))


def write_tiny_mpnet(folder):
    write_tiny_encoder(folder, WORDS)
    theirs = {"attention.self.query": "attention.attn.q", "attention.self.key": "attention.attn.k",
              "attention.self.value": "attention.attn.v", "attention.output.dense": "attention.attn.o",
              "attention.output.LayerNorm": "attention.LayerNorm"}
    arrays = {}
    for name, array in load_file(folder / "model.safetensors").items():
        ours = next((ours for ours in theirs if f".{ours}." in name), None)
        arrays[name.replace(ours, theirs[ours]) if ours else name] = array
    del arrays["embeddings.token_type_embeddings.weight"]
    dice = np.random.default_rng(3)
    arrays["encoder.relative_attention_bias.weight"] = dice.normal(size=(32, 2)).astype(np.float32)
    arrays["embeddings.position_embeddings.weight"] = dice.normal(size=(130, 8)).astype(np.float32)
    save_file(arrays, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mpnet", "pad_token_id": 1, "layer_norm_eps": 1e-5, "max_position_embeddings": 130}
    (folder / "config.json").write_text(json.dumps(config))
    return folder, arrays


def test_mpnet_says_what_its_paper_says(tmp_path):
    folder, arrays = write_tiny_mpnet(tmp_path / "mpnet")
    full = Encoder(both_sizes(read_parts(folder), folder)[0])
    for text in ("card", "i lost my badge", " ".join(WORDS * 8)):
        ids = full.tokens.encode(text).ids
        assert np.abs(full.vector(text) - by_hand(arrays, ids, heads=2, layers=2)).max() < 1e-5
    assert len(full.tokens.encode(" ".join(WORDS * 20)).ids) == 128 and full.vector(" ".join(WORDS * 20)).any()


def test_the_distance_of_two_tokens_matters_to_mpnet(tmp_path):
    folder, arrays = write_tiny_mpnet(tmp_path / "mpnet")
    near = Encoder(both_sizes(read_parts(folder), folder)[0]).vector("i lost my badge")
    arrays["encoder.relative_attention_bias.weight"] *= 0
    save_file(arrays, folder / "model.safetensors")
    blind = Encoder(both_sizes(read_parts(folder), folder)[0]).vector("i lost my badge")
    assert not np.allclose(near, blind, atol=1e-3)


def test_an_encoder_in_one_file_of_an_installed_package_is_found_and_not_imported(packed, tmp_path, monkeypatch):
    home = tmp_path / "carries_one"
    home.mkdir()
    (home / "__init__.py").write_text("raise RuntimeError('imported')")
    (home / "all.bin").write_bytes(packed.read_bytes())
    write_tiny_packed(home / "few.bin", WORDS[:3])
    (home / "other.bin").write_bytes(b"something else" * 1_000_000)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_encoder("carries-one") == home / "all.bin"
    assert find_encoder("carries-one/few.bin") == home / "few.bin"


def test_a_package_without_an_encoder_that_we_read_is_not_called_missing(tmp_path, monkeypatch):
    carry(tmp_path, "carries-another", {"another/weights.npz": b"something else"})
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name, says in (("carries-another", "the installed package carries-another has none that we read"),
                       ("another/none.bin", "the installed package another has none that we read"),
                       ("carries-nothing", "no installed package")):
        with pytest.raises(InputError, match=says):
            find_encoder(name)


def test_an_encoder_in_one_file_trains_and_answers_from_the_model_alone(packed):
    words, starts = ["card", "badge", "room"], ["i need a", "please", "the"]
    rows = pd.DataFrame({"text": [f"{start} {word}" for start in starts for word in words], "intent": words * 3})
    settings = replace(SETTINGS.model, tier="encoder", encoder=str(packed))
    pipeline = train(rows, [], settings)
    artefact = to_artefact(pipeline, settings, {})
    assert artefact.manifest["encoder"]["weights"] == "8 bits" and len(artefact.manifest["encoder"]["digest"]) == 16
    ours = Predictor(artefact).probabilities(rows["text"], [{}] * len(rows))
    assert np.abs(ours - pipeline.predict_proba(rows)).max() < 1e-5


def test_an_encoder_in_one_file_knows_a_hundred_languages_only_with_their_pieces(packed, monkeypatch):
    assert load_encoder(str(packed), [], languages=["en", "ru"]).origin["languages"] == ""
    monkeypatch.setattr(encoder_module, "LARGE_VOCABULARY", 10)
    assert {"en", "ru"} <= set(load_encoder(str(packed), [], languages=["en", "ru"]).origin["languages"].split())


def test_what_an_encoder_wants_before_each_text_is_put_there_once(packed):
    tokens = load_encoder(str(packed), []).tokens
    assert "".join(tokens.encode("my card").tokens).replace("\u2581", " ") == "<s> query: my card</s>"
    assert tokens.encode("my card ").tokens == tokens.encode("  my\tcard").tokens


@pytest.mark.parametrize("break_it, says", [
    (lambda data: data[:200], "cannot be read"),
    (lambda data: data[:len(data) // 2], "cannot be read"),
    (lambda data: data[:4] + b"\x02" + data[5:], "version 2"),
])
def test_an_encoder_in_one_file_that_is_cut_off_or_newer_is_refused(packed, tmp_path, break_it, says):
    (tmp_path / "cut.bin").write_bytes(break_it(packed.read_bytes()))
    with pytest.raises(InputError, match=says):
        load_encoder(str(tmp_path / "cut.bin"), [])


def test_numbers_of_four_bits_are_read_as_llama_cpp_reads_them(packed):
    """One at a time: the low half of each byte is one of the first sixteen of a block, the high half one of the others."""
    read, name = read_packed(packed), "l0.fi.w"
    _, count, offset = read.places[name]
    ours, width = packed_arrays(read)["encoder.layer.0.intermediate.dense.weight"].ravel(), 18
    for at in (0, 15, 16, 31, 32 * 7 + 20, count - 1):
        block = read.data[offset + at // 32 * width:][:width]
        code = block[2 + at % 16] >> (4 if at % 32 > 15 else 0) & 15
        assert ours[at] == pytest.approx((code - 8) * float(np.frombuffer(block[:2], "<f2")[0]))


ASKED = ["i lost my card", "please book a room", "LEAVE: 12 %!", "zzz"]


@pytest.mark.parametrize("languages, texts", [(["en"], []), (["en", "de"], ["a new badge"])])
def test_texts_in_the_kept_scripts_get_the_very_same_vectors(packed, monkeypatch, languages, texts):
    full = load_encoder(str(packed), [], languages=["en", "ru", "ja"])
    monkeypatch.setattr(encoder_vocabulary, "LARGE_VOCABULARY", 10)
    small = load_encoder(str(packed), texts, languages=languages)
    assert small.tokens.get_vocab_size() == full.tokens.get_vocab_size() - 2
    assert len(small.files[ENCODER]) < len(full.files[ENCODER])
    assert np.array_equal(small.vectors(ASKED), full.vectors(ASKED))
    assert not np.allclose(small.vector("карта"), full.vector("карта")) and np.isfinite(small.vector("карта")).all()


@pytest.mark.parametrize("languages, texts, stays", [
    (["en"], [], 0), (["en", "ru"], [], 1), (["en"], ["моя карта"], 1), (["ja", "ru"], [], 2)])
def test_the_scripts_of_languages_and_of_texts_are_kept(packed, monkeypatch, languages, texts, stays):
    monkeypatch.setattr(encoder_vocabulary, "LARGE_VOCABULARY", 10)
    known = load_encoder(str(packed), texts, languages=languages).tokens.get_vocab()
    assert sum(word in known for word in ("\u2581карта", "\u2581カード")) == stays


def test_a_vocabulary_of_word_pieces_is_cut_with_the_numbers_that_its_tokenizer_mentions(tmp_path, monkeypatch):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    words = ["карта", "[UNK]", "カード", "[CLS]", "[SEP]", "##ing", "lost", "##та", "l", "##о", "card"]
    tokens = Tokenizer(models.WordPiece({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3))
    parts = Parts({}, {}, Recipe(), json.loads(tokens.to_str()))
    monkeypatch.setattr(encoder_vocabulary, "LARGE_VOCABULARY", 5)
    small, table = encoder_vocabulary.pruned(parts.tokens, np.arange(11), [], ["en"])
    cut = Tokenizer.from_str(json.dumps(small))
    for text in ("lost card", "losting", "l"):
        before, after = tokens.encode(text), cut.encode(text)
        assert before.tokens == after.tokens and before.ids == table[after.ids].tolist()
    assert cut.encode("карта").tokens == ["[CLS]", "[UNK]", "[SEP]"] and "カード" not in cut.get_vocab()


def test_a_small_vocabulary_stays_whole(packed):
    parts = read_parts(packed)
    assert needed_parts(packed, [], ["en"]).tokens == parts.tokens


def carry(site, name: str, files: dict[str, bytes]) -> None:
    """Install a package that carries files."""
    info = site / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    for file, data in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_bytes(data)
    (info / "RECORD").write_text("".join(f"{file},sha256={len(data)}x,{len(data)}\n" for file, data in files.items()))


@pytest.fixture
def zipped(tmp_path):
    folder = write_tiny_encoder(tmp_path / "big", WORDS)
    (folder / "modules.json").write_text("[]")
    (folder / "README.md").write_text("---\nlanguage: en\n---\n# Big\n")
    with zipfile.ZipFile(tmp_path / "big.zip", "w") as file:
        for path in folder.iterdir():
            file.write(path, f"big/{path.name}")
        file.writestr("big/../../outside.json", "{}")
        file.writestr("big/pytorch_model.bin", "code")
    return (tmp_path / "big.zip").read_bytes()


def test_an_encoder_that_comes_in_parts_is_joined_once(zipped, tmp_path, monkeypatch):
    third = len(zipped) // 3
    for number, data in enumerate((zipped[:third], zipped[third:2 * third], zipped[2 * third:]), 1):
        carry(tmp_path / "site", f"big-part-{number:03}", {f"big_{number}/big.zip.{number:03}": data})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("MLBOT_DATA_HOME", str(tmp_path / "home"))
    place = find_encoder("big")
    assert place.is_relative_to(tmp_path / "home") and load_encoder("big", ["i lost my card"]).origin["weights"] == "8 bits"
    assert {file.name for file in place.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json"}
    monkeypatch.setattr("mlbot.model.encoder_files.unpack", None)
    assert find_encoder("big") == place  # not joined again


def test_an_encoder_from_a_zip_knows_the_languages_of_its_card(zipped, tmp_path, monkeypatch):
    carry(tmp_path / "site", "big", {"big_1/big.zip": zipped})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("MLBOT_DATA_HOME", str(tmp_path / "home"))
    old = tmp_path / "home" / "encoders" / f"big-{hashlib.sha256(f'big.zipsha256={len(zipped)}x'.encode()).hexdigest()[:12]}"
    old.mkdir(parents=True)  # as it was unpacked before, without a card
    assert load_encoder("big", ["i lost my card"]).origin["languages"] == "en"


def test_parts_that_are_missing_are_said(zipped, tmp_path, monkeypatch):
    carry(tmp_path / "site", "big-part-001", {"big_1/big.zip.001": zipped[:1000]})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("MLBOT_DATA_HOME", str(tmp_path / "home"))
    with pytest.raises(InputError, match="1 parts that are not a complete zip: big.zip.001"):
        find_encoder("big")


@pytest.mark.parametrize("said, prompt", [
    ({"prompts": {"query": "query: "}, "default_prompt_name": "query"}, "query: "),
    ({"prompts": {"classification": "classify: ", "query": "search: "}, "default_prompt_name": None}, "classify: "),
    ({"prompts": {"query": "search: "}}, ""),
    ({}, ""),
])
def test_the_default_prompt_of_an_encoder_is_used_or_that_for_classification(tmp_path, said, prompt):
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(said))
    assert read_recipe(tmp_path).prompt == prompt


def test_the_largest_numbers_of_the_tokens_are_a_way_to_pool_and_weighted_ones_are_refused(tmp_path):
    folder = write_tiny_encoder(tmp_path / "tiny", WORDS)
    (folder / "1_Pooling").mkdir()
    steps = [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "1_Pooling"}]
    (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    largest = load_encoder(str(folder), ["my card"])
    alone = [largest.vector(text) for text in ("card", "card card")]
    assert read_recipe(folder) == Recipe("max", False) and not np.allclose(np.linalg.norm(alone[0]), 1)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_weightedmean_tokens": true}')
    with pytest.raises(InputError, match="pooling weightedmean_tokens"):
        load_encoder(str(folder), [])


# what the package's own runtime, which rounds what flows between the layers, says: the first eight numbers
GOLDEN = {
    "I lost my card": [0.0675, -0.0475, -0.0023, -0.0709, 0.0577, -0.0486, -0.0212, 0.0508],
    "Wo ist mein Urlaubsantrag?": [0.0691, -0.0646, -0.06, -0.0583, 0.0529, -0.0345, 0.0548, 0.0758],
    "¿Dónde está mi nómina?": [0.0374, -0.0156, -0.0544, -0.0526, 0.0396, -0.0732, 0.0436, 0.0678],
}


@pytest.mark.long
def test_e5_says_what_its_own_runtime_says(e5):
    encoder = load_encoder(str(e5), list(GOLDEN), languages=["en", "de", "es", "fr"])
    parts = read_parts(e5)  # before its vectors are centred
    graph = bert(parts.config, parts.arrays, parts.recipe)
    plain = Encoder({ENCODER: in_bytes(graph), TOKENS: tokenizer_file(parts)}).vectors(GOLDEN)
    assert np.abs(plain[:, :8] - np.array(list(GOLDEN.values()))).max() < 0.003
    cosines = (plain @ plain.T, encoder.vectors(GOLDEN) @ encoder.vectors(GOLDEN).T)
    assert cosines[0].min() > 0.7 and cosines[1].min() < 0.3  # they no longer all point in one direction
    assert encoder.origin["weights"] == "8 bits" and sum(map(len, encoder.files.values())) < 80e6
    assert TOKENS in encoder.files and encoder.width == 384
