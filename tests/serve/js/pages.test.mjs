/** What the pages must hold so that a strict Content-Security-Policy lets them work, and nothing that is said becomes markup. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (name) => readFileSync(new URL(`../../../mlbot/web/${name}`, import.meta.url), "utf8");
const PAGES = ["index", "chat", "agents", "label", "intents", "monitor"];
const SCRIPTS = ["client.js", "pages.js", "texts.js", "story.js", "index.js", "chat.js", "agents.js", "label.js", "intents.js", "monitor.js"];
const LANGUAGES = ["en", "de", "es", "fr"];
const TEXTS = Object.fromEntries(LANGUAGES.map((name) => [name, JSON.parse(read(`text.${name}.json`))]));
const DYNAMIC = { "owner.": ["bot", "queue", "agent", "closed"], "language.": LANGUAGES, "desk.no_": ["mine", "waiting", "others"],
  "new.was_": ["put", "dropped", "wanted", "adopted"],
  "why.": ["drawn", "unsure", "random", "second_opinion", "disagreement"], "standing.": ["in_scope", "all_messages", "near", "wide", "above", "below", "open", "unclear"],
  "promise.": ["holds", "absent", "none", "withdrawn", "stricter"], "alert.": ["below_test", "useless", "handed_over", "log_gone", "log_unwritable"],
  "decision.": ["execute", "confirm", "clarify", "handoff", "out_of_scope"], "quality.": ["test", "in_scope", "all_messages", "audit"].flatMap((name) => [name, `${name}_about`]),
  "feature.": ["length", "role", "location", "predicted_intent", "confidence"], "band.": ["from", "over"],
  "story.": Object.keys(JSON.parse(read("stories.json"))).flatMap((name) => [`${name}.title`, `${name}.about`]) };

for (const page of PAGES) {
  const html = read(`${page}.html`);

  test(`${page}: nothing is inline`, () => {
    assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|javascript:|data:/i);
    for (const [script] of html.matchAll(/<script[^>]*>[^]*?<\/script>/g)) assert.match(script, /^<script type="module" src="[\w.]+"><\/script>$/);
  });

  test(`${page}: whatever it loads or links lies beside it`, () => {
    for (const [, name] of html.matchAll(/(?:src|href)="([^"#]+)"/g)) assert.ok(/^[\w.]+$/.test(name) && read(name), name);
  });

  test(`${page}: ids are given once, and all that are spoken of exist`, () => {
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [, names] of html.matchAll(/(?:for|aria-labelledby|aria-describedby)="([^"]+)"/g)) for (const name of names.split(" ")) assert.ok(ids.includes(name), name);
    const script = read(`${page}.js`) + (page === "index" ? "" : 'byId("trouble") byId("who")') + (page === "chat" ? read("story.js") : "");
    for (const [, id] of script.matchAll(/byId\("([\w-]+)"\)/g)) assert.ok(ids.includes(id), `${page}.js asks for #${id}`);
  });

  test(`${page}: it has a language, a title and one heading of the first rank, and may be zoomed`, () => {
    assert.match(html, /<html lang="en">/);
    assert.match(html, /<title>[^<]+<\/title>/);
    assert.equal(html.match(/<h1/g).length, 1);
    assert.doesNotMatch(html, /user-scalable|maximum-scale/);
  });
}

for (const name of SCRIPTS) {
  test(`${name}: what is said is set as text only`, () => {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|setAttribute\("style"|localStorage/);
  });
}

test("every language has all texts, with the same words to fill in and the same keys to press", () => {
  for (const name of LANGUAGES) {
    assert.deepEqual(Object.keys(TEXTS[name]), Object.keys(TEXTS.en), name);
    for (const [key, text] of Object.entries(TEXTS[name])) {
      assert.ok(text.trim() && text.trim() === text, `${name} ${key}`);
      const filled = (words) => [...words.matchAll(/\{\w+\}/g)].map(String).sort();
      assert.deepEqual(filled(text), filled(TEXTS.en[key]), `${name} ${key}`);
      assert.equal(text.split("[[").length, TEXTS.en[key].split("[[").length, `${name} ${key}`);
    }
  }
});

test("no text is missing, and none is left over", () => {
  const html = PAGES.map((page) => read(`${page}.html`)).join(""), scripts = SCRIPTS.map(read).join("");
  const used = new Set([...html.matchAll(/data-t(?:-label|-placeholder)?="([^"]+)"/g), ...scripts.matchAll(/"([a-z]+\.[a-z_]+)"/g)].map(([, key]) => key));
  for (const [start, ends] of Object.entries(DYNAMIC)) {
    assert.ok(scripts.includes(`t(\`${start}$`), start);
    for (const end of ends) used.add(start + end);
  }
  assert.deepEqual(Object.keys(TEXTS.en).filter((key) => !used.has(key)), []);
  const asked = [...html.matchAll(/data-t(?:-label|-placeholder)?="([^"]+)"/g), ...scripts.matchAll(/\bt\("([^"]+)"/g)].map(([, key]) => key);
  assert.deepEqual(asked.filter((key) => !(key in TEXTS.en)), []);
});

test("a page reads the same before its texts have come as in English", () => {
  const plain = (text) => text.replace(/<\/?kbd>/g, "").replace(/\[\[|\]\]/g, "").replace(/&amp;/g, "&");
  for (const page of PAGES) {
    for (const [, key, text] of read(`${page}.html`).matchAll(/data-t="([^"]+)"[^>]*>((?:[^<]|<\/?kbd>)*)</g)) assert.equal(plain(text), plain(TEXTS.en[key]), `${page} ${key}`);
    for (const [, name, key] of read(`${page}.html`).matchAll(/placeholder="([^"]+)" data-t-placeholder="([^"]+)"/g)) assert.equal(name, TEXTS.en[key]);
  }
});

test("the language is the one picked, else the browser's first that there is, else English", async () => {
  const { languageOf } = await import("../../../mlbot/web/texts.js");
  assert.equal(languageOf("", ["de-AT", "en"]), "de");
  assert.equal(languageOf("fr", ["de-AT", "en"]), "fr");
  assert.equal(languageOf("", ["it-IT", "es"]), "es");
  assert.equal(languageOf("constructor", ["it-IT", ""]), "en");
  assert.equal(languageOf("", []), "en");
});
